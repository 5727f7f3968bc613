"""Power and sample size of the exact test of a paired share."""

import math
from collections.abc import Callable

import numpy
import scipy.special

from ...errors import ConfigError
from ..noninferiority import (
    GAMMA,
    FlipEvidence,
    check_level,
    check_margin,
    evidence_at,
    likely_flips,
    most_lost_at,
    outcome_probabilities,
)

_NUM_HALVINGS = 26
_LARGEST = 10_000_000
_DISCRETENESS = 20
"""Items that counting in whole flips costs, roughly; where the search begins."""


def noninferiority_power(
    num_items: int,
    *,
    margin: float,
    discordance: float,
    change: float = 0.0,
    confidence_level: float = 0.95,
) -> float:
    """Compute the power of `flip_noninferiority` by enumeration.

    The probability of every outcome is summed; the outcomes that pass are those with a score
    statistic at -margin above one critical value, which is the smallest that keeps the error at
    1 - level for every discordance that is compatible with the expected number of flips. The test
    itself looks at the number of flips that it meets; tests hold the difference below 0.005.

    >>> round(noninferiority_power(248, margin=0.05, discordance=0.1), 3)
    0.774

    Cost: 0.1 s for 1 000 items, 1 s for 10 000.

    Args:
        num_items: Independent items.
        margin: Positive, as a share.
        discordance: Share of items that flip, lost and gained together.
        change: The true change: gained - lost, as a share.
        confidence_level: One-sided: 1 - alpha.

    Returns:
        A probability; the error of the test where change <= -margin.

    Raises:
        ConfigError: A share is not possible, or there are no items.
    """
    check_planned(margin, discordance, change, confidence_level)
    if num_items < 1:
        raise ConfigError(f"num_items {num_items} must be at least 1")
    flips = round(num_items * discordance)
    # Only the discordances of this evidence are used, and they do not depend on what was lost.
    grid = evidence_at(0, flips, num_items, -margin).discordances
    if grid[-1] < margin:
        return 1.0
    grid = numpy.concatenate([[max(grid[0], margin)], grid[grid > margin]])
    num_flips = likely_flips(num_items, min(grid[0], discordance), max(grid[-1], discordance))

    def passing(z: float) -> FlipEvidence:
        return FlipEvidence(
            grid, num_flips, most_lost_at(num_flips, num_items, change=-margin, z=z), num_items
        )

    low, high = 0.0, math.sqrt(num_items) + 40.0
    for _ in range(_NUM_HALVINGS):
        middle = (low + high) / 2
        error = outcome_probabilities(passing(middle), grid, -margin).max() + GAMMA
        low, high = (low, middle) if error <= 1 - confidence_level else (middle, high)
    return float(outcome_probabilities(passing(high), numpy.array([discordance]), change)[0])


def num_items_needed(
    *,
    margin: float,
    discordance: float,
    change: float = 0.0,
    power: float = 0.8,
    confidence_level: float = 0.95,
) -> int:
    """Return the number of items that `flip_noninferiority` needs for a given power.

    Power does not rise steadily with the number of items, since counts are whole; the answer is one
    that has the power itself. It is found by correcting the normal approximation
    (z_level + z_power)^2 (discordance - change^2) / (margin + change)^2 until it agrees.

    >>> num_items_needed(margin=0.05, discordance=0.1)
    270

    Cost: some five times that of `noninferiority_power`.

    Args:
        margin: Positive, as a share.
        discordance: Share of items that flip, lost and gained together.
        change: The true change, above -margin.
        power: Wanted, below 1.
        confidence_level: One-sided: 1 - alpha.

    Returns:
        Independent items.

    Raises:
        ConfigError: A share is not possible, the true change is no better than the margin, or more
            than ten million items would be needed.
    """
    check_planned(margin, discordance, change, confidence_level)
    if change <= -margin:
        raise ConfigError(f"change {change} must lie above -margin = {-margin}")
    check_power(power, confidence_level)

    def power_at(num: int) -> float:
        return noninferiority_power(
            num,
            margin=margin,
            discordance=discordance,
            change=change,
            confidence_level=confidence_level,
        )

    quantiles = scipy.special.ndtri([confidence_level, power])
    per_item = max(discordance - change**2, 0.0) ** 0.5 / (margin + change)
    start = (float(quantiles.sum()) * per_item) ** 2 if per_item < _LARGEST else math.inf
    return smallest_sufficient(power_at, power, start=start + _DISCRETENESS)


def smallest_sufficient(power_at: Callable[[int], float], power: float, *, start: float) -> int:
    """Find a number of items that reaches the power, while hardly fewer do not.

    Args:
        power_at: The power of a number of items, rising but for small steps back.
        power: Wanted.
        start: A guess; infinity where the margin is next to nothing.

    Returns:
        The number; above 1000 it may be 0.1 % too large.

    Raises:
        ConfigError: More than ten million items would be needed.
    """
    failing, passing, num = 0, 0, max(math.ceil(min(start, 2 * _LARGEST)), 2)
    stride = 0.01
    while not (failing and passing):
        if num > _LARGEST:
            raise ConfigError(
                f"more than {_LARGEST:,} items would be needed; state a larger margin, or a change "
                "that is further above -margin"
            )
        if power_at(num) >= power:
            passing = num
            if num == 1:
                return 1
            num = max(1, min(num - 1, math.floor(num / (1 + stride))))
        else:
            failing = num
            num = max(num + 1, math.ceil(num * (1 + stride)))
        stride = min(2 * stride, 1.0)
    while passing - failing > max(1, passing // 1000):
        middle = (failing + passing) // 2
        if power_at(middle) >= power:
            passing = middle
        else:
            failing = middle
    return passing


def check_planned(
    margin: float, discordance: float, change: float, confidence_level: float
) -> None:
    """Refuse a plan that no set of items could have.

    Raises:
        ConfigError: A share is not one, or the change is larger than the flips allow.
    """
    check_margin(margin, 1.0)
    check_level(confidence_level)
    if not 0 < discordance <= 1:
        raise ConfigError(f"discordance {discordance} must lie between 0 and 1")
    if abs(change) > discordance:
        raise ConfigError(
            f"change {change} cannot be larger than discordance {discordance}, the share that flips"
        )


def check_power(power: float, confidence_level: float) -> None:
    """Refuse a power that is no better than chance."""
    if not 1 - confidence_level < power < 1:
        raise ConfigError(f"power {power} must lie between {1 - confidence_level:g} and 1")
