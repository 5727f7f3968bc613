"""Products of bfloat16 matrices on a processor without instructions for them: in float32, then rounded."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from ._bfloat16_speed import is_bfloat16_fast

_aten = torch.ops.aten
_PRODUCTS = {
    _aten.mm.default: _aten.mm.default,
    _aten.mm.out: _aten.mm.default,
    _aten.addmm.default: _aten.addmm.default,
    _aten.addmm.out: _aten.addmm.default,
    _aten.addmm_.default: _aten.addmm.default,
    _aten.bmm.default: _aten.bmm.default,
    _aten.bmm.out: _aten.bmm.default,
    _aten.baddbmm.default: _aten.baddbmm.default,
    _aten.baddbmm.out: _aten.baddbmm.default,
    _aten.baddbmm_.default: _aten.baddbmm.default,
    _aten.linear.default: _aten.linear.default,
    _aten.matmul.default: _aten.matmul.default,
}
"""Each product, and its form that makes a new tensor."""
_ATTENTION = _aten._scaled_dot_product_flash_attention_for_cpu.default
_ATTENTION_BACKWARD = _aten._scaled_dot_product_flash_attention_for_cpu_backward.default


@contextlib.contextmanager
def rounded_products() -> Iterator[None]:
    """Compute products of bfloat16 matrices in float32 and round each result, where that is faster.

    Instructions for bfloat16 do the same: they multiply exactly, add up in float32 and round the sum. So
    results differ by the order of the additions, and in attention, whose probabilities stay in float32.
    The backward pass counts only if it runs inside the block.

    Cost: about the time of float32, 10 microseconds an operation, and one operand in float32 at a time.

    Yields:
        Nothing; without effect with a GPU, and on a processor that computes bfloat16.
    """
    if is_bfloat16_fast():
        yield
        return
    with _RoundedProducts():  # type: ignore[no-untyped-call]
        yield


class _RoundedProducts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The block's operations, of which products are taken over."""

    def __torch_dispatch__(
        self,
        func: OpOverload[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the operation gives
        kwargs = kwargs or {}
        is_attention = func in (_ATTENTION, _ATTENTION_BACKWARD)
        if not (is_attention or func in _PRODUCTS) or not any(map(_is_bfloat16, args)):
            return func(*args, **kwargs)
        wide = [_widened(value) for value in args]
        named = {key: _widened(value) for key, value in kwargs.items() if key != "out"}
        if is_attention:
            return _rounded(func(*wide, **named))
        product = _PRODUCTS[func](*wide, **named)
        if "out" in kwargs:
            return kwargs["out"].copy_(product)
        return args[0].copy_(product) if _is_in_place(func) else product.bfloat16()


def _is_in_place(func: OpOverload[..., Any]) -> bool:
    return func in (_aten.addmm_.default, _aten.baddbmm_.default)


def _rounded(results: tuple[Tensor, ...]) -> tuple[Any, ...]:
    """Round what attention gives, or its gradients; the second result forward is of float32 anyway."""
    return tuple(each.bfloat16() if each.ndim == 4 else each for each in results)


def _is_bfloat16(value: object) -> bool:
    return (
        isinstance(value, Tensor) and value.dtype == torch.bfloat16 and value.device.type == "cpu"
    )


def _widened(value: Any) -> Any:  # noqa: ANN401 - an argument of an operation
    return value.float() if _is_bfloat16(value) else value
