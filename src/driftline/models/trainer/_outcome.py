"""Change of the base's weights after a run with levers: interpolated, or from OSF."""

from collections.abc import Mapping

import torch
from peft import OSFConfig, PeftModel
from peft.tuners.lora import LoraLayer
from peft.tuners.osf.layer import OSFLayer
from peft.utils import ModulesToSaveWrapper
from torch import Tensor

from ..language_model import LanguageModel, list_places, tied_names
from ..points import Change, LowRank
from ._lever_trainer import LeverTrainer
from .levers import Levers


def scaled_change(change: Change, levers: Levers) -> Change:
    """Scale a change of weights: each weight by its scale after training.

    Args:
        levers: Levers of the run.

    Returns:
        scale * change; a low-rank one stays low-rank, and weights that go back to the base are left
        out.
    """
    if not levers.is_interpolated:
        return change
    scales = {name: scale for name in change if (scale := levers.scale_of(name))}
    return {name: _times(change[name], scale) for name, scale in scales.items()}


def _times(change: Tensor | LowRank, scale: float) -> Tensor | LowRank:
    if isinstance(change, LowRank):
        return LowRank(change.left * scale, change.right)
    return change * scale


def is_osf(trained: torch.nn.Module) -> bool:
    """Return whether OSF was trained."""
    return isinstance(trained, PeftModel) and isinstance(
        trained.peft_config[trained.active_adapter], OSFConfig
    )


def osf_change(trained: PeftModel) -> dict[str, Tensor | LowRank]:
    """Compute the change that OSF made to each weight, float32 on the CPU."""
    result: dict[str, Tensor | LowRank] = {}
    with torch.no_grad():
        for name, module in trained.base_model.model.named_modules():
            if isinstance(module, OSFLayer):
                change = module.get_delta_weight(trained.active_adapter).float().cpu()
                if change.any():
                    result[f"{name}.weight"] = change
    return result


def finish(trainer: LeverTrainer) -> None:
    """Write the run's result into the trainer's model, before it is saved.

    Every trained weight ends at base + scale * (tuned - base), its scale being that of `interpolation`
    and `interpolated_modules`; of LoRA, B is scaled, which is the same. OSF's parts become plain
    weights, since to take them apart again PEFT would need the same singular vectors.

    Args:
        trainer: Has trained.
    """
    if is_osf(trainer.model):
        trainer.model = _with_osf_merged(trainer.model)
    scale_update(trainer)


def scale_update(trainer: LeverTrainer) -> None:
    """Scale the update of a trainer's model in place, as its levers say.

    Args:
        trainer: Anywhere in training.
    """
    model, levers = trainer.model, trainer.levers
    if not levers.is_interpolated:
        return
    with torch.no_grad():
        if not isinstance(model, PeftModel):
            for name, (trained, start) in trainer.distance_to_base().items():
                trained.lerp_(start.to(trained), 1 - levers.scale_of(name))
        else:
            _scale_adapter(model, trainer.base, levers)


def _scale_adapter(model: PeftModel, opened: LanguageModel, levers: Levers) -> None:
    places, aliases = list_places(opened.model), tied_names(opened.model)
    adapter = model.active_adapter
    for name, module in model.base_model.model.named_modules():
        if isinstance(module, LoraLayer):
            scale = levers.scale_of(f"{name}.weight")
            if adapter in module.lora_embedding_B:
                module.lora_embedding_B[adapter].mul_(scale)
            else:
                module.lora_B[adapter].weight.mul_(scale)
        elif isinstance(module, ModulesToSaveWrapper):
            for key, saved in module.modules_to_save[adapter].named_parameters():
                # A head that is trained on its own starts from the embedding that it was tied to.
                weight = aliases.get(f"{name}.{key}", f"{name}.{key}")
                saved.lerp_(places[weight].value().to(saved), 1 - levers.scale_of(weight))


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
