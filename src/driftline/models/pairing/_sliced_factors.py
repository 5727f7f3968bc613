"""The change that LoRA makes to one weight: two thin matrices, or two for every expert."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..checkpoints import BLOCK
from ..points import LowRank

_DENSE = 2**24
"""Numbers of a product that are formed at once; a larger one is formed a few rows at a time."""


@dataclass(frozen=True)
class SlicedFactors:
    """Factors in memory; the product is never held whole for a large weight."""

    parts: tuple[LowRank, ...]
    """One a matrix, or one an expert, along the first dimension."""
    shape: tuple[int, ...]
    dtype: torch.dtype
    """The dtype in which the factors are stored."""

    def slices(self) -> tuple[LowRank, ...]:
        """Return the parts of the change, in order."""
        return self.parts

    def blocks(self) -> Iterator[Tensor]:
        """Yield the elements of the change in order, flat float32, `BLOCK` at a time."""
        held = torch.empty(0)
        for part in self.parts:
            for rows in _products(part):
                held = torch.cat([held, rows.reshape(-1)])
                at = 0
                while len(held) - at >= BLOCK:
                    yield held[at : at + BLOCK]
                    at += BLOCK
                held = held[at:]
        if len(held):
            yield held

    def is_zero(self) -> bool:
        """Tell whether it changes nothing, as an untrained adapter does."""
        return not any(bool(part.left.any()) and bool(part.right.any()) for part in self.parts)


def _products(part: LowRank) -> Iterator[Tensor]:
    num_rows = max(1, _DENSE // part.right.shape[1])
    for rows in torch.split(part.left, num_rows):
        yield rows @ part.right
