"""The fragility map: how fast each capability falls as one module alone moves along the update.

Integrated gradients along the probe's own update, each module's share of it by itself: the gradient
of every item's loss at the middle of the segment from the base to base + update, times the
module's share. One forward and one backward pass give all modules, where moving them one by one
takes as many evaluations as there are modules (`evidence/fragility` holds the two together).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from ..capabilities import Capability
from ..engine import CapabilitySlopes, SlopeTable, has_slope, measure_slopes
from ..models import ModuleChange
from ..results import LayerRegion, ModuleFragility
from ..stats import mean_interval
from ._regions import layer_regions
from ._study import CONFIDENCE_LEVEL, Study


@dataclass(frozen=True)
class FragilityMap:
    """What the map says, and of what it says nothing."""

    rows: tuple[ModuleFragility, ...]
    """One a module and capability, capability by capability, in the model's order."""
    target: tuple[ModuleFragility, ...]
    """The same for the run's own task; negative where a module's update serves it."""
    regions: tuple[LayerRegion, ...]
    unread: tuple[str, ...]
    """Modules that move and could not be measured."""

    def caveats(self) -> tuple[str, ...]:
        """What a reader must know of this map beside what is true of every one."""
        if not self.unread:
            return ()
        return (
            f"{len(self.unread)} modules move and could not be mapped, such as {self.unread[0]}.",
        )


def map_capabilities(study: Study) -> tuple[Capability, ...]:
    """What the map measures: a sample of each capability that has a gradient, and of the target."""
    sampled = study.sampled(study.effort.num_map_items)
    target = study.target.sample(study.effort.num_map_items, seed=study.seed)
    return (*(c for c in sampled if has_slope(c)), target)


def fragility_map(study: Study) -> FragilityMap:
    """Measure every module that the probe moves.

    Cost: about four forward passes over the items and nodes.

    Args:
        study: The planned run.

    Returns:
        The map.
    """
    table = measure_slopes(
        study.engine,
        study.update,
        map_capabilities(study),
        nodes=gauss_nodes(study.effort.num_map_nodes),
        max_hidden_rows=study.effort.num_hidden_rows,
        seed=study.seed,
    )
    *capabilities, target = table.rows
    return FragilityMap(
        rows=tuple(row for each in capabilities for row in module_rows(table, each)),
        target=module_rows(table, target),
        regions=layer_regions(capabilities, target),
        unread=table.unread,
    )


def gauss_nodes(num_nodes: int) -> tuple[tuple[float, float], ...]:
    """Gauss-Legendre nodes on the segment from 0 to 1, with weights that add up to 1.

    >>> gauss_nodes(1)
    ((0.5, 1.0),)

    Args:
        num_nodes: How many; n are exact for losses that are polynomials of degree 2n.

    Returns:
        (node, weight) pairs, ascending.
    """
    nodes, weights = numpy.polynomial.legendre.leggauss(num_nodes)
    return tuple(
        (float(1 + node) / 2, float(weight) / 2)
        for node, weight in zip(nodes, weights, strict=True)
    )


def module_rows(table: SlopeTable, found: CapabilitySlopes) -> tuple[ModuleFragility, ...]:
    """The rows of one capability.

    Args:
        table: Which modules moved how far.
        found: The capability's slopes.

    Returns:
        One a module, in the model's order; ties are ranked in that order.
    """
    capability, rows = found.capability, []
    order = numpy.argsort(-_sensitivities(table.modules, found), kind="stable")
    ranks = {int(number): rank for rank, number in enumerate(order, start=1)}
    margin = " of margin" if capability.metric == "accuracy" else ""
    unit = "nats" if capability.metric == "accuracy" else capability.unit
    for number, module in enumerate(table.modules):
        interval = mean_interval(
            found.slopes[:, number] / module.relative_norm,
            groups=capability.groups(),
            confidence_level=CONFIDENCE_LEVEL,
        )
        rows.append(
            ModuleFragility(
                module=module.name,
                layer=module.layer,
                role=module.role,
                capability=capability.name,
                sensitivity=interval.value,
                unit=f"{unit}{margin} per unit of relative update",
                low=interval.low,
                high=interval.high,
                rank=ranks[number],
                relative_norm=module.relative_norm,
                num_parameters=module.num_parameters,
            )
        )
    return tuple(rows)


def _sensitivities(modules: Sequence[ModuleChange], found: CapabilitySlopes) -> numpy.ndarray:
    norms = numpy.array([module.relative_norm for module in modules])
    values: numpy.ndarray = found.slopes.mean(axis=0) / norms
    return values
