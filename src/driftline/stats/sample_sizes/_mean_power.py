"""Power and sample size for the mean of scores with a stated spread."""

import math

import scipy.special
import scipy.stats

from ...errors import ConfigError
from ..noninferiority import check_level, check_margin
from ._flip_power import check_power, smallest_sufficient


def mean_noninferiority_power(
    num_items: int,
    *,
    margin: float,
    standard_deviation: float,
    change: float = 0.0,
    confidence_level: float = 0.95,
) -> float:
    """Compute the power of a paired t test to show that the mean change is above -margin.

    It is the upper tail of the noncentral t distribution with num_items - 1 degrees of freedom and
    noncentrality sqrt(num_items) (change + margin) / standard_deviation.

    `bounded_noninferiority` needs some 1.8 times as many items for the same power, and never fewer
    than 4 |low bound| / margin at the level 0.95.

    >>> round(mean_noninferiority_power(60, margin=0.1, standard_deviation=0.3), 3)
    0.818

    Args:
        num_items: Independent items, at least 2.
        margin: Positive, in the unit of the scores.
        standard_deviation: Standard deviation of the differences tuned - base, item by item.
        change: The true change.
        confidence_level: One-sided: 1 - alpha.

    Returns:
        A probability.

    Raises:
        ConfigError: An argument is not possible.
    """
    _check_planned(margin, standard_deviation, confidence_level)
    if num_items < 2:
        raise ConfigError(f"num_items {num_items} must be at least 2")
    noncentrality = math.sqrt(num_items) * (change + margin) / standard_deviation
    quantile = scipy.stats.t.ppf(confidence_level, num_items - 1)
    return float(scipy.stats.nct.sf(quantile, num_items - 1, noncentrality))


def mean_num_items_needed(
    *,
    margin: float,
    standard_deviation: float,
    change: float = 0.0,
    power: float = 0.8,
    confidence_level: float = 0.95,
) -> int:
    """Return the number of items that a paired t test needs for a given power.

    >>> mean_num_items_needed(margin=0.1, standard_deviation=0.3)
    58

    Args:
        margin: Positive, in the unit of the scores.
        standard_deviation: Standard deviation of the differences tuned - base, item by item.
        change: The true change, above -margin.
        power: Wanted, below 1.
        confidence_level: One-sided: 1 - alpha.

    Returns:
        Independent items.

    Raises:
        ConfigError: An argument is not possible, or more than ten million items would be needed.
    """
    _check_planned(margin, standard_deviation, confidence_level)
    check_power(power, confidence_level)
    if change <= -margin:
        raise ConfigError(f"change {change} must lie above -margin = {-margin}")

    def power_at(num: int) -> float:
        return mean_noninferiority_power(
            max(num, 2),
            margin=margin,
            standard_deviation=standard_deviation,
            change=change,
            confidence_level=confidence_level,
        )

    quantiles = scipy.special.ndtri([confidence_level, power])
    start = (float(quantiles.sum()) * standard_deviation / (margin + change)) ** 2
    return max(2, smallest_sufficient(power_at, power, start=start))


def _check_planned(margin: float, standard_deviation: float, confidence_level: float) -> None:
    check_margin(margin, math.inf)
    check_level(confidence_level)
    if not 0 < standard_deviation < math.inf:
        raise ConfigError(f"standard_deviation {standard_deviation} must be positive")
