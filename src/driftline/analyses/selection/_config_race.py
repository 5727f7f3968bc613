"""Which planned runs stay in the race, from draws of the worst loss that each is predicted to have."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

NUM_DRAWS = 4000
DROPPED_BELOW = 0.05
"""A config drops out if its p-value is below this, which bounds how often the best one is dropped."""


class PredictedLoss(NamedTuple):
    """The predicted loss of one required capability, in tolerances."""

    loss: float
    low: float
    high: float
    confidence_level: float


def draw_worst_losses(
    losses: Sequence[PredictedLoss], *, generator: numpy.random.Generator
) -> Float[ndarray, " draws"]:
    """Draw the largest loss of one planned run.

    Each capability is drawn from a normal distribution with the forecast's interval, and by itself:
    the forecaster does not say how its errors on two capabilities depend on each other.

    Args:
        losses: Of every required capability, at least one.
        generator: Draws.

    Returns:
        Worst losses, in tolerances.
    """
    middle = numpy.array([each.loss for each in losses])
    spread = numpy.array([_spread(each) for each in losses])
    drawn = middle + spread * generator.standard_normal((NUM_DRAWS, len(losses)))
    worst: Float[ndarray, " draws"] = drawn.max(axis=1)
    return worst


def drop_pvalues(
    losses: Mapping[str, Sequence[PredictedLoss]], drawn: Mapping[str, Float[ndarray, " draws"]]
) -> dict[str, float]:
    """Test of each run that it could still be the one to choose.

    A run that keeps every tolerance could be chosen for its gain; where no run does, the one with the
    smallest worst loss is. So a run drops out only if both are unlikely: that it keeps every
    tolerance, and that its worst loss is no larger than the leader's. The leader has the smallest mean
    worst loss. Capabilities are tested one by one with Bonferroni's correction, since the largest of
    several uncertain losses is too large on average. The comparison with the leader is corrected for
    the number of runs, since the smallest of several uncertain losses is too small on average.

    Args:
        losses: Of every required capability, by run.
        drawn: Worst losses of the same runs.

    Returns:
        A p-value each; 1 for the leader.
    """
    leader = min(drawn, key=lambda name: float(drawn[name].mean()))
    found = {}
    for name, own in losses.items():
        keeps = len(own) * min(_probability_below(loss, numpy.ones(1)) for loss in own)
        leads = len(own) * min(_probability_below(loss, drawn[leader]) for loss in own)
        found[name] = 1.0 if name == leader else min(1.0, max(keeps, leads * (len(losses) - 1)))
    return found


def probabilities_safest(drawn: Mapping[str, Float[ndarray, " draws"]]) -> dict[str, float]:
    """Compute the share of draws in which each run has the smallest worst loss; ties are shared."""
    worst = numpy.stack(list(drawn.values()))
    is_first = worst == worst.min(axis=0)
    shares = (is_first / is_first.sum(axis=0)).mean(axis=1)
    return dict(zip(drawn, shares.tolist(), strict=True))


def _probability_below(loss: PredictedLoss, limits: Float[ndarray, " draws"]) -> float:
    """Compute the probability that a loss is at most a limit that is itself uncertain."""
    spread = _spread(loss)
    if spread == 0:
        return float((loss.loss <= limits).mean())
    return float(scipy.stats.norm.cdf((limits - loss.loss) / spread).mean())


def _spread(loss: PredictedLoss) -> float:
    """Read the standard deviation from the interval of a normal distribution."""
    quantile = float(scipy.stats.norm.ppf((1 + loss.confidence_level) / 2))
    return (loss.high - loss.low) / 2 / quantile
