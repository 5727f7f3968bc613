"""Backward hooks that record slopes of modules and gradients of states."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from ..language_model import is_packed

ForwardHook = Callable[[torch.nn.Module, tuple[object, ...], object], None]
FullHook = Callable[[torch.nn.Module, tuple[object, ...], dict[str, object], object], None]
"""A hook that hears named arguments too."""


@dataclass(frozen=True)
class HiddenGradients:
    """Gradients of items' losses with respect to the hidden states that leave one layer."""

    rows: Float[ndarray, "rows width"]
    """One row a position, for a random part of the positions; the same part at every layer."""
    items: Int[ndarray, " rows"]
    """The item of each row."""


class SlopeRecorder:
    """Record of each module's effect on each item's loss, taken during the backward pass."""

    def __init__(self, slopes: Tensor, generator: numpy.random.Generator, share: float) -> None:
        self.slopes = slopes
        self.share = share
        self.seen: set[int] = set()
        """Columns that a gradient came by for."""
        self.source: Tensor | None = None
        """The embedding's output, where the way back ends."""
        self.item = 0
        """The item that goes through alone, where weights are tagged."""
        self._generator = generator
        self._owners = torch.zeros(0, dtype=torch.long)
        self._kept = self._owners
        self._rows: dict[int, list[Tensor]] = {}
        self._items: dict[int, list[Tensor]] = {}

    def enter(self, owners: Int[ndarray, " positions"], *, hidden: bool = True) -> None:
        """Set the item of each position that goes through the modules from now on."""
        self._owners = torch.from_numpy(owners)
        if hidden:
            kept = (owners >= 0) & (self._generator.random(len(owners)) < self.share)
            self._kept = torch.from_numpy(numpy.flatnonzero(kept))

    def start(self, _module: torch.nn.Module, _inputs: object, output: Tensor) -> None:
        """Store the embedding's output, also if no weight requires a gradient."""
        if torch.is_grad_enabled():
            self.source = output if output.requires_grad else output.requires_grad_()

    def reader(self, column: int, own: str, change: Tensor) -> FullHook:
        """Return a hook that reads the slope of one weight from the gradient of its output."""

        def hook(
            module: torch.nn.Module,
            inputs: tuple[object, ...],
            named: dict[str, object],
            output: object,
        ) -> None:
            if not (isinstance(output, Tensor) and output.requires_grad):
                return
            owners = self._owners
            # Where a module sees other positions than the batch has, none can be told whose it is.
            if output.ndim < 3 or output.shape[:2].numel() != len(owners):
                return
            given = _Given(
                tuple(_detached(each) for each in inputs),
                {key: _detached(each) for key, each in named.items()},
            )

            def read(gradient: Tensor) -> None:
                with torch.no_grad():
                    result = _position_slopes(module, own, change, given, gradient)
                valid = owners >= 0
                self.slopes[:, column].index_add_(0, owners[valid], result.double().cpu()[valid])
                self.seen.add(column)

            output.register_hook(read)  # type: ignore[no-untyped-call]

        return hook

    def tell(self, column: int, slope: float) -> None:
        """Add a part of the slope of the item that is run by itself."""
        self.slopes[self.item, column] += slope
        self.seen.add(column)

    def hidden_reader(self, layer: int) -> ForwardHook:
        """Return a hook that keeps some rows of the gradient of a layer's output."""

        def hook(_module: torch.nn.Module, _inputs: object, output: object) -> None:
            states = output[0] if isinstance(output, tuple) else output
            owners, kept = self._owners, self._kept
            if not (isinstance(states, Tensor) and states.requires_grad):
                return

            def read(gradient: Tensor) -> None:
                rows = gradient.flatten(0, -2)[kept.to(gradient.device)]
                self._rows.setdefault(layer, []).append(rows.float().cpu())
                self._items.setdefault(layer, []).append(owners[kept])

            states.register_hook(read)  # type: ignore[no-untyped-call]

        return hook

    def hidden(self) -> tuple[HiddenGradients, ...]:
        """Return the recorded gradients, layer by layer."""
        return tuple(
            HiddenGradients(
                torch.cat(self._rows[layer]).numpy(), torch.cat(self._items[layer]).numpy()
            )
            for layer in sorted(self._rows)
        )


class _Given(NamedTuple):
    """The arguments of one call of a module."""

    inputs: tuple[object, ...]
    named: dict[str, object]


def _detached(given: object) -> object:
    return given.detach() if isinstance(given, Tensor) else given


def _position_slopes(
    module: torch.nn.Module, own: str, change: Tensor, given: _Given, gradient: Tensor
) -> Tensor:
    """Compute <dL/dy, df/dW [change]> at each position, flattened."""
    # Norms of single heads have an axis more than (rows, positions, width).
    gradient = gradient.flatten(0, 1).flatten(1)
    weight = getattr(module, "weight", None)
    is_plain = type(module) is torch.nn.Linear or (isinstance(weight, Tensor) and is_packed(weight))
    first = given.inputs[0] if len(given.inputs) == 1 and not given.named else None
    with torch.autocast(gradient.device.type, enabled=False):
        if is_plain and own == "weight" and isinstance(first, Tensor):
            entered = first.flatten(0, -2).to(change.dtype)
            change = change.to(entered.device)
            if change.shape[0] > change.shape[1]:
                moved, against = gradient.to(change.dtype) @ change, entered
            else:
                moved, against = entered @ change.T, gradient
        elif type(module) is torch.nn.Embedding and isinstance(first, Tensor):
            moved, against = functional.embedding(first, change).flatten(0, -2), gradient
        else:
            moved = _derivative(module, own, change, given).flatten(0, 1).flatten(1)
            against = gradient
        result: Tensor = (moved.float() * against).sum(dim=1)
    return result


def _derivative(module: torch.nn.Module, own: str, change: Tensor, given: _Given) -> Tensor:
    """Compute the derivative of a module's output along a change of one weight.

    A central difference of a step as long as the weight itself: exact up to rounding, because norms,
    biases and projections are affine in their weights. Forward-mode differentiation would do it too,
    and loads torch's compiler.

    Returns:
        Tensor of the output's shape, in float32.
    """
    weight = module.get_parameter(own).detach()
    change = change.to(weight)
    step = float((weight.norm() / change.norm()).clamp_min(1.0))
    # Autocast leaves inputs in bfloat16 that meet a float32 weight here, where it is off.
    inputs = tuple(_as_weight(each, weight) for each in given.inputs)
    named = {key: _as_weight(each, weight) for key, each in given.named.items()}

    def output(moved: Tensor) -> Tensor:
        result: Tensor = torch.func.functional_call(module, {own: moved}, inputs, named)
        return result.float()

    return (output(weight + step * change) - output(weight - step * change)) / (2 * step)


def _as_weight(given: object, weight: Tensor) -> object:
    """Cast floating-point inputs to the dtype of a module's weight; integers stay."""
    if isinstance(given, Tensor) and given.is_floating_point():
        return given.to(weight.dtype)
    return given
