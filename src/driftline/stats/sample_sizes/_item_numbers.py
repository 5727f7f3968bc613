"""Number of items that a verdict needs, by metric, before a model is run."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy

from ...errors import ConfigError
from ...metrics import METRICS, Metric
from ._bounded_power import bounded_margin_shown, bounded_num_items_needed
from ._flip_power import noninferiority_power, num_items_needed
from ._mean_power import mean_num_items_needed

MEASURED_SPREADS = {
    "probability": 0.112,
    "margin_nats": 0.718,
    "nll_nats": 0.11,
    "accuracy": 0.048,
}
"""Spread of an item's change in runs that moved the mean little: the standard deviation, or the
share of items that flip. From the benchmark of forgetting on SmolLM2-135M,
`evidence/forgetting/link.json`."""
ALPHA, POWER = 0.05, 0.8
_CAUTION = 0.8
"""Share of alpha at which a t test has the power of the unbounded test."""
_FEWEST_UNBOUNDED = 20


class Spread(NamedTuple):
    """Variability of an item's change."""

    value: float
    """Standard deviation; of accuracy the share of items that flip, either way."""
    is_measured: bool
    """From the benchmark, and not stated by the user."""


def spread_of(metric: Metric, stated: float | None = None) -> Spread:
    """Return the declared spread, or else the measured one.

    Args:
        metric: Metric of the scores.
        stated: By the user.

    Returns:
        The spread.

    Raises:
        ConfigError: None was stated, and none was measured for this metric.
    """
    if stated is not None:
        return Spread(stated, is_measured=False)
    if metric.name not in MEASURED_SPREADS:
        raise ConfigError(
            f"no spread was measured for {metric.name}; state one: --discordance for a share of "
            "items, --spread for everything else"
        )
    return Spread(MEASURED_SPREADS[metric.name], is_measured=True)


def items_needed(
    metric: Metric,
    *,
    margin: float,
    spread: float,
    change: float = 0.0,
    power: float = POWER,
    alpha: float = ALPHA,
    group_size: int = 1,
) -> int:
    """Find how many items the test of a metric needs, with the test that `certify` makes.

    Cost: up to a second.

    Args:
        metric: Metric of the scores.
        margin: Accepted loss, in the metric's unit.
        spread: Spread of an item's change, as `spread_of` gives it.
        change: The true change, better being positive.
        power: Wanted chance of a pass.
        alpha: Accepted chance that a loss of the margin passes.
        group_size: Items of a group, which the tests of bounded scores count as one draw.

    Returns:
        Items.
    """
    level = 1 - alpha
    if metric.is_binary and group_size == 1:
        return num_items_needed(
            margin=margin, discordance=spread, change=change, power=power, confidence_level=level
        )
    if metric.is_bounded:
        return bounded_num_items_needed(
            margin=margin,
            standard_deviation=math.sqrt(spread) if metric.is_binary else spread,
            bounds=(-metric.largest_loss, metric.largest_loss),
            change=change,
            power=power,
            confidence_level=level,
            group_size=group_size,
        )
    needed = mean_num_items_needed(
        margin=margin,
        standard_deviation=spread,
        change=change,
        power=power,
        confidence_level=1 - _CAUTION * alpha,
    )
    return max(needed, _FEWEST_UNBOUNDED)


def margin_shown(
    metric: Metric, groups: Sequence[str], spread: float, *, max_group_size: int | None = None
) -> float | None:
    """Find the smallest loss that some items can rule out with a power of 80 %, if nothing has changed.

    Cost: up to a second.

    Args:
        metric: Metric of the scores.
        groups: The group of each item; items of one group are taken to change independently.
        spread: Spread of an item's change, as `spread_of` gives it.
        max_group_size: The most items that a group can hold, where groups are of unequal sizes.

    Returns:
        In the metric's unit; None where these items can rule out none.
    """
    num_items, largest = len(groups), metric.largest_loss
    numbers = numpy.unique(groups, return_inverse=True)[1]
    is_grouped = len(set(groups)) < num_items or (max_group_size or 1) > 1
    if metric.is_bounded and (is_grouped or not metric.is_binary):
        return bounded_margin_shown(
            num_items,
            standard_deviation=math.sqrt(spread) if metric.is_binary else spread,
            bounds=(-largest, largest),
            groups=numbers if is_grouped else None,
            max_group_size=max_group_size,
            power=POWER,
            confidence_level=1 - ALPHA,
        )
    return _smallest_margin(metric, num_items, spread)


def _smallest_margin(metric: Metric, num_items: int, spread: float) -> float | None:
    """Find the smallest margin by bisection, with the exact test of shares or the t test."""
    if not metric.is_binary and num_items < _FEWEST_UNBOUNDED:
        return None

    def shows(margin: float) -> bool:
        if metric.is_binary:
            reached = noninferiority_power(
                num_items, margin=margin, discordance=spread, confidence_level=1 - ALPHA
            )
            return reached >= POWER
        return items_needed(metric, margin=margin, spread=spread) <= num_items

    low, high = 0.0, 0.999 if metric.is_binary else 20 * spread
    if not shows(high):
        return None
    for _ in range(10):
        middle = (low + high) / 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def metric_named(name: str) -> Metric:
    """Find a metric.

    Args:
        name: Name of the metric.

    Returns:
        Its properties.

    Raises:
        ConfigError: There is no such metric.
    """
    if name not in METRICS:
        raise ConfigError(f"--metric {name}: no such metric; take one of {', '.join(METRICS)}")
    return METRICS[name]
