"""The config of an adapter, and what is wrong with it: PEFT passes over much, and says little."""

import dataclasses
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import peft
from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING

from ...errors import ModelError
from ...model_files import ADAPTER_CONFIG
from ..checkpoints import Checkpoint

ADAPTER_PREFIX = "base_model.model."
"""Prefix that PEFT puts before the name of a module of the base."""
MERGE_ADVICE = (
    "merge it into its base with PEFT's merge_and_unload(), save it and give that folder instead"
)
"""The way out for an adapter that cannot be read from its factors."""
_NOT_ONE_CHANGE = {"POLY", "XLORA"}
"""Kinds that mix their factors anew for each input, though their classes have a method to merge."""
_BY_MODULE = ("rank_pattern", "alpha_pattern")
"""Fields of numbers by the name of a module."""
_WHOLE = ("r", "rank_pattern")
"""Fields of ranks."""


def mergeable_config(checkpoint: Checkpoint) -> PeftConfig:
    """Read the config of an adapter that PEFT knows in full and can merge into its base.

    Args:
        checkpoint: An adapter's folder.

    Returns:
        PEFT's config, of the class of its kind.

    Raises:
        ModelError: The kind is missing, unknown to this PEFT, or changes no weights of the base; a
            key is unknown to this PEFT and not off; a number is none; or PEFT refuses the config.
    """
    file, config = checkpoint.folder / ADAPTER_CONFIG, checkpoint.config
    kind = _kind(config, file)
    tuner = PEFT_TYPE_TO_TUNER_MAPPING.get(kind)
    if kind in _NOT_ONE_CHANGE or not hasattr(tuner, "merge_and_unload"):
        raise ModelError(
            f"{file}: a {kind} adapter has no change of the weights that merges into the base: it "
            "changes what the base is fed or computes as it runs; train one of a kind that merges, "
            "such as LoRA"
        )
    fields = dataclasses.fields(PEFT_TYPE_TO_CONFIG_MAPPING[kind])
    known = {field.name for field in fields}
    # A later PEFT may write what this one does not know; passed over, it could mean anything.
    unknown = [key for key, value in config.items() if key not in known and value]
    if unknown:
        raise ModelError(
            f"{file}: holds {', '.join(unknown)}, which PEFT {peft.__version__} does not know for {kind} and "
            "passes over, so the adapter could be more than what it opens; update PEFT (pip install "
            f"-U peft); or, with the PEFT that trained it, {MERGE_ADVICE}; or delete the key if it means "
            "nothing"
        )
    for name, value in _wrong_numbers(fields, config):
        raise ModelError(
            f"{file}: {name} is {value!r}, and a {'whole ' * (name.partition('.')[0] in _WHOLE)}number belongs there; correct it, or save the "
            "adapter again with save_pretrained(...)"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return PeftConfig.from_pretrained(str(checkpoint.folder))
    except Exception as error:
        raise ModelError(
            f"{file}: cannot be read by PEFT ({misfit_reason(error)}); correct it, or save the "
            "adapter again with save_pretrained(...)"
        ) from error


def misfit_reason(error: Exception) -> str:
    r"""Say in one line, in names of the base, why PEFT cannot put an adapter on it.

    >>> misfit_reason(RuntimeError("Error(s) in loading:\n size mismatch for base_model.model.a.b: x."))
    'size mismatch for a.b: x'

    Args:
        error: As PEFT or torch raised it.

    Returns:
        The line that names a tensor if there is one; of missing keys the first three.
    """
    text = str(error).strip()
    lines = text.splitlines() or [type(error).__name__]
    line = next((line for line in lines if "size mismatch" in line), lines[0]).strip()
    if "missing adapter keys" in text:
        names = re.findall(r"'(base_model\.[^']+)'", text)
        told = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        line = (
            "missing adapter keys: its config targets layers whose tensors its file lacks: "
            f"{told}; {len(names)} in all"
        )
    return line.replace(ADAPTER_PREFIX, "").replace(".default", "").rstrip(".:")


def misfit_mend(error: Exception) -> str:
    """Say what to do about an adapter that PEFT cannot put on its base, or cannot merge.

    Args:
        error: As PEFT or torch raised it.

    Returns:
        What may be wrong, and the mend.
    """
    text = str(error)
    if isinstance(error, NotImplementedError) and (not text or "merg" in text.lower()):
        return "PEFT cannot merge it into its base; train one that merges, such as plain LoRA"
    if "more than plain LoRA" in text:
        return MERGE_ADVICE
    made = "it was made for another model, or"
    if "size mismatch" in text:
        return (
            f"{made} r, rank_pattern or target_modules in {ADAPTER_CONFIG} are not those that it was "
            "trained with: give the base that it was trained on, or correct them"
        )
    if "missing adapter keys" in text:
        return (
            f"{made} saved in part: save the adapter again, or correct target_modules and "
            f"layers_to_transform in {ADAPTER_CONFIG}"
        )
    return (
        f"{made} {ADAPTER_CONFIG} is not the one that it was trained with: give the base that it was "
        "trained on, or save the adapter again with save_pretrained(...)"
    )


def _kind(config: Mapping[str, object], file: Path) -> str:
    kind = config.get("peft_type")
    if not isinstance(kind, str) or not kind:
        raise ModelError(
            f"{file}: has no peft_type, so nothing says which kind of adapter it is; write it, such "
            'as "peft_type": "LORA", or save the adapter again with save_pretrained(...)'
        )
    if kind not in PEFT_TYPE_TO_CONFIG_MAPPING:
        raise ModelError(
            f"{file}: peft_type {kind!r} is no kind that PEFT {peft.__version__} knows; correct it, "
            "or update PEFT (pip install -U peft)"
        )
    return kind


def _wrong_numbers(
    fields: tuple[dataclasses.Field[object], ...], config: Mapping[str, object]
) -> Iterator[tuple[str, object]]:
    """Yield the keys, with their values, that hold something else where PEFT computes with a number."""
    for field in fields:
        value, is_whole = config.get(field.name), field.name in _WHOLE
        computes = type(field.default) in (int, float) and value is not None
        if computes and not _is_number(value, is_whole=is_whole):
            yield field.name, value
        # AdaLoRA keeps a list of switches there, and OSF fractions.
        of_ranks = field.name in _BY_MODULE and config.get("peft_type") == "LORA"
        if of_ranks and isinstance(value, Mapping):
            for module, number in value.items():
                if not _is_number(number, is_whole=is_whole):
                    yield f"{field.name}.{module}", number


def _is_number(value: object, *, is_whole: bool) -> bool:
    return isinstance(value, int if is_whole else int | float) and not isinstance(value, bool)
