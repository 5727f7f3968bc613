"""Subspaces of hidden states that a capability uses, and their overlap with the planned data."""

from collections.abc import Sequence
from typing import Any

import numpy

from ...engine import CapabilitySlopes
from ...models import HiddenGradients
from ...results import LayerRegion
from ...stats import energy_share, paired_participation_ratio, top_directions

_NO_GRADIENT = "no gradient reaches this layer: every sampled item is beyond the clip"
_NO_PAIRS = "no two items have gradients along one direction"


def layer_regions(
    capabilities: Sequence[CapabilitySlopes], target: CapabilitySlopes
) -> tuple[LayerRegion, ...]:
    """Compute the region of every capability at every layer.

    Args:
        capabilities: With the gradients of their items with respect to hidden states.
        target: The same for the planned data.

    Returns:
        One row a capability and layer; empty where no gradients were kept.
    """
    return tuple(
        _region(result.capability.name, layer, own, data)
        for result in capabilities
        for layer, (own, data) in enumerate(zip(result.hidden, target.hidden, strict=True))
    )


def _region(name: str, layer: int, own: HiddenGradients, data: HiddenGradients) -> LayerRegion:
    width = own.rows.shape[1]
    fields: dict[str, Any] = {"capability": name, "layer": layer, "width": width}
    undefined = dict.fromkeys(
        ("participation_ratio", "dimension", "own_share", "data_share", "random_share")
    )
    felt = own.rows.any(axis=1)
    # Double precision, and a scale near 1: squares of squares of gradients leave float32.
    rows, items = own.rows[felt].astype(float), own.items[felt]
    if not len(rows):
        return LayerRegion(**fields, **undefined, reason=_NO_GRADIENT)
    rows /= numpy.sqrt((rows**2).sum(axis=1).mean())
    ratio = paired_participation_ratio(rows, items)
    if ratio is None:
        return LayerRegion(**fields, **undefined, reason=_NO_PAIRS)
    dimension = min(max(1, round(ratio)), *rows.shape)
    return LayerRegion(
        **fields,
        participation_ratio=ratio,
        dimension=dimension,
        own_share=_held_out_share(rows, items, dimension),
        data_share=energy_share(data.rows.astype(float), top_directions(rows, dimension)),
        random_share=dimension / width,
    )


def _held_out_share(rows: numpy.ndarray, items: numpy.ndarray, dimension: int) -> float | None:
    """Average the energy of each half of the items in the region of the other half."""
    half = numpy.isin(items, numpy.unique(items)[::2])
    result = []
    for one, other in ((rows[half], rows[~half]), (rows[~half], rows[half])):
        if min(one.shape[0], other.shape[0]) == 0:
            return None
        share = energy_share(other, top_directions(one, dimension))
        if share is None:
            return None
        result.append(share)
    return sum(result) / len(result)
