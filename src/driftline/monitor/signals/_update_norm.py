"""Relative change of the matrices in training, also as a share of the margin."""

import math
from pathlib import Path
from typing import NamedTuple

import torch
from peft.tuners.lora import LoraLayer

from ...errors import ConfigError
from ...parsing import parse_json, read_text
from ...results import Assessment
from ...results.readings import held_margins
from ..handles import BaseWeights, is_sharded, lora_change, summed


class UpdateNorm(NamedTuple):
    """The update, against the base and against the margin."""

    relative: float | None
    """||update||_F / ||W||_F over the trained matrices that have moved."""
    margin_fraction: float | None
    """Over the smallest critical relative norm along the update that `assess` found."""
    reason: str | None = None


def update_norm(
    model: torch.nn.Module, weights: BaseWeights | None, critical: float | None
) -> UpdateNorm:
    """Measure the update.

    Cost: reading the trained weights of step 0 once from disk; of LoRA, its products.

    Args:
        model: The model in training.
        weights: At step 0; None where they were not kept.
        critical: Relative norm; None where no assessment was given.
    """
    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    if layers:
        if is_sharded(model):
            return UpdateNorm(None, None, "products of a sharded adapter are not taken")
        result = _lora_norm(layers)
    elif weights is None:
        return UpdateNorm(None, None, "the weights of step 0 were not kept (num_snapshots: 0)")
    else:
        result = _full_norm(weights)
    if result is None:
        return UpdateNorm(None, None, "the base's matrices are packed")
    return UpdateNorm(result, None if critical is None else result / critical)


def critical_relative_norm(assessment: Assessment) -> float | None:
    """Return the smallest radius along the update at which a capability that the base has passes its tolerance.

    Args:
        assessment: Assessment of `driftline assess` or `driftline margin`.

    Returns:
        A relative norm; None where no capability passes within the measured range.
    """
    radii = [
        margin.critical_relative_norm
        for margin in held_margins(assessment, "radius")
        if margin.direction == "update" and margin.critical_relative_norm is not None
    ]
    return min(radii, default=None)


def read_assessment(path: Path) -> Assessment:
    """Read a `report.json`.

    Args:
        path: Path of `driftline assess`.

    Returns:
        The assessment.

    Raises:
        ConfigError: No such file, or no assessment.
    """
    text = read_text(path, ConfigError, mend="give the report.json of assess")
    parse_json(text, path, ConfigError, mend="give the report.json of assess")
    return Assessment.from_json(text, origin=str(path))


def _lora_norm(layers: list[LoraLayer]) -> float | None:
    change = base = 0.0
    for layer in layers:
        moved, weight = lora_change(layer), layer.get_base_layer().weight
        if moved is None:
            continue
        if weight.shape != moved.shape:
            return None
        change += float(moved.float().square().sum())
        base += float(weight.detach().float().square().sum())
    return math.sqrt(change / base) if base else None


def _full_norm(weights: BaseWeights) -> float | None:
    changes, bases = [], []
    for _, parameter, now, before in weights.changes():
        if parameter.ndim < 2:
            continue
        changes.append((parameter, float((now.double() - before.double()).square().sum())))
        bases.append((parameter, float(before.double().square().sum())))
    total = summed(bases)
    return math.sqrt(summed(changes) / total) if total else None
