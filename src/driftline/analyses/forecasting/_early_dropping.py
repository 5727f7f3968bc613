"""Early dropping of planned runs: those that are forecast to break a tolerance."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import scipy.special

DROPPED_BELOW = 0.05
"""A config drops out if the p-value of "it keeps every tolerance" is below this."""


class PredictedLoss(NamedTuple):
    """The predicted loss of one required capability, in tolerances."""

    loss: float
    low: float
    high: float
    confidence_level: float


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
    """
    broken = tuple(name for name, pvalue in pvalues.items() if pvalue < DROPPED_BELOW)
    return () if len(broken) == len(pvalues) else broken


def _probability_kept(loss: PredictedLoss) -> float:
    """Compute the probability that a loss is at most the tolerance."""
    spread = spread_of(loss)
    if spread == 0:
        return float(loss.loss <= 1)
    return float(scipy.special.ndtr((1 - loss.loss) / spread))


def spread_of(loss: PredictedLoss) -> float:
    """Read the standard deviation from the interval of a normal distribution."""
    quantile = float(scipy.special.ndtri((1 + loss.confidence_level) / 2))
    return (loss.high - loss.low) / 2 / quantile
