"""Weights of a model that are not stored as they are: made from other tensors when they are read."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from ..checkpoints import BLOCK, SizedTensor, StoredTensor


@dataclass(frozen=True)
class ChainedTensor:
    """Stored tensors whose numbers, one after the other, are the numbers of one weight.

    Fused experts are such a chain: gate and up of the first expert, then of the second, and so on.
    Nothing of it is in memory.
    """

    name: str
    shape: tuple[int, ...]
    parts: tuple[StoredTensor, ...]

    @property
    def dtype(self) -> torch.dtype:
        """The narrowest dtype that holds the numbers of all parts."""
        return reduce(torch.promote_types, (part.dtype for part in self.parts))

    @property
    def num_elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        """Bytes of the files that belong to it."""
        return sum(part.num_bytes for part in self.parts)

    def blocks(self) -> Iterator[Tensor]:
        """Yield its elements in order, `BLOCK` at a time, flat.

        Yields:
            A view of one buffer: what it holds changes with the next block.
        """
        yield from _reblocked(
            (block for part in self.parts for block in part.blocks()), self.num_elements, self.dtype
        )

    def value(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Read the whole weight.

        Args:
            dtype: The dtype to hold it in.

        Returns:
            A tensor of its shape. Cost: memory for all its numbers.
        """
        return _gathered(self.blocks(), self.num_elements, dtype).view(self.shape)


@dataclass(frozen=True)
class ConvertedTensor(SizedTensor):
    """A weight that a conversion of transformers makes; one weight is in memory while it is read."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    make: Callable[[], Tensor]

    def blocks(self) -> Iterator[Tensor]:
        """Yield its elements in order, `BLOCK` at a time, flat."""
        yield from torch.split(self.make().reshape(-1), BLOCK)

    def value(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the whole weight.

        Args:
            dtype: The dtype to hold it in.

        Returns:
            A tensor of its shape.
        """
        return self.make().to(dtype)


@dataclass(frozen=True)
class HeldTensor:
    """A weight that is in memory, such as a module that an adapter saves whole."""

    name: str
    tensor: Tensor

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of its numbers."""
        return self.tensor.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(self.tensor.shape)

    @property
    def num_elements(self) -> int:
        """Number of elements."""
        return self.tensor.numel()

    @property
    def num_bytes(self) -> int:
        """Bytes that its elements take."""
        return self.tensor.nbytes

    def blocks(self) -> Iterator[Tensor]:
        """Yield its elements in order, `BLOCK` at a time, flat."""
        yield from torch.split(self.tensor.reshape(-1), BLOCK)

    def value(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the whole weight in another dtype."""
        return self.tensor.to(dtype)


def _reblocked(blocks: Iterable[Tensor], num: int, dtype: torch.dtype) -> Iterator[Tensor]:
    """Yield the same numbers in blocks of `BLOCK`, whatever the lengths that come in."""
    buffer, filled = torch.empty(min(BLOCK, num), dtype=dtype), 0
    for block in blocks:
        while len(block):
            taken = block[: len(buffer) - filled]
            buffer[filled : filled + len(taken)].copy_(taken)
            filled, block = filled + len(taken), block[len(taken) :]
            if filled == len(buffer):
                yield buffer
                filled = 0
    if filled:
        yield buffer[:filled]


def _gathered(blocks: Iterable[Tensor], num: int, dtype: torch.dtype) -> Tensor:
    held, at = torch.empty(num, dtype=dtype), 0
    for block in blocks:
        held[at : at + len(block)].copy_(block)
        at += len(block)
    return held
