"""The one thing to do after a forecast, and the learning rate that keeps a run within its risk."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy

from ._loss_forecast import LossForecast, any_exceeds

SMALLEST_MULTIPLE = 0.01
"""The smallest multiple of the planned learning rate that is recommended."""
_HALVINGS = 30


class Limit(NamedTuple):
    """The forecast of a required capability, and the loss that is accepted."""

    forecast: LossForecast
    tolerance: float


def probability_any(limits: Sequence[Limit], correlation: float) -> float:
    """Compute the probability that any required capability ends beyond its tolerance.

    Args:
        limits: One a required capability.
        correlation: Of errors within one run.

    Returns:
        From 0 to 1.
    """
    each = numpy.array([limit.forecast.exceeds(limit.tolerance) for limit in limits])
    return any_exceeds(each, correlation)


def probability_at(
    limits: Sequence[Limit], correlation: float, multiple: float, exponents: Sequence[float]
) -> float:
    """Compute the same probability for another learning rate.

    Losses and their spread grow with a power of the rate; the power is not known well, so the
    probability is a mean over its range.

    Args:
        limits: Of the run as planned.
        correlation: Of errors within one run.
        multiple: Of the planned learning rate, positive.
        exponents: Equally likely powers.

    Returns:
        From 0 to 1.
    """
    result = []
    for exponent in exponents:
        factor = multiple**exponent
        scaled = [Limit(limit.forecast.multiplied(factor), limit.tolerance) for limit in limits]
        result.append(probability_any(scaled, correlation))
    return float(numpy.mean(result))


def largest_multiple(
    limits: Sequence[Limit], correlation: float, *, risk: float, exponents: Sequence[float]
) -> float | None:
    """Find the largest multiple of the planned learning rate that keeps the accepted risk.

    Args:
        limits: Of the run as planned.
        correlation: Of errors within one run.
        risk: Accepted probability of any loss.
        exponents: Equally likely powers of losses in the rate.

    Returns:
        At most 1, by bisection of its logarithm; None where even a hundredth is too much.
    """

    def is_kept(multiple: float) -> bool:
        return probability_at(limits, correlation, multiple, exponents) <= risk

    if is_kept(1.0):
        return 1.0
    if not is_kept(SMALLEST_MULTIPLE):
        return None
    low, high = numpy.log(SMALLEST_MULTIPLE), 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_kept(float(numpy.exp(middle))) else (low, middle)
    return float(numpy.exp(low))
