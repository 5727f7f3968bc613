"""Tests that drop planned runs, and draws of the worst loss that is predicted for each."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy
import scipy.special
from jaxtyping import Float
from numpy import ndarray

NUM_DRAWS = 4000
DROPPED_BELOW = 0.05
"""A config drops out if the p-value of "it keeps every tolerance" is below this."""


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


def keep_pvalue(losses: Sequence[PredictedLoss]) -> float:
    """Test of one run that it keeps every tolerance.

    Capabilities are tested one by one with Bonferroni's correction, however their errors depend on each
    other. The draws of the worst loss would not do: the largest of several uncertain losses is too
    large on average.

    Args:
        losses: Of every required capability, at least one.

    Returns:
        The p-value.
    """
    smallest = min(_probability_kept(each) for each in losses)
    return min(1.0, len(losses) * smallest)


def dropped_by(pvalues: Mapping[str, float]) -> tuple[str, ...]:
    """Choose the runs that drop out: those that are shown to break a tolerance.

    Where every run is, none drops out: the question is then which is the least harmful, and the probe so
    far does not answer it.

    Args:
        pvalues: Of `keep_pvalue`, by run.

    Returns:
        The names.
    """
    broken = tuple(name for name, pvalue in pvalues.items() if pvalue < DROPPED_BELOW)
    return () if len(broken) == len(pvalues) else broken


def probabilities_safest(drawn: Mapping[str, Float[ndarray, " draws"]]) -> dict[str, float]:
    """Compute the share of draws in which each run has the smallest worst loss; ties are shared.

    One more draw is supposed to be shared by all, so that none has a probability of exactly 0 or 1.

    Args:
        drawn: Worst losses, by run.

    Returns:
        Probabilities, by run.
    """
    worst = numpy.stack(list(drawn.values()))
    is_first = worst == worst.min(axis=0)
    won = (is_first / is_first.sum(axis=0)).sum(axis=1)
    shares = (won + 1 / len(drawn)) / (worst.shape[1] + 1)
    return dict(zip(drawn, shares.tolist(), strict=True))


def _probability_kept(loss: PredictedLoss) -> float:
    """Compute the probability that a loss is at most the tolerance."""
    spread = _spread(loss)
    if spread == 0:
        return float(loss.loss <= 1)
    return float(scipy.special.ndtr((1 - loss.loss) / spread))


def _spread(loss: PredictedLoss) -> float:
    """Read the standard deviation from the interval of a normal distribution."""
    quantile = float(scipy.special.ndtri((1 + loss.confidence_level) / 2))
    return (loss.high - loss.low) / 2 / quantile
