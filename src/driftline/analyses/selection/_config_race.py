"""Which planned runs stay in the race, from draws of the worst loss that each is predicted to have."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

NUM_DRAWS = 4000
DROPPED_BELOW = 0.1
"""A config drops out if its probability of being at least as safe as the leader is below this."""


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
    quantiles = scipy.stats.norm.ppf([(1 + each.confidence_level) / 2 for each in losses])
    spread = numpy.array([(each.high - each.low) / 2 for each in losses]) / quantiles
    drawn = middle + spread * generator.standard_normal((NUM_DRAWS, len(losses)))
    worst: Float[ndarray, " draws"] = drawn.max(axis=1)
    return worst


def chances_to_lead(drawn: Mapping[str, Float[ndarray, " draws"]]) -> dict[str, float]:
    """Compute the probability of each run to be at least as safe as the leader.

    The leader is the run with the smallest mean worst loss.

    Args:
        drawn: Worst losses of each run that is still in the race.

    Returns:
        A probability each; 1 for the leader.
    """
    leader = min(drawn, key=lambda name: float(drawn[name].mean()))
    return {
        name: 1.0 if name == leader else float((worst <= drawn[leader]).mean())
        for name, worst in drawn.items()
    }


def probabilities_safest(drawn: Mapping[str, Float[ndarray, " draws"]]) -> dict[str, float]:
    """Compute the share of draws in which each run has the smallest worst loss; ties are shared."""
    worst = numpy.stack(list(drawn.values()))
    is_first = worst == worst.min(axis=0)
    shares = (is_first / is_first.sum(axis=0)).mean(axis=1)
    return dict(zip(drawn, shares.tolist(), strict=True))
