"""Early dropping of planned runs: those that are forecast to break a tolerance."""

from collections.abc import Mapping
from typing import NamedTuple

import scipy.special

from ._loss_forecast import DEGREES_OF_FREEDOM

DROPPED_FROM = 0.9
"""A config drops out where one required capability alone is lost with this probability or more."""


class PredictedLoss(NamedTuple):
    """The predicted loss of one required capability, in tolerances."""

    loss: float
    low: float
    high: float
    confidence_level: float


def probability_broken(loss: PredictedLoss) -> float:
    """Compute the probability that a loss ends beyond its tolerance.

    Args:
        loss: With its interval.

    Returns:
        From 0 to 1.
    """
    scale = scale_of(loss)
    if scale == 0:
        return float(loss.loss > 1)
    return float(scipy.special.stdtr(DEGREES_OF_FREEDOM, (loss.loss - 1) / scale))


def dropped_by(probabilities: Mapping[str, float]) -> tuple[str, ...]:
    """Choose the runs that drop out: those that are likely to break one tolerance.

    The capability that is most likely to be lost decides, and not the probability that any is: that is near 1
    also where nothing is known about many capabilities. Where every run would drop out, none does: the question
    is then which is the least harmful, and the probe so far does not answer it.

    Args:
        probabilities: The largest probability that a required capability is lost, by run.

    Returns:
        The names.
    """
    broken = tuple(name for name, each in probabilities.items() if each >= DROPPED_FROM)
    return () if len(broken) == len(probabilities) else broken


def scale_of(loss: PredictedLoss) -> float:
    """Compute the scale of the t distribution that has the loss's interval.

    A forecast is a sum of a t distribution and the normal noise of items; the t alone, with the same interval,
    stands for it.

    Args:
        loss: With its interval.

    Returns:
        In tolerances.
    """
    quantile = float(scipy.special.stdtrit(DEGREES_OF_FREEDOM, (1 + loss.confidence_level) / 2))
    return (loss.high - loss.low) / 2 / quantile
