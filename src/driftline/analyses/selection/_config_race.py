"""Draws of the worst loss that is predicted for each planned run."""

from collections.abc import Mapping, Sequence

import numpy
import scipy.special
from jaxtyping import Float
from numpy import ndarray

from ..forecasting import DEGREES_OF_FREEDOM, PredictedLoss, scale_of

NUM_DRAWS = 4000


def draw_worst_losses(
    losses: Sequence[PredictedLoss], *, correlation: float, generator: numpy.random.Generator
) -> Float[ndarray, " draws"]:
    """Draw the largest loss of one planned run.

    Each capability is drawn from a t distribution with the forecast's interval. One common factor joins them,
    as in the probability that any capability is lost.

    Args:
        losses: Of every required capability that the base has.
        correlation: Of the normal scores of two errors of one run, from 0 to below 1.
        generator: Draws.

    Returns:
        Worst losses, in tolerances; 0 without a capability.
    """
    if not losses:
        return numpy.zeros(NUM_DRAWS)
    middle = numpy.array([each.loss for each in losses])
    scale = numpy.array([scale_of(each) for each in losses])
    common = generator.standard_normal((NUM_DRAWS, 1))
    own = generator.standard_normal((NUM_DRAWS, len(losses)))
    scores = numpy.sqrt(correlation) * common + numpy.sqrt(1 - correlation) * own
    errors = scipy.special.stdtrit(DEGREES_OF_FREEDOM, scipy.special.ndtr(scores))
    worst: Float[ndarray, " draws"] = (middle + scale * errors).max(axis=1)
    return worst


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
