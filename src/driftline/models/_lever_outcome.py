"""What comes out of a run with levers: an interpolated change, and OSF's as a change of plain weights."""

from collections.abc import Mapping

import torch
from peft import OSFConfig, PeftModel
from peft.tuners.lora import LoraLayer
from peft.tuners.osf.layer import OSFLayer
from peft.utils import ModulesToSaveWrapper
from torch import Tensor

from ._directions import Change, LowRank
from ._lever_trainer import LeverTrainer
from ._opening import LanguageModel
from ._places import list_places


def scaled_change(change: Change, factor: float) -> dict[str, Tensor | LowRank]:
    """A change of weights, interpolated.

    Args:
        change: Weight name to change.
        factor: The interpolation.

    Returns:
        factor * change; a low-rank one stays low-rank.
    """
    return {
        name: LowRank(value.left * factor, value.right)
        if isinstance(value, LowRank)
        else value * factor
        for name, value in change.items()
    }


def is_osf(trained: torch.nn.Module) -> bool:
    """Whether OSF is what was trained."""
    return isinstance(trained, PeftModel) and isinstance(
        trained.peft_config[trained.active_adapter], OSFConfig
    )


def osf_change(trained: PeftModel) -> dict[str, Tensor | LowRank]:
    """The change that OSF made to each weight, float32 on the CPU.

    Args:
        trained: With an active OSF adapter.

    Returns:
        Weight name to change; weights that do not change are left out.
    """
    found: dict[str, Tensor | LowRank] = {}
    with torch.no_grad():
        for name, module in trained.base_model.model.named_modules():
            if isinstance(module, OSFLayer):
                change = module.get_delta_weight(trained.active_adapter).float().cpu()
                if change.any():
                    found[f"{name}.weight"] = change
    return found


def finish(trainer: LeverTrainer, opened: LanguageModel) -> None:
    """Put what is to come out of a run into the trainer's model, before it is saved.

    With `interpolation` every trained weight ends at base + interpolation * (tuned - base); of LoRA, B is
    scaled, which is the same. OSF's parts become plain weights, since to take them apart again PEFT
    would need the same singular vectors.

    Args:
        trainer: Has trained.
        opened: The base.
    """
    model, factor = trainer.model, trainer.levers.interpolation
    if is_osf(model):
        trainer.model = _with_osf_merged(model)
    if factor == 1.0:
        return
    places = list_places(opened.model)
    with torch.no_grad():
        if not isinstance(model, PeftModel):
            for trained, start in trainer.distance_to_base().values():
                trained.lerp_(start.to(trained), 1 - factor)
            return
        adapter = model.active_adapter
        for name, module in model.base_model.model.named_modules():
            if isinstance(module, LoraLayer):
                if adapter in module.lora_embedding_B:
                    module.lora_embedding_B[adapter].mul_(factor)
                else:
                    module.lora_B[adapter].weight.mul_(factor)
            elif isinstance(module, ModulesToSaveWrapper):
                for key, saved in module.modules_to_save[adapter].named_parameters():
                    start = places[f"{name}.{key}"].value()
                    saved.lerp_(start.to(saved), 1 - factor)


def _with_osf_merged(trained: PeftModel) -> torch.nn.Module:
    changes: Mapping[str, Tensor | LowRank] = osf_change(trained)
    model: torch.nn.Module = trained.base_model.model
    for name, module in list(model.named_modules()):
        if isinstance(module, OSFLayer):
            change = changes.get(f"{name}.weight")
            layer = module.get_base_layer()
            if isinstance(change, Tensor):
                layer.weight.data += change.to(layer.weight)
            parent, _, key = name.rpartition(".")
            setattr(model.get_submodule(parent), key, layer)
    return model
