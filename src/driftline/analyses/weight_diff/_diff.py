"""Compare the weights of base and tuned model, one tensor at a time, without opening a model."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ...choices import SpectraEffort
from ...engine import Meter, Progress
from ...models import Checkpoint, Moments, PairedCheckpoints, WeightPair, pair_checkpoints
from ...provenance import provenance_fields
from ...results import (
    BadTensor,
    ChangeGroup,
    DiffProvenance,
    SourceProvenance,
    Subject,
    TensorChange,
    WeightDiff,
    weight_diff_headline,
)
from ._caveats import diff_caveats
from ._lone import lone_parts
from ._merge import merge_replay
from ._spectra import read_spectra
from ._work import DiffWork


@dataclass(frozen=True)
class DiffRequest:
    """Two checkpoints to compare, and how much to spend on spectra."""

    base: str
    """A model folder, a `.safetensors` file, or a hub id."""
    tuned: str
    """A model folder, a `.safetensors` file, a hub id, or an adapter folder."""
    spectra: SpectraEffort = "fast"
    seed: int = 0
    adapter: str | None = None
    """The folder of an adapter that the tuned model is said to hold, merged into the base."""


@dataclass(frozen=True)
class _Measured:
    """One pair with its sums."""

    pair: WeightPair
    moments: Moments

    @property
    def moved(self) -> bool:
        return self.moments.change_squared > 0


def diff(
    request: DiffRequest, *, listener: Callable[[Progress], None] = lambda _progress: None
) -> WeightDiff:
    """Compare the weights of a tuned model or adapter with its base's.

    A change is tuned - base. Relative changes are ||dW||_F / ||W||_F, over one weight or over all
    weights of a group; shares are of the squared change of all weights together.

    Cost: one pass over the files for their digests and one for the norms, at the speed of the disk;
    memory for a few blocks. Spectra add, for each matrix that moved, what
    `driftline.measures` says, and memory for two float32 copies of one matrix, and for the Gram
    matrices of its smaller side.

    Args:
        request: Model, data and settings.
        listener: Told about progress.

    Returns:
        The document; both checkpoints are only read.

    Raises:
        ModelError: One of them cannot be read, they do not belong together, the adapter is more
            than plain LoRA, or a file was replaced in the meantime.
    """
    started = time.monotonic()
    paired = pair_checkpoints(request.base, request.tuned, request.adapter)
    work = DiffWork(paired, request.spectra, Meter(listener))
    subjects = [_subject(side, work) for side in work.checkpoints]
    measured = [_Measured(pair, work.compared(pair)) for pair in paired.pairs]
    sound = [m for m in measured if m.moments.base_is_finite and m.moments.tuned_is_finite]
    whole = sum(m.moments.change_squared for m in sound)
    changes = []
    for m in sorted(sound, key=_forward_order):
        with work.spectrum(m.pair, is_needed=m.moved):
            if m.moved:
                changes.append(_change(m, whole, request))
    layers, roles, modules = _groups(sound, whole)
    beside = tuple(pair.name for pair in paired.beside if work.differs(pair))
    moved = [m.pair.name for m in measured if m.moved or m not in sound]
    merge = None
    if paired.adapter:
        merge = merge_replay(paired, subjects[-1], [*moved, *beside], work)
    work.check_unchanged()
    verdict = merge.verdict if merge else "inconclusive" if paired.lone else None
    document = WeightDiff(
        verdict=verdict,
        total=_group(sound, whole),
        by_layer=layers,
        by_role=roles,
        by_module=modules,
        changes=tuple(changes),
        num_rounded_copies=sum(m.moments.is_rounded_copy for m in sound),
        changed_beside=beside,
        only_in_base=paired.only_in_base,
        only_in_tuned=paired.only_in_tuned,
        missing_in_base=paired.missing_in_base,
        missing_in_tuned=paired.missing_in_tuned,
        lone_parts=lone_parts(paired),
        merge=merge,
        tied=paired.tied,
        untied=paired.untied,
        not_finite=tuple(_bad(m) for m in measured if m not in sound),
        spectra=request.spectra,
        wall_seconds=round(time.monotonic() - started, 1),
        num_bytes=_num_bytes(paired),
        caveats=diff_caveats(paired, changes, request.spectra),
        provenance=DiffProvenance(
            **provenance_fields("diff", request.seed),
            base=subjects[0],
            tuned=subjects[1],
        ),
    )
    return document.model_copy(update={"headline": weight_diff_headline(document)})


def _change(measured: _Measured, whole: float, request: DiffRequest) -> TensorChange:
    pair, moments = measured.pair, measured.moments
    relative = _ratio(moments.change_squared, moments.base_squared)
    floor = pair.rounding_floor
    read = read_spectra(pair, effort=request.spectra, seed=request.seed)
    return TensorChange(
        name=pair.name,
        layer=pair.layer,
        role=pair.role,
        shape=pair.base.shape,
        base_dtype=pair.base_dtype,
        tuned_dtype=pair.tuned_dtype,
        base_norm=math.sqrt(moments.base_squared),
        change_norm=math.sqrt(moments.change_squared),
        relative_change=relative,
        share=moments.change_squared / whole,
        rounding_floor=floor,
        at_rounding=relative is not None and floor is not None and relative <= floor * math.sqrt(2),
        spectrum=read.spectrum,
        spectrum_reason=read.spectrum_reason,
        intruders=read.intruders,
        intruders_reason=read.intruders_reason,
    )


def _groups(measured: Sequence[_Measured], whole: float) -> tuple[tuple[ChangeGroup, ...], ...]:
    """Group the same weights by layer, by role, and by both."""
    keyed: tuple[dict[tuple[int | None, str | None], list[_Measured]], ...] = ({}, {}, {})
    for m in sorted(measured, key=_forward_order):
        layer, role = m.pair.layer, m.pair.role
        for groups, key in zip(keyed, ((layer, None), (None, role), (layer, role)), strict=True):
            groups.setdefault(key, []).append(m)
    return tuple(
        tuple(_group(held, whole, layer=layer, role=role) for (layer, role), held in groups.items())
        for groups in keyed
    )


def _group(
    measured: Sequence[_Measured],
    whole: float,
    *,
    layer: int | None = None,
    role: str | None = None,
) -> ChangeGroup:
    change = sum(m.moments.change_squared for m in measured)
    return ChangeGroup(
        layer=layer,
        role=role,
        num_weights=len(measured),
        num_changed=sum(m.moved for m in measured),
        num_parameters=sum(m.pair.base.num_elements for m in measured),
        relative_change=_ratio(change, sum(m.moments.base_squared for m in measured)),
        share=change / whole if whole else None,
    )


def _ratio(change_squared: float, base_squared: float) -> float | None:
    return math.sqrt(change_squared / base_squared) if base_squared else None


_FIRST = ("embedding", "position")
_IN_LAYER = ("q", "k", "v", "qkv", "o", "gate", "up", "gate_up", "down", "norm", "other")


def _forward_order(measured: _Measured) -> tuple[int, int, int, str]:
    """Return a sort key: embeddings, layers by number, then the rest; attention before the MLP."""
    pair = measured.pair
    stage = 1 if pair.layer is not None else 0 if pair.role in _FIRST else 2
    place = _IN_LAYER.index(pair.role) if pair.role in _IN_LAYER else -1
    return stage, pair.layer or 0, place, pair.name


def _bad(measured: _Measured) -> BadTensor:
    sides = (measured.moments.base_is_finite, measured.moments.tuned_is_finite)
    if sides == (False, False):
        return BadTensor(name=measured.pair.name, side="both")
    return BadTensor(name=measured.pair.name, side="tuned" if sides[0] else "base")


def _subject(checkpoint: Checkpoint, work: DiffWork) -> Subject:
    return Subject(
        source=checkpoint.source,
        revision=checkpoint.revision,
        kind="adapter" if checkpoint.is_adapter else "model",
        files=tuple(
            SourceProvenance(name=file.name, digest=work.digested(file))
            for file in checkpoint.files
        ),
    )


def _num_bytes(paired: PairedCheckpoints) -> int:
    sides: Iterable[Checkpoint] = (paired.base, paired.tuned)
    return sum(tensor.num_bytes for side in sides for tensor in side.tensors.values())
