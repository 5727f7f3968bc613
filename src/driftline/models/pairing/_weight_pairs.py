"""Base and tuned weights side by side, tensor by tensor, as they lie on disk."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..checkpoints import BLOCK, ReadableTensor
from ..language_model import Role, weight_layer, weight_role
from ..points import LowRank
from ._sliced_factors import SlicedFactors

_WIDE = (torch.float64, torch.int64, torch.int32)
"""Dtypes whose numbers float32 does not hold."""
ROUNDING_SHARE = 0.4
"""Norm of the error of rounding a weight once, over its norm, in units of the dtype's unit roundoff.

Errors are uniform within half a unit in the last place; over weights whose logarithm is uniform
within a power of two this gives 0.39, over normal ones 0.42."""


class Moments(NamedTuple):
    """The sums over one weight from which norms are made."""

    base_squared: float
    change_squared: float
    base_is_finite: bool = True
    tuned_is_finite: bool = True
    is_rounded_copy: bool = False
    """Every number is the base's, rounded to tuned's dtype: no change but of the dtype."""


@dataclass(frozen=True)
class WeightPair:
    """One weight, in the base and in the tuned model."""

    name: str
    base: ReadableTensor
    tuned: ReadableTensor | SlicedFactors | None
    """None where an adapter leaves it alone."""
    is_text: bool = True
    """False in a vision tower and the like, whose layers are numbered by themselves."""

    @property
    def layer(self) -> int | None:
        """The layer that it lies in; None outside the layers of the text model."""
        return weight_layer(f".{self.name}") if self.is_text else None

    @property
    def role(self) -> Role:
        """Role of the weight in its layer."""
        # Fused experts end in their module's name, which the patterns know with a dot behind it.
        return weight_role(f".{self.name}.") if self.is_text else "other"

    @property
    def base_dtype(self) -> str:
        """The dtype that the base is stored in."""
        return _dtype_name(self.base.dtype)

    @property
    def tuned_dtype(self) -> str:
        """The dtype that the tuned weight, or an adapter's factors, are stored in."""
        return self.base_dtype if self.tuned is None else _dtype_name(self.tuned.dtype)

    @property
    def rounding_floor(self) -> float | None:
        """The relative norm of a change that rounding alone would make; see `ROUNDING_SHARE`.

        None where nothing was rounded: an adapter's factors say their change exactly.
        """
        if self.tuned is None or isinstance(self.tuned, SlicedFactors):
            return None
        dtypes = [d for d in (self.base.dtype, self.tuned.dtype) if d.is_floating_point]
        # `eps` is the distance of 1 from its neighbour: twice the unit roundoff.
        return ROUNDING_SHARE * max(torch.finfo(d).eps for d in dtypes) / 2 if dtypes else None

    def factors(self) -> LowRank | None:
        """Return the change as two thin matrices, if an adapter changes a matrix."""
        if not isinstance(self.tuned, SlicedFactors) or len(self.base.shape) != 2:
            return None
        (only,) = self.tuned.slices()
        return only

    def moments(self) -> Moments:
        """Compute sums of squares of the base and of the change, reading a block at a time.

        Returns:
            The sums, and what else the pass saw. Cost: one pass over the bytes of both; memory
            for a few blocks, or for an adapter's factors.
        """
        if self.tuned is None:
            return _base_moments(self.base)
        if not isinstance(self.tuned, SlicedFactors):
            return _stored_moments(self.base, self.tuned)
        alone = _base_moments(self.base)
        squared = sum(_product_square(change) for change in self.tuned.slices())
        return Moments(
            alone.base_squared,
            max(squared, 0.0),
            alone.base_is_finite,
            tuned_is_finite=math.isfinite(squared),
        )

    def differs(self) -> bool:
        """Tell whether tuned holds other bits than the base rounded to its dtype, or another shape."""
        assert self.tuned is not None, "an adapter leaves no such tensor to compare"
        assert not isinstance(self.tuned, SlicedFactors), "an adapter changes weights alone"
        if self.base.shape != self.tuned.shape:
            return True
        pairs = zip(self.base.blocks(), self.tuned.blocks(), strict=True)
        return not all(_same_bits(before.to(after.dtype), after) for before, after in pairs)

    def base_value(self) -> Tensor:
        """Return the whole base weight as float32."""
        return self.base.value()

    def change(self) -> Tensor:
        """Return the whole change (tuned - base) as float32.

        Returns:
            Tensor of the weight's shape. Cost: four bytes per element, and no second copy.
        """
        if isinstance(self.tuned, SlicedFactors):
            return torch.cat([part.dense() for part in self.tuned.slices()]).view(self.base.shape)
        if self.tuned is None:
            return torch.zeros(self.base.shape)
        held, at = torch.empty(self.base.num_elements), 0
        wide = _work_dtype(self.base, self.tuned)
        for before, after in zip(self.base.blocks(), self.tuned.blocks(), strict=True):
            part = held[at : at + len(before)]
            part.copy_(after.to(wide) - before.to(wide))
            at += len(before)
        return held.view(self.base.shape)


def equal_values(left: ReadableTensor, right: ReadableTensor) -> bool:
    """Tell whether two stored tensors hold the same numbers; read a block at a time."""
    if left.shape != right.shape:
        return False
    pairs = zip(left.blocks(), right.blocks(), strict=True)
    return all(torch.equal(a, b.to(a.dtype)) for a, b in pairs)


def _base_moments(base: ReadableTensor) -> Moments:
    held = torch.empty(min(BLOCK, base.num_elements), dtype=_work_dtype(base))
    squared, is_finite = 0.0, True
    for block in base.blocks():
        squared += _square_sum(held[: len(block)].copy_(block))
        if not math.isfinite(squared):
            is_finite = is_finite and _is_finite(block)
    return Moments(squared, 0.0, base_is_finite=is_finite)


def _stored_moments(base: ReadableTensor, tuned: ReadableTensor) -> Moments:
    held = torch.empty((2, min(BLOCK, base.num_elements)), dtype=_work_dtype(base, tuned))
    base_squared = change_squared = 0.0
    finite = (True, True)
    may_be_copy = _is_finer(base.dtype, tuned.dtype)
    for before, after in zip(base.blocks(), tuned.blocks(), strict=True):
        wide, change = held[0, : len(before)], held[1, : len(before)]
        wide.copy_(before)
        change.copy_(after).sub_(wide)
        may_be_copy = may_be_copy and _same_bits(before.to(tuned.dtype), after)
        base_squared += _square_sum(wide)
        change_squared += _square_sum(change)
        if not math.isfinite(base_squared + change_squared):
            finite = finite[0] and _is_finite(before), finite[1] and _is_finite(after)
    if may_be_copy and all(finite):
        return Moments(base_squared, 0.0, is_rounded_copy=True)
    return Moments(base_squared, change_squared, *finite)


def _product_square(change: LowRank) -> float:
    # ||L R||^2 = tr(L'L RR'), so the product is never formed.
    left, right = change.left.double(), change.right.double()
    return float(((left.T @ left) * (right @ right.T)).sum())


def _square_sum(block: Tensor) -> float:
    squared = float(block.dot(block))
    # Beyond 1e19 or below 1e-19 a square leaves float32 although the number does not.
    if 1e-30 < squared < math.inf or (squared == 0 and not block.any()):
        return squared
    return float(block.double().square().sum())


def _is_finite(block: Tensor) -> bool:
    return bool(torch.isfinite(block.to(torch.float64)).all())


def _same_bits(left: Tensor, right: Tensor) -> bool:
    return torch.equal(left.view(torch.uint8), right.view(torch.uint8))


def _is_finer(base: torch.dtype, tuned: torch.dtype) -> bool:
    both_float = base.is_floating_point and tuned.is_floating_point
    return both_float and torch.finfo(base).eps < torch.finfo(tuned).eps


def _work_dtype(*tensors: ReadableTensor) -> torch.dtype:
    return torch.float64 if any(t.dtype in _WIDE for t in tensors) else torch.float32


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
