"""Size of each module, and of its change along a direction."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..language_model import LanguageModel, list_places, module_names, weight_layer, weight_role
from ..points import Direction
from ..scoring import layers_of


@dataclass(frozen=True)
class ModuleChange:
    """A module that a direction moves, with the size of its change at scale 1."""

    name: str
    layer: int | None
    role: str
    num_parameters: int
    change_norm: float
    """Frobenius norm of the change of all its weights that move, taken together."""
    base_norm: float
    """The same of those weights in the base, as the model computes with them."""

    @property
    def relative_norm(self) -> float:
        """||change||_F / ||W||_F."""
        return self.change_norm / self.base_norm if self.base_norm else math.inf


def read_changes(
    opened: LanguageModel, direction: Direction
) -> Iterator[tuple[ModuleChange, dict[str, Tensor]]]:
    """Yield the modules that a direction moves, in the model's own order.

    Args:
        opened: The model, at its base.
        direction: Prepared.

    Yields:
        The module, and the change of each of its weights that move, in float32 where the weight
        lies, by the weight's full name.
    """
    grouped: dict[str, list[str]] = {}
    for name, module in module_names(opened.model).items():
        grouped.setdefault(module, []).append(name)
    places = list_places(opened.model)
    for module, names in grouped.items():
        changes, norms, num_parameters = {}, [], 0
        with torch.no_grad():
            for name in names:
                base = places[name].value()
                change = direction.delta(name, base)
                if change is None or not change.any():
                    continue
                changes[name] = change.to(base.device)
                num_parameters += change.numel()
                used = base.float() + _offset(opened.model, name)
                norms.append((float(change.norm()), float(used.norm())))
        if changes:
            first = next(iter(changes))
            yield (
                ModuleChange(
                    module,
                    weight_layer(first),
                    weight_role(first),
                    num_parameters,
                    math.hypot(*(change for change, _ in norms)),
                    math.hypot(*(base for _, base in norms)),
                ),
                changes,
            )


def parameters_inside(opened: LanguageModel) -> dict[str, int]:
    """Count the parameters of each module inside the decoder's layers.

    Args:
        opened: The model.

    Returns:
        Module name to parameters, by the names of the fragility map. Layers of another tower, such as
        that of a vision encoder, are left out.
    """
    try:
        layers = layers_of(opened)
        prefix = next(name for name, m in opened.model.named_modules() if m is layers)
    except LookupError:
        prefix = None
    places = list_places(opened.model)
    result: dict[str, int] = {}
    for name, module in module_names(opened.model).items():
        inside = weight_layer(name) is not None
        if inside if prefix is None else name.startswith(f"{prefix}."):
            result[module] = result.get(module, 0) + math.prod(places[name].shape)
    return result


def _offset(model: torch.nn.Module, name: str) -> float:
    """Return the number that the model adds to a stored weight before use: 1 in Gemma's norms.

    Told by what the module does: with its weight and bias at zero a plain norm gives zeros.

    Returns:
        0 or 1.
    """
    if weight_role(name) != "norm" or not name.endswith(".weight"):
        return 0.0
    module = model.get_submodule(name.rpartition(".")[0])
    weight = module._parameters.get("weight")
    if weight is None or weight.ndim != 1 or weight.device.type == "meta":
        return 0.0
    zeros = {key: torch.zeros_like(p) for key, p in module.named_parameters(recurse=False)}
    signs = torch.ones_like(weight)
    signs[::2] = -1
    try:
        output = torch.func.functional_call(module, zeros, (signs[None, None],))
    except (TypeError, RuntimeError, AttributeError):
        # It takes more than one input, as norms with a gate do; those multiply with what is stored.
        return 0.0
    return 1.0 if isinstance(output, Tensor) and bool(output.any()) else 0.0
