"""The change that a LoRA adapter makes, from its factors alone.

The factors say the change exactly and take no copy of the base. Merging takes one and rounds to what
the base is held in; a quantised base would be packed anew, and one that is fetched for each pass
cannot be merged into at all.
"""

import copy
import dataclasses
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, PeftConfig, PeftModel
from peft.tuners.lora import LoraLayer
from peft.utils import ModulesToSaveWrapper
from torch import Tensor

from ...errors import ModelError
from ..language_model import TiedWeightsError, list_places, tied_names
from ._directions import LowRank

_OF_NO_ACCOUNT = {
    "task_type", "peft_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision",
    "inference_mode", "r", "target_modules", "exclude_modules", "lora_alpha", "lora_dropout",
    "fan_in_fan_out", "use_rslora", "modules_to_save", "layers_to_transform", "layers_pattern",
    "rank_pattern", "alpha_pattern", "megatron_core", "qalora_group_size", "runtime_config",
    "ensure_weight_tying",
}  # fmt: skip
"""Fields with which the change stays scaling * B @ A; any other must have its default."""

_PLAIN_STARTS = (True, False, "gaussian", "orthogonal")
"""Starts that leave the base as it is; the others move it and let the factors make up for it."""


def unreadable_field(config: PeftConfig) -> str | None:
    """Return the field by which an adapter is more than its factors.

    Args:
        config: PEFT's config of the adapter.

    Returns:
        The field's name, `peft_type` for every kind but LoRA; None where the factors and the saved
        modules say it all.
    """
    # AdaLoRA's config is one of LoRA's by its class, and its change has a third factor.
    if type(config) is not LoraConfig:
        return "peft_type"
    plain = LoraConfig()
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name == "init_lora_weights":
            if value not in _PLAIN_STARTS:
                return field.name
        elif field.name not in _OF_NO_ACCOUNT and value != getattr(plain, field.name):
            return field.name
    return None


def open_lora(folder: Path, base: transformers.PreTrainedModel) -> PeftModel:
    """Open a LoRA adapter on the mere shape of its base."""
    config = copy.deepcopy(base.config)
    with torch.device("meta"):
        shape = type(base)(config)
    # PEFT takes the adapter to where the base lies, and on `meta` it would be lost. One number,
    # seen as a whole matrix, lies on the CPU and takes no room.
    for module in list(shape.modules()):
        for key, parameter in list(module.named_parameters(recurse=False)):
            number = torch.zeros(1).expand(parameter.shape)
            module.register_parameter(key, torch.nn.Parameter(number, requires_grad=False))
    return PeftModel.from_pretrained(shape, str(folder), low_cpu_mem_usage=True, torch_device="cpu")


def lora_change(adapted: PeftModel, base: torch.nn.Module) -> dict[str, Tensor | LowRank]:
    """Compute the change that a LoRA adapter makes, float32 on the CPU, without merging it.

    Cost: memory for the factors and the saved modules alone.

    Args:
        adapted: A model with the adapter, trained or opened.

    Returns:
        Name of the base's weight to change; weights that do not change are left out.

    Raises:
        TiedWeightsError: The adapter lies on one of two weights that the base ties.
        ModelError: The adapter is more than its factors, or lies on what the base has not.
    """
    adapter = adapted.active_adapter
    field = unreadable_field(adapted.peft_config[adapter])
    if field is not None:
        raise ModelError(
            f"{field} makes the adapter more than plain LoRA, which cannot be read beside a base "
            "that is quantised or offloaded"
        )
    places, ties = list_places(base), tied_names(base)
    result: dict[str, Tensor | LowRank] = {}
    with torch.no_grad():
        for name, module in adapted.base_model.model.named_modules():
            if isinstance(module, LoraLayer):
                result[f"{name}.weight"] = _factors(module, adapter)
            elif isinstance(module, ModulesToSaveWrapper):
                for key, saved in module.modules_to_save[adapter].named_parameters():
                    place = places.get(f"{name}.{key}")
                    before = 0.0 if place is None else place.value().float().cpu()
                    result[f"{name}.{key}"] = saved.float().cpu() - before
    for name, change in result.items():
        if name in ties or name in ties.values():
            raise TiedWeightsError(
                f"the adapter lies on {name}, one of two tied weights, and its change would move both"
            )
        shape = _shape(change)
        if name not in places or places[name].shape != shape:
            raise ModelError(f"the base has no {name} of its own of shape {shape}")
    return {name: change for name, change in result.items() if _is_change(change)}


def _factors(layer: LoraLayer, adapter: str) -> LowRank:
    """Return scaling * B and A, transposed as the base's weight is."""
    if adapter in layer.lora_embedding_A:
        left, right = layer.lora_embedding_A[adapter].T, layer.lora_embedding_B[adapter].T
    else:
        left, right = layer.lora_B[adapter].weight, layer.lora_A[adapter].weight
        # Layers such as GPT-2's keep their weight transposed.
        if getattr(layer, "fan_in_fan_out", False):
            left, right = right.T, left.T
    left, right = left.float().cpu() * layer.scaling[adapter], right.float().cpu().clone()
    return LowRank(left.contiguous(), right.contiguous())


def _shape(change: Tensor | LowRank) -> tuple[int, ...]:
    if isinstance(change, LowRank):
        return change.left.shape[0], change.right.shape[1]
    return tuple(change.shape)


def _is_change(change: Tensor | LowRank) -> bool:
    if isinstance(change, LowRank):
        return bool(change.left.any()) and bool(change.right.any())
    return bool(change.any())
