"""Directions in weight space: what a point adds to the base.

A direction gives, for one weight at a time, the change at scale 1. It is asked tensor by tensor, so
that no more than one tensor of it need lie in memory.
"""

import errno
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from pydantic import JsonValue
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ...errors import ModelError


class Direction(Protocol):
    """A change of the weights at scale 1."""

    def identity(self) -> JsonValue:
        """Return the value that determines the direction: equal identity means equal change."""
        ...

    def prepare(self) -> None:
        """Make the change available, before any weight moves; may take long the first time."""
        ...

    def delta(self, name: str, base: Tensor) -> Tensor | None:
        """Return the change of one weight.

        Args:
            name: The weight's name.
            base: The weight's value in the base model.

        Returns:
            A float32 tensor of the same shape, or None where the direction leaves it alone.
        """
        ...


@dataclass(frozen=True)
class NoiseDirection:
    """A random direction, normalised per matrix: scale 1 moves each matrix by its own norm.

    Each matrix W changes by ||W||_F * N / ||N||_F with N standard normal; vectors (norms, biases)
    stay. So a scale is the relative Frobenius norm of the change, the same in every matrix.
    Filter-wise normalisation for landscapes goes back to Li et al. 2018 (arXiv 1712.09913); here
    it is per matrix, since a transformer's matrices are not made of filters.
    """

    seed: int

    def identity(self) -> JsonValue:
        """Return the seed, which determines it."""
        return {"kind": "noise", "seed": self.seed}

    def prepare(self) -> None:
        """Do nothing: each tensor is drawn on demand."""

    def delta(self, name: str, base: Tensor) -> Tensor | None:
        """Draw noise of the weight's own norm; it does not depend on the other weights."""
        if base.ndim < 2:
            return None
        digest = hashlib.sha256(f"{self.seed}|{name}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        noise = torch.randn(base.shape, generator=generator)
        return noise.mul_(base.detach().float().norm().cpu() / noise.norm())


_HELD_BYTES = 2**30
"""Changes of a direction that is looked along many times, kept in memory."""


@dataclass(frozen=True)
class HeldDirection:
    """A direction whose changes stay in memory once they were asked for, up to 1 GiB of them.

    For many points on one line: drawing noise takes several times as long as adding it.
    """

    direction: Direction
    _held: dict[str, Tensor | None] = field(default_factory=dict, compare=False, repr=False)

    def identity(self) -> JsonValue:
        """Return the identity of the direction; holding it in memory changes nothing."""
        return self.direction.identity()

    def prepare(self) -> None:
        """Prepare the direction."""
        self.direction.prepare()

    def delta(self, name: str, base: Tensor) -> Tensor | None:
        """Return the change of one weight; not to be written to."""
        if name in self._held:
            return self._held[name]
        change = self.direction.delta(name, base)
        # Asked for from several threads, so the bound may be passed by a weight or two.
        size = sum(c.nbytes for c in list(self._held.values()) if c is not None)
        if change is None or size + change.nbytes <= _HELD_BYTES:
            self._held[name] = change
        return change


class LowRank(NamedTuple):
    """A change of one weight as the product of two thin matrices, as LoRA makes it."""

    left: Tensor
    right: Tensor

    def dense(self) -> Tensor:
        """Compute the change itself, float32, on the CPU."""
        product: Tensor = self.left.float().cpu() @ self.right.float().cpu()
        return product


Change = Mapping[str, Tensor | LowRank]
"""Weight name to its change."""

_LEFT, _RIGHT = "|left", "|right"
"""Suffixes of a weight's name for the two parts of a low-rank change in a file."""


def as_tensors(change: Change) -> dict[str, Tensor]:
    """Return the tensors that store a change."""
    result = {}
    for name, value in change.items():
        if isinstance(value, LowRank):
            result[name + _LEFT], result[name + _RIGHT] = value
        else:
            result[name] = value
    return result


@dataclass(frozen=True)
class StoredDirection:
    """A change kept in a safetensors file, weight by weight, read as it is needed."""

    path: Path
    recipe: JsonValue
    """Recipe of the change; two files with one recipe hold the same change."""

    def identity(self) -> JsonValue:
        """Return the recipe that made it."""
        return self.recipe

    def prepare(self) -> None:
        """Do nothing: the file exists."""

    def delta(self, name: str, base: Tensor) -> Tensor | None:
        """Read the stored change of one weight.

        Args:
            name: The weight's name.
            base: The weight's value in the base model; its shape is checked.

        Returns:
            The change as float32, or None where the file has none.

        Raises:
            ModelError: The stored change has another shape than the weight, or cannot be read.
        """
        try:
            change = self._read(name)
        except (SafetensorError, OSError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"{self.path}: a change of weights that an earlier process kept is truncated or "
                f"corrupt ({error}); delete the file and run the command again, which makes it anew"
            ) from error
        if change is None:
            return None
        if change.shape != base.shape:
            raise ModelError(
                f"{self.path}: {name} has shape {tuple(change.shape)} and the base "
                f"{tuple(base.shape)}; it belongs to another model"
            )
        return change

    def _read(self, name: str) -> Tensor | None:
        with safe_open(self.path, framework="pt") as opened:
            kept = opened.keys()
            if name + _LEFT in kept:
                left, right = (opened.get_tensor(name + part) for part in (_LEFT, _RIGHT))
                return LowRank(left, right).dense()
            if name not in kept:
                return None
            value: Tensor = opened.get_tensor(name)
            return value.float()


def store_direction(path: Path, change: Change, recipe: JsonValue) -> StoredDirection:
    """Write a change of weights to a file, whole or not at all.

    Args:
        path: Output file; its folder must exist.
        change: Weight name to change; a low-rank one takes as little room as its two parts.
        recipe: Recipe of the change.

    Returns:
        The direction that reads it back.

    Raises:
        OSError: The disk is full, or cannot be written.
    """
    partial = path.with_suffix(".partial")
    try:
        tensors = as_tensors(change)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial)
        partial.replace(path)
    except SafetensorError as error:
        # The library hides the number of the system's error in its text.
        number = re.search(r"os error (\d+)", str(error))
        raise OSError(int(number.group(1)) if number else errno.EIO, str(error), path) from error
    finally:
        partial.unlink(missing_ok=True)
    return StoredDirection(path, recipe)
