"""Evaluation of a protocol on the items that select, and the order of evaluations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...capabilities import Capability
from ...engine import Table
from ...models import BASE, Point
from ...results import PlanLook
from ..search import (
    Loss,
    Preference,
    WithLosses,
    choice_level,
    front,
    mean_limits,
    required_capabilities,
    required_losses,
    safe_worth,
)

THRIFT = 0.1
"""Share of the gain that is worth losing one tolerance less of the worst capability."""

CLEARLY = 0.1
"""Tolerances; early in a run losses are near 0, and which of two is larger is chance."""


class PartScales(NamedTuple):
    """Scales of an update part by part."""

    parts: Mapping[str, float]
    """Part of the model to scale, for people."""
    modules: tuple[tuple[str, float], ...]
    """The same as levers have it: modules whose scale is not the look's."""


@dataclass(frozen=True)
class ProtocolEvaluation(WithLosses):
    """Evaluation of a protocol's update at one scale, on the items that select."""

    trial: int | None
    """None for the base."""
    step: int
    scale: float
    """Scale of the update, except for modules with their own."""
    gain: float
    """Fall of the target's loss from the base, nats per token."""
    losses: Mapping[str, Loss]
    """Losses of the capabilities that hold a trial back, in their tolerances."""
    parts: PartScales | None = None
    """None where all have one scale."""
    prefer: Preference = "gain"

    @property
    def violation(self) -> float:
        """The largest bound of a loss over its tolerance, less 1; above 0 breaks the constraint.

        -1 where nothing holds a trial back.
        """
        return max((loss.bound for loss in self.losses.values()), default=0.0) - 1.0

    @property
    def worth(self) -> float:
        """Value that the Pareto front maximises."""
        return self.gain

    @property
    def merit(self) -> float:
        """The gain, less a tenth of it for each tolerance that the worst capability loses.

        Within the tolerances a little gain is not worth a large loss, and the items could not tell
        the little gain from none. Where safety is preferred: the gain times the share of the tolerance
        that the worst bound leaves.
        """
        if self.prefer == "safety":
            return safe_worth(self.gain, self.losses)
        return self.gain - THRIFT * max(0.0, self.gain) * max(0.0, self.worst_loss)

    @property
    def order(self) -> tuple[float, float]:
        """Smaller is better: first the constraint, then the merit."""
        return (self.excess, -self.merit)

    def is_dominated_by(self, other: "ProtocolEvaluation") -> bool:
        """Return whether another had gained more and clearly lost less."""
        return other.gain > self.gain and other.worst_loss < self.worst_loss - CLEARLY


@dataclass(frozen=True)
class PlanRuler:
    """Reader of evaluations from tables."""

    capabilities: tuple[Capability, ...]
    """The items that choose; those that are not required do not count."""
    target: Capability
    alpha: float
    num_candidates: int = 1
    """Most points that may be chosen; bounds of losses are corrected for them."""
    prefer: Preference = "gain"
    lacking: frozenset[str] = frozenset()
    """Capabilities that the base is not shown to have by these items."""

    @property
    def deciding(self) -> tuple[Capability, ...]:
        """Capabilities that hold a trial back: the required ones that the base is shown to have.

        Bounds of losses, forecasts of trials and the choice of fragile modules all rest on these alone.
        """
        return required_capabilities(self.capabilities, self.lacking)

    @property
    def watched(self) -> tuple[Capability, ...]:
        """Capabilities to score for an evaluation."""
        return (*self.deciding, self.target)

    def look(
        self,
        table: Table,
        point: Point,
        *,
        trial: int | None,
        step: int,
        scale: float,
        parts: PartScales | None = None,
    ) -> ProtocolEvaluation:
        """Evaluate one point from a table, which must hold the base too."""
        level = choice_level(self.alpha, self.num_candidates)
        losses = required_losses(table, point, self.deciding, level)
        gain = -float(table.item_losses(point, self.target, base=BASE).mean())
        return ProtocolEvaluation(trial, step, scale, gain, losses, parts, self.prefer)

    def least_loss(self, table: Table, point: Point, capability: Capability) -> float:
        """Return the one-sided lower bound of one capability's loss, in its own unit."""
        values = table.item_losses(point, capability, base=BASE)
        return mean_limits(values, capability, self.alpha)[1]


def best_of(looks: Iterable[ProtocolEvaluation]) -> ProtocolEvaluation:
    """Return the best evaluation; the first of equals."""
    return min(looks, key=lambda look: look.order)


def look_row(look: ProtocolEvaluation, *, is_on_front: bool) -> PlanLook:
    """Convert an evaluation to the document's form."""
    return PlanLook(
        trial=look.trial,
        step=look.step,
        scale=look.scale,
        merit=look.merit,
        parts={} if look.parts is None else dict(look.parts.parts),
        target_gain=look.gain,
        worst_capability=look.worst,
        worst_loss=None if look.worst is None else look.worst_loss,
        excess=look.excess,
        meets_constraint=look.excess == 0,
        is_on_front=is_on_front,
    )


def look_rows(looks: Sequence[ProtocolEvaluation]) -> list[PlanLook]:
    """Convert every evaluation to the document's form, with the front marked."""
    on_front = {id(look) for look in front(looks)}
    return [look_row(look, is_on_front=id(look) in on_front) for look in looks]
