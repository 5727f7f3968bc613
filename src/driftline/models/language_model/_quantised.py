"""Quantised bases of bitsandbytes: read-only, with the change of a point running beside them.

A packed weight holds 4 or 8 bits a number and cannot take a small step. So it stays as it is, and
a point adds to the layer's output what the change makes of the layer's input, as an adapter does.
"""

import importlib.util
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import transformers
from peft.utils.integrations import dequantize_bnb_weight
from torch import Tensor
from torch.nn import functional

from ...choices import LoadIn
from ...errors import ModelError

_PACKED = ("Params4bit", "Int8Params")
_MEND = "take the unquantised model; where memory is short, open it with load_in (--load-in 4bit)"


class PackedPlace:
    """Packed weight: read by dequantising, moved by a parallel layer."""

    def __init__(self, module: torch.nn.Module) -> None:
        """Wrap a quantised linear layer."""
        self._module: Any = module

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns of the weight, which a packed one does not show."""
        return self._module.out_features, self._module.in_features

    def value(self) -> Tensor:
        """Return the weight that the layer computes with."""
        state = vars(self._module).get("state")
        value: Tensor = dequantize_bnb_weight(self._module.weight, state)
        return value.detach().view(self.shape)

    def stored(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the packed bytes and all that is needed to read them, as in a checkpoint."""
        yield f" {self._computation}", self._module.weight.detach()
        for key, tensor in sorted(self._module.state_dict().items()):
            if key not in ("weight", "bias"):
                yield f" {key}", tensor

    def move(self, change: Tensor) -> Callable[[], None]:
        """Add a change as a layer in parallel.

        Args:
            change: Change, of the weight's shape; held in the layer's compute dtype.

        Returns:
            Function that undoes it.
        """
        beside = change.to(self._module.weight.device, self._compute_dtype)

        def add_beside(_module: object, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            added = functional.linear(inputs[0].to(beside.device, beside.dtype), beside)
            return output + added.to(output.device, output.dtype)

        remove: Callable[[], None] = self._module.register_forward_hook(add_beside).remove
        return remove

    @property
    def _compute_dtype(self) -> torch.dtype:
        # An 8-bit layer has none of its own: it computes in integers and float16, by turns.
        result: torch.dtype | None = vars(self._module).get("compute_dtype")
        return result or torch.bfloat16

    @property
    def _computation(self) -> str:
        """Settings other than its bytes on which the layer's outputs depend."""
        state = vars(self._module).get("state")
        return f"in {self._compute_dtype}" if state is None else f"outliers {state.threshold}"


def is_packed(parameter: Tensor) -> bool:
    """Return whether a parameter is quantised by bitsandbytes, without importing that library."""
    return type(parameter).__name__ in _PACKED


def is_quantised(model: torch.nn.Module) -> bool:
    """Return whether some weights of a model are packed."""
    return any(is_packed(parameter) for parameter in model.parameters())


def packing(model: transformers.PreTrainedModel) -> str | None:
    """Describe the quantisation of a model; None if it has none.

    Args:
        model: A model as it was opened.

    Returns:
        Such as `4-bit nf4` or `8-bit`.
    """
    if not is_quantised(model):
        return None
    config = model.config.quantization_config
    return f"4-bit {config.bnb_4bit_quant_type}" if config.load_in_4bit else "8-bit"


def check_scheme(config: Mapping[str, Any], *, source: str, load_in: LoadIn | None) -> None:
    """Refuse what is quantised in a way that cannot be read back, before it is loaded.

    Args:
        config: The checkpoint's config.json.
        source: Name of the model in messages.
        load_in: Quantisation at opening.

    Raises:
        ModelError: Another scheme than that of bitsandbytes, or two at once, or the library that it
            needs is not installed.
    """
    result: Mapping[str, Any] = config.get("quantization_config") or {}
    is_bitsandbytes = result.get("load_in_4bit") or result.get("load_in_8bit")
    method = result.get("quant_method", "bitsandbytes" if is_bitsandbytes else "an unnamed scheme")
    if result and method != "bitsandbytes":
        raise ModelError(
            f"{source}: is quantised with {method}; of quantised bases only those of bitsandbytes "
            f"are supported, 8-bit and 4-bit; {_MEND}"
        )
    if result.get("llm_int8_has_fp16_weight"):
        raise ModelError(
            f"{source}: llm_int8_has_fp16_weight in its quantization_config quantises anew at each "
            f"pass, so there is no base to stand on; {_MEND}"
        )
    if result and load_in:
        raise ModelError(f"{source}: is quantised already; leave out load_in (--load-in)")
    if (result or load_in) and importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            f"{source}: a quantised base needs bitsandbytes; install it: "
            "pip install 'driftline[quantized]'"
        )


def quantisation_config(
    load_in: LoadIn, compute_dtype: torch.dtype
) -> transformers.BitsAndBytesConfig:
    """Return the settings by which transformers quantises a base while it opens it.

    Args:
        load_in: 4 bits (nf4, as QLoRA has it) or 8.
        compute_dtype: Dtype to which 4-bit weights are dequantised for each product.
    """
    if load_in == "8bit":
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=compute_dtype
    )


def make_read_only(model: transformers.PreTrainedModel, source: str) -> None:
    """Prevent bitsandbytes from changing the opened model as it is used."""
    for name, module in model.named_modules():
        layer: Any = module
        if not any(is_packed(parameter) for parameter in module.parameters(recurse=False)):
            continue
        if module is model.get_output_embeddings() or not isinstance(module, torch.nn.Linear):
            raise ModelError(
                f"{source}: {name} is quantised, an output head or an embedding; {_MEND}"
            )
        if vars(module).get("source_cls", torch.nn.Linear) is not torch.nn.Linear:
            # GPT-2's; packed, its weight lies transposed and would no longer be what its name says.
            raise ModelError(f"{source}: {name} is no plain linear layer; {_MEND}")
        state = vars(module.weight).get("quant_state")
        if state is not None and module.in_features % state.blocksize and _is_on_cpu(module):
            # Its kernel for wide vector units takes the scale of another block (seen in 0.50).
            raise ModelError(
                f"{source}: rows of {name} hold {module.in_features} numbers, no multiple of its "
                f"4-bit blocks of {state.blocksize}, and bitsandbytes misreads such on a CPU; take "
                "8 bits or a GPU"
            )
        if "support_avx512bf16_for_cpu" in vars(module):
            # On some CPUs the first pass would write the bytes anew in another order.
            layer.support_avx512bf16_for_cpu = False
        if layer.bias is not None:
            module.register_forward_pre_hook(_remember_bias)
            module.register_forward_hook(_put_bias_back, always_call=True)
    # One line a layer and pass, on what is meant to be so.
    logging.getLogger("bitsandbytes.autograd._functions").addFilter(_is_no_cast_notice)


def _is_on_cpu(module: torch.nn.Linear) -> bool:
    return module.weight.device.type == "cpu"


def _remember_bias(module: Any, _inputs: object) -> None:  # noqa: ANN401 - a layer of bitsandbytes
    # One that is remembered already was left by a pass that Ctrl-C broke off.
    module.bias.data = module.bias_as_opened = vars(module).get("bias_as_opened", module.bias.data)


def _put_bias_back(module: Any, _inputs: object, _output: object) -> None:  # noqa: ANN401
    """Restore the bias, which the layer rounds for good to the dtype of its input."""
    module.bias.data = module.bias_as_opened
    del module.bias_as_opened


def _is_no_cast_notice(record: logging.LogRecord) -> bool:
    return "inputs will be cast" not in record.getMessage()
