"""The weights that have no partner, gathered by the part of the model that they are in."""

import math
import re

from ...models import Checkpoint, LoneWeight, PairedCheckpoints
from ...results import LonePart

_LAYER = re.compile(r"^(.*?\.(?:layers|h|blocks)\.\d+)\.")
_TOWER = re.compile(r"^((?:model\.)?[^.]*(?:vision|visual|audio|projector)[^.]*)\.")


def lone_parts(paired: PairedCheckpoints) -> tuple[LonePart, ...]:
    """Collect the weights without a partner."""
    held: dict[tuple[str, str, bool], list[LoneWeight]] = {}
    for weight in paired.lone:
        held.setdefault((weight.side, _part(weight.name), weight.is_missing), []).append(weight)
    parts = []
    for (side, name, is_missing), weights in held.items():
        checkpoint = paired.base if side == "base" else paired.tuned
        num = sum(weight.num_elements for weight in weights)
        whole = _num_parameters(checkpoint) + sum(
            weight.num_elements
            for weight in paired.lone
            if weight.side == side and weight.is_missing
        )
        parts.append(
            LonePart(
                side="base" if side == "base" else "tuned",
                name=name,
                is_missing=is_missing,
                num_weights=len(weights),
                num_parameters=num,
                share=num / whole if whole else 0.0,
            )
        )
    return tuple(sorted(parts, key=lambda part: (-part.share, part.side, part.name)))


def _part(name: str) -> str:
    """Return the name of a part: a whole tower, a whole layer, or a module.

    >>> _part("model.vision_tower.encoder.layers.0.fc1.weight")
    'model.vision_tower'
    >>> _part("model.layers.3.mlp.experts.7.up_proj.weight")
    'model.layers.3'
    >>> _part("lm_head.weight")
    'lm_head'

    Args:
        name: A weight's name.

    Returns:
        The part's name.
    """
    for pattern in (_TOWER, _LAYER):
        if match := pattern.match(name):
            return match[1]
    return name.rpartition(".")[0] or name


def _num_parameters(checkpoint: Checkpoint) -> int:
    return sum(math.prod(tensor.shape) for tensor in checkpoint.tensors.values())
