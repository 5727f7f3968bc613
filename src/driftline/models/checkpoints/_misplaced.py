"""Refuses stored tensors that belong to a model but that no loader puts to use: scales, adapters, denied layers.

Transformers passes over tensors without a place, so a model whose numbers need them would be scored as
another model, without an error.
"""

import re
from collections.abc import Collection, Iterable, Mapping

import torch

from ...errors import ModelError
from ._stored import StoredTensor

_SCALES = re.compile(
    r"(.*)[._](weight_scale|weight_scale_inv|weight_scale_2|input_scale|scale_inv|qweight|qzeros|g_idx"
    r"|weight_packed|weight_shape|weight_zero_point|SCB|absmax|quant_map|quant_state\..*)"
)
"""Names that quantisation gives to what it stores beside packed weights, or in their place."""
_INTEGERS = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.bool)
_OF_ADAPTERS = re.compile(
    r"(^|\.)(lora_[AB]|lora_embedding_[AB]|lora_magnitude_vector|hada_w[12]_[ab]|lokr_w[12](_[ab])?|ia3_l"
    r"|oft_[Rr]|vera_lambda_[bd]|base_layer|original_module|modules_to_save)(\.|$)"
)
_LAYER = re.compile(r"(.*\.)(\d+)(\..*)")


def check_unpacked(tensors: Mapping[str, StoredTensor], source: object) -> None:
    """Refuse packed weights of a folder whose config.json tells no loader how to unpack them.

    Args:
        tensors: The tensors of a model or an adapter.
        source: Name of the model in the message.

    Raises:
        ModelError: A tensor has the name of a scale, or a weight is stored in integers.
    """
    for name, tensor in tensors.items():
        is_weight = name.endswith(".weight") and len(tensor.shape) > 1
        if _SCALES.fullmatch(name) or (is_weight and tensor.dtype in _INTEGERS):
            dtype = str(tensor.dtype).removeprefix("torch.")
            raise ModelError(
                f"{source}: tensor {name} ({dtype}) belongs to packed weights, and config.json has no "
                "quantization_config, so transformers would not unpack them; give the unquantised checkpoint"
            )


def check_placed(
    unplaced: Iterable[str],
    own: Collection[str],
    tensors: Mapping[str, StoredTensor],
    *,
    source: object,
    num_more_layers: int = 0,
) -> None:
    """Refuse tensors without a place in the model, where the model was trained with them.

    A part of another modality or a head for another task is no fault: causal scores do not need it.

    Args:
        unplaced: Names in the files that transformers found no place for.
        own: Names of the model's weights.
        tensors: The stored tensors, to see whether a bias is zero; a name may be absent.
        source: Name of the model in the message.
        num_more_layers: Layers after the last one that the config keeps for predicting further tokens.

    Raises:
        ModelError: An adapter that was not merged, a bias that is not zero where the config has none, or a
            layer beyond those of the config.
    """
    for name in unplaced:
        if _OF_ADAPTERS.search(name):
            raise ModelError(
                f"{source}: tensor {name} is of an adapter that was not merged, so transformers passes over it; "
                "merge it (model.merge_and_unload().save_pretrained(...)), or save the adapter alone and give that"
            )
        stem = name.removesuffix(".bias")
        if stem != name and f"{stem}.weight" in own and _is_moved(tensors.get(name)):
            raise ModelError(
                f"{source}: tensor {name} has no place, because config.json gives {stem} no bias; give the "
                "config.json that the model was trained with"
            )
        if _is_extra_layer(name, own, num_more_layers):
            raise ModelError(
                f"{source}: tensor {name} is of a layer that config.json does not have (num_hidden_layers), so "
                "transformers passes over it; give the config.json that the model was trained with"
            )


def _is_moved(tensor: StoredTensor | None) -> bool:
    """Tell whether a bias adds something; one that cannot be looked at counts."""
    return tensor is None or bool(tensor.value().any())


def _is_extra_layer(name: str, own: Collection[str], num_more: int) -> bool:
    match = _LAYER.fullmatch(name)
    if match is None:
        return False
    before, number, after = match[1], int(match[2]), match[3]
    # In a hybrid only some layers have a tensor of this name.
    numbers = [int(m[2]) for each in own if (m := _LAYER.fullmatch(each)) and m[1] == before]
    is_of_layers = any(each.startswith(before) and each.endswith(after) for each in own)
    return is_of_layers and number > max(numbers, default=number) + num_more
