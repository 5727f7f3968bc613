"""Slopes of weights through autograd: for weights that no module applies position by position.

A tagged weight has the values of the weight itself. When the gradient of the loss with respect to it
comes by, its inner product with the change is taken and the gradient is dropped, so that the gradient
of one weight is in memory at a time. This holds whatever the model does with the weight: fused experts,
convolutions, sinks of an attention, positions that all rows share.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Reader = Callable[[Tensor], None]


@dataclass(frozen=True)
class Holder:
    """A parameter where a module holds it."""

    module: torch.nn.Module
    key: str
    column: int
    """The number of the module that it counts for, in the map."""
    change: Tensor


class _Tag(torch.autograd.Function):
    """The identity on a weight; hands the weight's gradient to a reader."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, *given: object) -> Tensor:
        _anchor, weight, read = given
        assert isinstance(weight, Tensor)
        # As an attribute: saved tensors are freed after the first way back, and the head's comes first.
        ctx.read = read  # type: ignore[attr-defined]
        return weight.detach()

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: Tensor
    ) -> tuple[Tensor | None, ...]:
        ctx.read(gradient)  # type: ignore[attr-defined]
        return torch.zeros(()), None, None


@contextlib.contextmanager
def tagged(
    holders: Sequence[Holder], anchor: Tensor, tell: Callable[[int, float], None]
) -> Iterator[None]:
    """Replace parameters by tagged ones while the block runs.

    Args:
        holders: Parameters to tag; a tied weight has several.
        anchor: A scalar that asks for a gradient: a way back to it passes every tag.
        tell: Called with a column and a part of its slope, once a holder and way back.

    Yields:
        Nothing.
    """
    kept = [(h.module, h.key, h.module._parameters[h.key]) for h in holders]
    try:
        for holder in holders:
            weight = holder.module._parameters[holder.key]
            assert weight is not None
            tag = _Tag.apply(anchor, weight.detach(), _reader(holder, tell))  # type: ignore[no-untyped-call]
            holder.module._parameters[holder.key] = tag
        yield
    finally:
        for module, key, parameter in kept:
            module._parameters[key] = parameter


def _reader(holder: Holder, tell: Callable[[int, float], None]) -> Reader:
    def read(gradient: Tensor) -> None:
        change = holder.change.to(gradient.device)
        # Slice by slice, so that fused experts are not held once more in float32.
        parts = zip(gradient, change, strict=True) if gradient.ndim > 2 else [(gradient, change)]
        slope = sum(float((one.float() * other.float()).sum()) for one, other in parts)
        tell(holder.column, slope)

    return read
