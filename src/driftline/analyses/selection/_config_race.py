"""Draws of the worst loss that is predicted for each planned run."""

from collections.abc import Mapping, Sequence

import numpy
from jaxtyping import Float
from numpy import ndarray

from ..forecasting import DROPPED_BELOW as DROPPED_BELOW
from ..forecasting import PredictedLoss as PredictedLoss
from ..forecasting import dropped_by as dropped_by
from ..forecasting import keep_pvalue as keep_pvalue
from ..forecasting import spread_of

NUM_DRAWS = 4000


def draw_worst_losses(
    losses: Sequence[PredictedLoss], *, generator: numpy.random.Generator
) -> Float[ndarray, " draws"]:
    """Draw the largest loss of one planned run.

    Each capability is drawn from a normal distribution with the forecast's interval, and by itself:

    the forecaster does not say how its errors on two capabilities depend on each other.

    Args:
        losses: Of every required capability, at least one.

    Returns:
        Worst losses, in tolerances.
    """
    middle = numpy.array([each.loss for each in losses])
    spread = numpy.array([spread_of(each) for each in losses])
    drawn = middle + spread * generator.standard_normal((NUM_DRAWS, len(losses)))
    worst: Float[ndarray, " draws"] = drawn.max(axis=1)
    return worst


def probabilities_safest(drawn: Mapping[str, Float[ndarray, " draws"]]) -> dict[str, float]:
    """Compute the share of draws in which each run has the smallest worst loss; ties are shared.

    One more draw is supposed to be shared by all, so that none has a probability of exactly 0 or 1.

    Args:
        drawn: Worst losses, by run.
    """
    worst = numpy.stack(list(drawn.values()))
    is_first = worst == worst.min(axis=0)
    won = (is_first / is_first.sum(axis=0)).sum(axis=1)
    shares = (won + 1 / len(drawn)) / (worst.shape[1] + 1)
    return dict(zip(drawn, shares.tolist(), strict=True))
