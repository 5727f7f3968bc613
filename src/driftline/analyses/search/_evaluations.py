"""Evaluation of a repair candidate on the items that select, and the order of evaluations."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar

import numpy
from jaxtyping import Float
from numpy import ndarray

from ...capabilities import Capability
from ...engine import Table
from ...models import BASE, Point
from ...stats import mean_interval

Preference = Literal["gain", "safety"]
"""Choice among candidates within the tolerances: by the gain, or by the gain times the share of the tolerance
that the worst bound leaves."""


class Loss(NamedTuple):
    """The loss of one capability from the base, in its tolerances."""

    mean: float
    bound: float
    """One-sided upper bound, corrected for the number of candidates."""


def choice_level(alpha: float, num_candidates: int) -> float:
    """Return the level of each bound by which the best of several candidates is chosen (Bonferroni 1936).

    The candidate that looks best looks better than it is. With each bound at this level, all of them hold
    at once with a chance of 1 - alpha at least, so that of the chosen one holds too, whatever chose it.

    Args:
        alpha: Accepted chance that the bound of the chosen candidate does not hold.
        num_candidates: Most candidates that are looked at, 1 or more.
    """
    return alpha / max(1, num_candidates)


def required_capabilities(
    capabilities: Sequence[Capability], lacking: Collection[str]
) -> tuple[Capability, ...]:
    """List the capabilities whose losses decide: the required ones that the base is shown to have.

    Args:
        capabilities: Capabilities of the search.
        lacking: Names of those that the base is not shown to have.
    """
    return tuple(c for c in capabilities if c.required and c.name not in lacking)


def required_losses(
    table: Table, point: Point, capabilities: Sequence[Capability], level: float
) -> dict[str, Loss]:
    """Measure the losses of capabilities at a point.

    Args:
        table: Holds the scores of the base and of the point.
        capabilities: Those whose losses decide.
        level: Level of each bound.

    Returns:
        The losses by capability, in its tolerances.
    """
    losses = {}
    for capability in capabilities:
        values = table.item_losses(point, capability, base=BASE)
        mean, _, bound = mean_limits(values, capability, level)
        losses[capability.name] = Loss(mean / capability.tolerance, bound / capability.tolerance)
    return losses


def safe_worth(worth: float, losses: Mapping[str, Loss]) -> float:
    """Weigh what a candidate is worth by the share of the tolerance that its worst bound leaves."""
    worst = max((loss.bound for loss in losses.values()), default=0.0)
    return max(0.0, worth) * (1 - max(0.0, worst))


class WithLosses:
    """Losses of the capabilities that decide at one point; a base of evaluations."""

    losses: Mapping[str, Loss]

    @property
    def excess(self) -> float:
        """Tolerances by which the bounds of losses pass them, over all capabilities that decide."""
        return sum(max(0.0, loss.bound - 1.0) for loss in self.losses.values())

    @property
    def worst(self) -> str | None:
        """The capability with the largest loss in its tolerances; None where none decides."""
        return max(self.losses, key=lambda name: self.losses[name].mean, default=None)

    @property
    def worst_loss(self) -> float:
        """The mean loss of that capability; 0 where none decides."""
        return 0.0 if self.worst is None else self.losses[self.worst].mean


@dataclass(frozen=True)
class Candidate:
    """Scales to evaluate."""

    family: str
    label: str
    scales: Mapping[str, float]
    """Cell name to scale."""
    kept_change: float
    """Norm of the scaled update over the norm of the update."""


@dataclass(frozen=True)
class CandidateEvaluation(WithLosses):
    """Evaluation of a candidate on the items that select."""

    candidate: Candidate
    gain: float | None
    """Fall of the target's loss from the base, nats per token; None without a target."""
    gain_share: float | None
    """Share of the tuned model's gain; None without a target, or if that model gained nothing."""
    missed: float | None
    """Nats by which the lower bound of the gain misses what has to be kept, below 0 where there is
    more; None where nothing has to be."""
    losses: Mapping[str, Loss]
    """Losses of the required capabilities that the base has."""
    prefer: Preference = "gain"

    @property
    def shortfall(self) -> float:
        """Nats of the gain that has to be kept and is missed; 0 where none is."""
        return max(0.0, self.missed or 0.0)

    @property
    def damage(self) -> float:
        """Tolerances lost, over all capabilities that decide; what is gained does not make up for it."""
        return sum(max(0.0, loss.mean) for loss in self.losses.values())

    @property
    def worth(self) -> float:
        """Value to keep: the gain, or, without a target, the share of the update."""
        return self.candidate.kept_change if self.gain is None else self.gain

    @property
    def merit(self) -> float:
        """Objective among candidates that meet the constraint."""
        return safe_worth(self.worth, self.losses) if self.prefer == "safety" else self.worth

    @property
    def meets_all(self) -> bool:
        """True if the required gain is kept, and every loss is within its tolerance."""
        return self.shortfall == 0 and self.excess == 0

    @property
    def order(self) -> tuple[float, float, float]:
        """Smaller is better: first the gain that must be kept, then the constraint, then the rest."""
        return (self.shortfall, self.excess, -self.merit)


@dataclass(frozen=True)
class Ruler:
    """Reader of evaluations from tables."""

    capabilities: tuple[Capability, ...]
    """The items that choose; those that are not required do not count."""
    target: Capability | None
    tuned: Point
    alpha: float
    max_cost: float | None
    """Share of the tuned model's gain that may be given up; None for no limit."""
    num_candidates: int = 1
    """Most candidates that are looked at; bounds of losses are corrected for them."""
    prefer: Preference = "gain"
    lacking: frozenset[str] = frozenset()
    """Capabilities that the base is not shown to have by these items: nothing can be lost or given back there."""

    def look(self, table: Table, point: Point, candidate: Candidate) -> CandidateEvaluation:
        """Evaluate one point from a table, which must hold the tuned model too."""
        level = choice_level(self.alpha, self.num_candidates)
        deciding = required_capabilities(self.capabilities, self.lacking)
        losses = required_losses(table, point, deciding, level)
        gain, share, missed = None, None, None
        if self.target is not None:
            gains = -table.item_losses(point, self.target, base=BASE)
            full = -table.item_losses(self.tuned, self.target, base=BASE)
            gain, whole = float(gains.mean()), float(full.mean())
            share = gain / whole if whole > 0 else None
            if self.max_cost is not None:
                short = (1 - self.max_cost) * full - gains
                missed = mean_limits(short, self.target, self.alpha)[2]
        return CandidateEvaluation(candidate, gain, share, missed, losses, self.prefer)


def mean_limits(
    values: Float[ndarray, " items"], capability: Capability, alpha: float
) -> tuple[float, float, float]:
    """Compute the mean over items, and its one-sided limits.

    Args:
        capability: Capability of the items; items of one group count together.
        alpha: Level of each limit.

    Returns:
        Mean, lower and upper limit; all the mean where every item says the same.
    """
    if not numpy.any(values != values[0]):
        same = float(values[0])
        return same, same, same
    result = mean_interval(values, groups=capability.groups(), confidence_level=1 - 2 * alpha)
    return result.value, result.low, result.high


class Seen(Protocol):
    """Values by which a Pareto front is built."""

    @property
    def worth(self) -> float:
        """The more, the better."""
        ...

    @property
    def worst_loss(self) -> float:
        """The less, the better."""
        ...


_SeenT = TypeVar("_SeenT", bound=Seen)


def front(looks: Sequence[_SeenT]) -> list[_SeenT]:
    """Return the evaluations that none beats in both worth and the worst capability's loss."""
    result: list[_SeenT] = []
    lowest = float("inf")
    for look in sorted(looks, key=lambda look: (-look.worth, look.worst_loss)):
        if look.worst_loss < lowest:
            lowest = look.worst_loss
            result.append(look)
    return result
