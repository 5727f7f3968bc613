"""Products of bfloat16 matrices on a processor without instructions for them: in float32, then rounded."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ._bfloat16_speed import is_bfloat16_fast

_aten = torch.ops.aten
_PRODUCTS = frozenset(
    {
        _aten.mm.default,
        _aten.addmm.default,
        _aten.bmm.default,
        _aten.baddbmm.default,
        _aten.linear.default,
        _aten.matmul.default,
    }
)
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
    with _RoundedProducts():
        yield


class _RoundedProducts(TorchDispatchMode):
    """The block's operations, of which products are taken over."""

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the operation gives
        kwargs = kwargs or {}
        if not (_is_product(func) and any(_is_bfloat16(value) for value in args)):
            return func(*args, **kwargs)
        result = func(*map(_widened, args), **{key: _widened(kwargs[key]) for key in kwargs})
        if func is _ATTENTION:
            # The logarithms of the sums are float32 in either case.
            return (result[0].bfloat16(), *result[1:])
        if func is _ATTENTION_BACKWARD:
            return tuple(gradient.bfloat16() for gradient in result)
        return result.bfloat16()


def _is_product(func: Callable[..., Any]) -> bool:
    return func in _PRODUCTS or func in (_ATTENTION, _ATTENTION_BACKWARD)


def _is_bfloat16(value: object) -> bool:
    return (
        isinstance(value, Tensor) and value.dtype == torch.bfloat16 and value.device.type == "cpu"
    )


def _widened(value: Any) -> Any:  # noqa: ANN401 - an argument of an operation
    return value.float() if _is_bfloat16(value) else value
