"""Shared inputs of all analyses of a planned run: engine, capabilities, trajectory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy
from jaxtyping import Float
from numpy import ndarray

from ...capabilities import Capability
from ...engine import Anchors, Engine, Table
from ...metrics import METRICS, MetricName
from ...models import (
    BASE,
    Point,
    Term,
    Trajectory,
    TrajectoryDirection,
    WeightNorms,
    change_norms,
    relative_norm,
)
from ...stats import standard_error

CONFIDENCE_LEVEL = 0.9


@dataclass(frozen=True)
class Effort:
    """Effort per question. The defaults suit two cores and 135M parameters."""

    num_probe_items: int | None = None
    """Items of a capability that are scored at the base and wherever the probe looks, at most; None
    for all, or as many as take no longer to score than the probe takes to train."""
    num_noise_seeds: int = 3
    """Random directions; at least 2."""
    margin_ratio: float = 1.05
    """A radius is found to lie between two norms of this ratio."""
    assess_margin_ratio: float = 1.3
    """The same in `assess`, which reads a radius off between the two; `margin` looks closer."""
    num_line_items: int = 12
    """Items of a capability that are scored along lines."""
    num_ascent_items: int = 40
    """Items of a capability, none of those above, whose loss the worst case climbs."""
    num_ascent_refinements: int = 0
    """Gradients that the worst case takes away from the base; they raised a loss by 3 to 7 %."""
    worst_case_ratio: float = 1.5
    """A worst-case radius is found to lie between two norms of this ratio."""
    worst_case_in_assess: bool = False
    """True if `assess` computes the worst case too; `margin` always does."""
    num_map_items: int = 16
    """Items of a capability that are measured for the map."""
    num_fisher_draws: int = 4
    """Draws of labels for the map's noise; at least 2."""
    num_hidden_rows: int = 256
    """Gradients of hidden states that the map keeps a layer and capability."""
    num_anchor_rows: int = 8
    """Rows of text at which the belief space is read."""
    anchor_row_tokens: int = 32
    """Tokens of one such row."""
    belief_norms: tuple[float, ...] = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
    """Relative norms at which it is read along a random direction."""
    belief_multiples: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
    """Multiples of the probe's own update at which it is read along its straight line."""


@dataclass(frozen=True)
class Study:
    """One planned run under study."""

    engine: Engine
    capabilities: tuple[Capability, ...]
    target: Capability
    """The run's own task, scored on a sample of its data."""
    trajectory: Trajectory
    effort: Effort
    seed: int
    anchors: Anchors | None = None
    """Texts at which the belief space is read; None if it is not."""
    lacking: frozenset[str] = frozenset()
    """Capabilities that the base is not shown to have: measured like the others, they decide nothing."""

    @property
    def deciding(self) -> tuple[Capability, ...]:
        """The required capabilities that the base is shown to have."""
        return tuple(c for c in self.capabilities if c.required and c.name not in self.lacking)

    @property
    def num_probe_steps(self) -> int:
        """Optimiser steps that the probe trains."""
        return self.trajectory.kept_steps[-1]

    @property
    def update(self) -> TrajectoryDirection:
        """The change of the weights at the end of the probe."""
        return self.trajectory.direction(self.trajectory.kept_steps[-1])

    @cached_property
    def update_norms(self) -> dict[str, WeightNorms]:
        """The norms of every matrix that the probe moves."""
        return change_norms(self.engine.opened, self.update)

    @property
    def update_norm(self) -> float:
        """||change||_F / ||W||_F at the end of the probe, over the matrices that move."""
        return relative_norm(self.update_norms.values())

    def path_points(self) -> tuple[Point, ...]:
        """Return the base moved by the change after each kept step of the trajectory."""
        return tuple(
            Point(f"step {step}", (Term(self.trajectory.direction(step), 1.0),))
            for step in self.trajectory.kept_steps
        )

    def base_table(self) -> Table:
        """Score capabilities and target, all their items, at the base; nothing is trained."""
        return self.engine.evaluate((BASE,), (*self.capabilities, self.target))

    def probe_table(self, base: Table) -> Table:
        """Score capabilities and target, all their items, wherever the probe looks.

        Anchors are read at the base and along the trajectory.

        Args:
            base: Result of `base_table`.

        Returns:
            The table, the base's rows among them.
        """
        watched = (*self.capabilities, self.target)
        anchors = () if self.anchors is None else (self.anchors,)
        requested: list[tuple[Point, tuple[Capability | Anchors, ...]]] = [
            (point, (*watched, *anchors)) for point in self.path_points()
        ]
        if anchors:
            requested.insert(0, (BASE, anchors))
        result = self.engine.evaluate_each(requested)
        return Table({**base.rows, **result.rows})

    def sampled(self, num_items: int) -> tuple[Capability, ...]:
        """Return the capabilities with a random part of their items."""
        return tuple(c.sample(num_items, seed=self.seed) for c in self.capabilities)


def losses_at(
    table: Table,
    capability: Capability,
    points: Sequence[Point],
    metric: MetricName | None = None,
) -> Float[ndarray, "points items"]:
    """Return each item's loss from the base to each point, in a metric: positive is worse."""
    return numpy.stack(
        [table.item_losses(point, capability, base=BASE, metric=metric) for point in points]
    )


def base_standard_error(table: Table, capability: Capability) -> float | None:
    """Compute the standard error of the capability at the base, as `item_mean_error` does."""
    return item_mean_error(table.values(BASE, capability), capability)


def item_mean_error(values: Float[ndarray, " items"], capability: Capability) -> float | None:
    """Compute the standard error of a mean over items; none of 0 for items that are right or wrong.

    Where all n such items are alike, one other in n + 2 is supposed: others like them may be.

    Args:
        values: One score or loss an item.
        capability: Has the groups of the items and their metric.

    Returns:
        Over groups of items; None with fewer than two.
    """
    groups = capability.groups()
    error = standard_error(values, groups=groups)
    if error == 0 and METRICS[capability.metric].is_binary:
        num = len(set(groups))
        return 1 / math.sqrt(num * (num + 2))
    return error
