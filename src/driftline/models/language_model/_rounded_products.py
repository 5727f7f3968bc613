"""Products of bfloat16 matrices on a processor without instructions for them: in float32, then rounded."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from ._bfloat16_support import is_bfloat16_native

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
def rounded_products(model: torch.nn.Module, *, bfloat16: bool) -> Iterator[None]:
    """Compute products of bfloat16 matrices in float32 and round each result, where that is faster.

    Instructions for bfloat16 also multiply exactly, add up in float32 and round the sum. So results differ
    by the order of the additions, and in attention, whose probabilities stay in float32.
    The backward pass counts only if it runs inside the block.

    Cost: somewhat more than float32: a copy of each operand in float32, and some 50 microseconds an operation.

    Args:
        model: What computes in the block.
        bfloat16: It computes under autocast to bfloat16.

    Yields:
        Nothing; without effect with a GPU, on a processor that computes bfloat16, and where nothing in the block does.
    """
    if is_rounded(model, bfloat16=bfloat16):
        with _RoundedProducts():  # type: ignore[no-untyped-call]
            yield
    else:
        yield


def is_rounded(model: torch.nn.Module, *, bfloat16: bool) -> bool:
    """Say if `rounded_products` has an effect.

    Args:
        model: What computes.
        bfloat16: It computes under autocast to bfloat16.

    Returns:
        True where something is in bfloat16, and the processor emulates it; False with flex attention, which
        compiles itself, and nothing compiles in a dispatch mode.
    """
    if _compiles_itself(model):
        return False
    has_bfloat16 = bfloat16 or any(each.dtype == torch.bfloat16 for each in model.parameters())
    return has_bfloat16 and not is_bfloat16_native()


def _compiles_itself(model: torch.nn.Module) -> bool:
    config = getattr(model, "config", None)
    return getattr(config, "_attn_implementation", None) == "flex_attention"


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
        if func in _PRODUCTS and _are_bfloat16((*args, *kwargs.values())):
            return _rounded_product(func, args, kwargs)
        if func in (_ATTENTION, _ATTENTION_BACKWARD) and args[0].dtype == torch.bfloat16:
            named = {key: _widened(value) for key, value in kwargs.items()}
            return _rounded(func(*map(_widened, args), **named))
        return func(*args, **kwargs)


def _rounded_product(
    func: OpOverload[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Tensor:
    """Compute a product in float32; write it where the operation itself would."""
    named = {key: value for key, value in kwargs.items() if key != "out"}
    product: Tensor = _PRODUCTS[func](*map(_widened, args), **named)
    if "out" in kwargs:
        out: Tensor = kwargs["out"]
        if out.shape != product.shape:
            out.resize_(product.shape)
        return out.copy_(product)
    if func in (_aten.addmm_.default, _aten.baddbmm_.default):
        return cast("Tensor", args[0]).copy_(product)
    return product.bfloat16()


def _are_bfloat16(values: Sequence[Any]) -> bool:
    """Say if all tensors are bfloat16; of mixed ones PyTorch itself says that they do not go together."""
    dtypes = {value.dtype for value in values if isinstance(value, Tensor)}
    return dtypes == {torch.bfloat16}


def _rounded(results: tuple[Tensor, ...]) -> tuple[Any, ...]:
    """Round what attention gives, or its gradients; the second result forward is of float32 anyway."""
    return tuple(each.bfloat16() if each.ndim == 4 else each for each in results)


def _widened(value: Any) -> Any:  # noqa: ANN401 - an argument of an operation
    is_narrow = isinstance(value, Tensor) and value.dtype == torch.bfloat16
    return value.float() if is_narrow else value
