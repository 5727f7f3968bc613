"""The limits of a diff that its numbers do not show."""

from collections.abc import Sequence

from ...choices import SpectraEffort
from ...models import PairedCheckpoints
from ...results import TensorChange

_ALONE = (
    "Weights alone: a large movement may cost nothing and a small one much. What it did to the "
    "model's capabilities, driftline score says when it is run on both."
)
_INTRUDERS = (
    "Intruder dimensions: where singular values of the base nearly coincide, its vectors turn at "
    "next to nothing, so a few may be found after a harmless change. Compare them between runs."
)


def diff_caveats(
    paired: PairedCheckpoints, changes: Sequence[TensorChange], spectra: SpectraEffort
) -> tuple[str, ...]:
    """Return the caveats of one comparison, the general one first."""
    result = [_ALONE, *_rounding(changes)]
    if paired.tuned.is_adapter:
        result.append(
            "The adapter's change as its factors say it, before any merging: a merged model in half "
            "precision is rounded beside."
        )
    if paired.untied:
        result.append(
            f"{', '.join(paired.untied)}: tied to the embedding on one side and not on the other; "
            "held against that side's embedding."
        )
    if paired.only_in_base or paired.only_in_tuned:
        result.append(
            f"{len(paired.only_in_base)} tensors are in the base alone and "
            f"{len(paired.only_in_tuned)} in the tuned model alone; they are in no number here."
        )
    result += _names(paired)
    if spectra != "none" and any(c.spectrum and not c.spectrum.is_exact for c in changes):
        result.append(
            "Spectra of large matrices are estimates: singular values never above the true ones, "
            "stable ranks never below."
        )
    if any(c.intruders for c in changes):
        result.append(_INTRUDERS)
    return tuple(result)


def _names(paired: PairedCheckpoints) -> list[str]:
    """Say how names were paired, if not by transformers' plain rules."""
    result = []
    if paired.wrappers:
        result.append(
            f"{', '.join(paired.wrappers)} was removed from names for pairing; transformers does not "
            "do so, and would load such a folder with random weights: save the unwrapped model."
        )
    for checkpoint in (paired.base, paired.tuned):
        if checkpoint.strays:
            result.append(
                f"{checkpoint.source}: other weights beside the model ({_first(checkpoint.strays)}) were "
                "not read."
            )
    if paired.is_by_name:
        why = (
            f"transformers could not build the model ({'; '.join(paired.failures)})"
            if paired.failures
            else "No config names a class of transformers for both"
        )
        result.append(
            f"{why}, so names alone were paired, without known prefixes; that all of a model is there "
            "could not be checked."
        )
    return [*result, *_beside(paired)]


def _beside(paired: PairedCheckpoints) -> list[str]:
    """Name the tensors that are no weights of the class, and those that could not be compared."""
    result = []
    if paired.buffers:
        result.append(
            f"{len(paired.buffers)} stored buffers ({_first(paired.buffers)}) are no weights, so they "
            "are in no number; they were compared."
        )
    if paired.passed_over:
        compared = {pair.name for pair in paired.beside}
        alone = [name for name in paired.passed_over if name not in compared]
        told = "they were compared"
        if paired.tuned.is_adapter:
            told = "no adapter reaches them"
        elif alone:
            told = f"{len(alone)} of them, on one side alone, were not compared ({_first(alone)})"
        result.append(
            f"{len(paired.passed_over)} tensors that the model's class does not load "
            f"({_first(paired.passed_over)}) are in no number; {told}."
        )
    return result


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _rounding(changes: Sequence[TensorChange]) -> list[str]:
    result = []
    pairs = sorted({(c.base_dtype, c.tuned_dtype) for c in changes if c.rounding_floor is not None})
    mixed = [pair for pair in pairs if pair[0] != pair[1]]
    if mixed:
        told = ", ".join(f"{base} and {tuned}" for base, tuned in mixed)
        result.append(
            f"Base and tuned are stored in different dtypes ({told}): every change holds the "
            "rounding to the coarser one."
        )
    at_rounding = [c for c in changes if c.at_rounding]
    if at_rounding:
        floor = max(c.rounding_floor or 0.0 for c in at_rounding)
        result.append(
            f"{len(at_rounding)} of {len(changes)} changes are at the level of rounding (a relative "
            f"change of about {floor:.1e}): half of their squared change, or more, may be rounding. "
            "Their effective ranks say little."
        )
    return result
