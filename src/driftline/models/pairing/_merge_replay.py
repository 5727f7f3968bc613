"""Is an adapter's change in a merged weight? The merge is replayed in every rounding that merges use."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from ...choices import PresenceState
from ..checkpoints import BLOCK, ReadableTensor
from ._assembled import HeldTensor
from ._pairing import AdapterChange

LEAST_TOLD = 8
"""Numbers of a weight that the merge must change after rounding, for its absence to be seen."""
ROUNDING_SLACK = 1.5
"""The residual may be this many times the norm that rounding once gives."""
CHANGE_SLACK = 0.005
"""Part of the change that a residual may be: factors that were multiplied in half precision."""
STRENGTH_SLACK = 0.02
"""A strength this near to 1 is 1, and this near to 0 is 0."""
WIDEST_ERROR = 0.25
"""With a larger standard error of the strength, 0 and 1 cannot be told apart."""
_SAMPLE_BLOCKS = 16
"""Blocks from which another strength than 1 is estimated: two million numbers."""
_STEPS = 30
_LEAST, _MOST = -8.0, 8.0
"""Strengths that are looked for."""
_SUMMED = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
"""Dtypes in which weights are added."""


class Presence(NamedTuple):
    """One weight of a merged model, held against the replayed merge."""

    state: PresenceState
    strength: float | None = None
    """The multiple of the adapter's change that is there; None where it cannot be told."""
    residual: float | None = None
    """Norm that the adapter at this strength leaves, in units of the norm that rounding makes."""
    is_exact: bool = False
    """Every number is the one that the replay gives."""


class _Block(NamedTuple):
    base: Tensor
    """In the dtype in which it is stored."""
    merged: Tensor
    """As float32."""
    change: Tensor
    """As float32."""
    replaced: Tensor | None
    """The value that stands in for the base, where a module was saved whole."""


class _Way(NamedTuple):
    """One way to merge: the dtype of the sum, whether the change is rounded before it, the dtype kept."""

    dtype: torch.dtype
    rounds_change: bool
    stored: torch.dtype

    def merged(self, block: _Block, strength: float) -> Tensor:
        if strength == 1.0 and block.replaced is not None:
            return block.replaced.to(self.dtype).to(self.stored).float()
        change = block.change if strength == 1.0 else block.change * strength
        if self.rounds_change:
            total = block.base.to(self.dtype) + change.to(self.dtype)
        else:
            total = (block.base.float() + change).to(self.dtype)
        return total.to(self.stored).float()


@dataclass
class _Sums:
    """Sums of one way to merge over a weight."""

    residual: float = 0.0
    """Squared norm of merged - replay at strength 1."""
    off_base: float = 0.0
    """Squared norm of merged - base, the base rounded in the same way."""
    rounding: float = 0.0
    """Squared norm that rounding once is expected to make."""
    weighed: float = 0.0
    """The same, each number weighed by its squared change: the variance of a strength."""
    num_told: int = 0
    """Numbers that the replay changes."""
    num_wrong: int = 0
    """Numbers that are not the replay's."""

    def add(self, way: _Way, block: _Block) -> None:
        replay, start = way.merged(block, 1.0), way.merged(block, 0.0)
        variance = _spacing(block.merged.abs().maximum(start.abs()), way.dtype).square() / 12
        self.residual += _square(block.merged - replay)
        self.off_base += _square(block.merged - start)
        self.rounding += float(variance.sum())
        self.weighed += float((block.change.double().square() * variance).sum())
        self.num_told += int((replay != start).sum())
        self.num_wrong += int((block.merged != replay).sum())


@dataclass
class _Reading:
    """One pass over a weight."""

    sums: dict[_Way, _Sums]
    change_squared: float = 0.0
    sample: list[_Block] = field(default_factory=list)
    num_blocks: int = 0

    @property
    def way(self) -> _Way:
        """The way to merge that comes nearest; of equals, the one that changes more."""
        return min(self.sums, key=lambda w: (self.sums[w].residual, -self.sums[w].num_told))


def replay_merge(
    base: ReadableTensor, merged: ReadableTensor, change: AdapterChange
) -> Presence | None:
    """Tell whether a merged weight is its base with the adapter's change.

    PEFT adds the change in the dtype of the weight, other tools in float32 before one rounding; both
    are replayed, in the dtypes of base and merged model. A residual within rounding is agreement.

    Cost: one pass over both weights, or two where the strength is not 1; memory for a few blocks, a
    sample of two million numbers, and 16 million numbers of the change at a time.

    Args:
        base: The base's weight.
        merged: The merged one.
        change: Change that the adapter adds, or the value that it puts in its place.

    Returns:
        The reading; None where the adapter changes nothing.
    """
    read = _read(base, merged, change)
    if read.change_squared == 0:
        return None
    way = read.way
    sums = read.sums[way]
    if not math.isfinite(sums.residual + read.change_squared):
        return Presence("other")
    unit = math.sqrt(sums.rounding) or 1.0
    if sums.num_wrong == 0 and sums.num_told:
        return Presence("present", 1.0, 0.0, is_exact=True)
    if sums.off_base == 0:
        is_told = sums.num_told >= LEAST_TOLD
        return Presence("absent", 0.0, 0.0, is_exact=True) if is_told else Presence("undecided")
    tolerance = ROUNDING_SLACK * unit + CHANGE_SLACK * math.sqrt(read.change_squared)
    strength, error = _strength(read, way)
    if error > WIDEST_ERROR:
        is_rounding = math.sqrt(sums.off_base) <= tolerance
        return Presence("undecided" if is_rounding else "other")
    slack = max(STRENGTH_SLACK, 3 * error)
    state: PresenceState
    if abs(strength - 1) <= slack:
        state, left = "present", sums.residual
    elif abs(strength) <= slack:
        state, left = "absent", sums.off_base
    else:
        state, left = "scaled", _residual(base, merged, change, way, strength)
    is_whole = math.sqrt(left) <= tolerance
    return Presence(state if is_whole else "other", strength, math.sqrt(left) / unit)


def _read(base: ReadableTensor, merged: ReadableTensor, change: AdapterChange) -> _Reading:
    read = _Reading({way: _Sums() for way in _ways(base, merged)})
    step = max(1, merged.num_elements // (BLOCK * _SAMPLE_BLOCKS))
    for index, block in enumerate(_blocks(base, merged, change)):
        read.change_squared += _square(block.change)
        for way, sums in read.sums.items():
            sums.add(way, block)
        read.num_blocks += 1
        if index % step == 0 and len(read.sample) < _SAMPLE_BLOCKS:
            read.sample.append(_Block(*(None if t is None else t.clone() for t in block)))  # type: ignore[arg-type]
    return read


def _blocks(
    base: ReadableTensor, merged: ReadableTensor, change: AdapterChange
) -> Iterator[_Block]:
    for before, after, changed in zip(base.blocks(), merged.blocks(), change.blocks(), strict=True):
        if isinstance(change, HeldTensor):
            yield _Block(before, after.float(), changed.float() - before.float(), changed)
        else:
            yield _Block(before, after.float(), changed, None)


def _ways(base: ReadableTensor, merged: ReadableTensor) -> list[_Way]:
    kept = merged.dtype
    dtypes = [d for d in (base.dtype, _grid(merged), kept) if d in _SUMMED] or [torch.float32]
    ways = (_Way(dtype, rounds, kept) for dtype in dtypes for rounds in (True, False))
    return list(dict.fromkeys(ways))


def _grid(merged: ReadableTensor) -> torch.dtype:
    """Return the narrowest dtype that holds the first elements: files may be wider than needed."""
    first = next(merged.blocks(), torch.empty(0)).float()
    for dtype in (torch.bfloat16, torch.float16):
        if first.any() and torch.equal(first.to(dtype).float(), first):
            return dtype
    return merged.dtype


def _strength(read: _Reading, way: _Way) -> tuple[float, float]:
    """Return the strength at which the replay has the merged weight's part along the change.

    Rounding hides changes below half a step, so a plain regression would read too little; the replay
    hides the same, and its part grows with the strength.

    Returns:
        The strength and its standard error.
    """
    squared = sum(_square(block.change) for block in read.sample)
    if squared == 0:
        return 0.0, math.inf

    def part(strength: float) -> float:
        return sum(_dot(way.merged(b, strength), b.change) for b in read.sample)

    requested = sum(_dot(block.merged, block.change) for block in read.sample)
    low, high = _LEAST, _MOST
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if part(middle) < requested else (low, middle)
    # The whole weight says more than the sample by the ratio of their sizes.
    share = len(read.sample) / read.num_blocks
    error = math.sqrt(read.sums[way].weighed / share) / read.change_squared
    return (low + high) / 2, error


def _residual(
    base: ReadableTensor,
    merged: ReadableTensor,
    change: AdapterChange,
    way: _Way,
    strength: float,
) -> float:
    """Return the squared norm left of the merged weight at a strength other than 1."""
    blocks = _blocks(base, merged, change)
    return sum(_square(block.merged - way.merged(block, strength)) for block in blocks)


def _spacing(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the distance of numbers from their neighbours in a dtype, as float64."""
    limits = torch.finfo(dtype)
    exponents = torch.frexp(values.double()).exponent - 1
    spacing = torch.exp2(exponents.double()) * limits.eps
    return spacing.clamp_min(limits.tiny * limits.eps)


def _square(values: Tensor) -> float:
    return float(values.double().square().sum())


def _dot(left: Tensor, right: Tensor) -> float:
    return float(left.double().dot(right.double()))
