"""Bets against the hypothesis that a bounded mean is small: wealth is evidence, whatever its shape."""

from collections.abc import Callable
from typing import NamedTuple

import numpy
import scipy.optimize
from jaxtyping import Float
from numpy import ndarray

from ...errors import ConfigError, RunError
from ._noninferiority import Units

PRIOR_UNITS = 5
PRIOR_SPREAD = 5.0
"""Standard deviation, in margins, before anything was seen; it costs power, not validity."""
_LIMIT_ERROR = 1e-10


class Bets(NamedTuple):
    """Units in the order in which they are bet on, one row an order, and what is staked on each.

    A unit holds at most one item's worth: totals and sizes are divided by the largest size.
    """

    totals: Float[ndarray, "orders units"]
    sizes: Float[ndarray, "orders units"]
    stakes: Float[ndarray, "*rules orders units"]
    """Depend on earlier units alone."""
    least: float
    """The smallest change that an item can have."""
    largest_share: float
    """Largest share of the wealth that one unit can take; a larger one wins sooner if losses are
    rare."""


class Past(NamedTuple):
    """Statistics of earlier units, from which the next stake is computed."""

    variance: Float[ndarray, "orders units"]
    """Variance of total - mean * size."""
    size: Float[ndarray, "orders units"]


def log_wealth(bets: Bets, change: float) -> Float[ndarray, "*rules orders units"]:
    """Return log wealth after each unit, betting against "the mean change is at most `change`".

    It is sum(log(1 + stake (total - change * size))), begun at 0. Where the hypothesis holds every
    factor has mean at most 1, given what came before, so that wealth ever reaches 1 / alpha with
    probability at most alpha (Ville 1939). It falls as `change` rises. Source: Waudby-Smith and
    Ramdas 2024, JRSS-B 86, 1-27, theorem 3 and section 4.

    Args:
        bets: In order.
        change: The hypothesis, above the smallest change.

    Returns:
        Nats.
    """
    stakes = numpy.minimum(bets.stakes, bets.largest_share / (change - bets.least))
    result: Float[ndarray, "*rules orders units"]
    result = numpy.log1p(stakes * (bets.totals - change * bets.sizes)).cumsum(axis=-1)
    return result


def scaled(units: Units, max_group_size: int | None) -> Units:
    """Scale units by the largest possible unit.

    Args:
        units: Totals and sizes.
        max_group_size: The largest possible size; None: the largest that is there.

    Returns:
        Totals and sizes, divided.

    Raises:
        ConfigError: A unit is larger.
    """
    largest = int(units.sizes.max())
    bound = largest if max_group_size is None else max_group_size
    if largest > bound:
        raise ConfigError(f"max_group_size {bound} is exceeded by a group of {largest} items")
    return Units(units.sums / bound, units.sizes / bound)


def past_of(
    totals: Float[ndarray, "orders units"], sizes: Float[ndarray, "orders units"], margin: float
) -> Past:
    """Return spread and size of earlier units, with a few imagined ones as a prior."""

    def before(values: Float[ndarray, "orders units"]) -> Float[ndarray, "orders units"]:
        sums = numpy.zeros_like(values)
        numpy.cumsum(values[:, :-1], axis=1, out=sums[:, 1:])
        return sums

    count = numpy.arange(totals.shape[1]) + PRIOR_UNITS
    total, size = before(totals), before(sizes)
    mean = total / (size + PRIOR_UNITS)
    one = sizes[0, 0]
    if (sizes == one).all():  # Single items: two sums of five are enough.
        squares = before(totals**2) + mean * one * (mean * size - 2 * total)
    else:
        products, square_sizes = before(totals * sizes), before(sizes**2)
        squares = before(totals**2) - 2 * mean * products + mean**2 * square_sizes
    imagined = PRIOR_UNITS * (PRIOR_SPREAD * margin) ** 2
    return Past((numpy.maximum(squares, 0.0) + imagined) / count, (size + PRIOR_UNITS) / count)


def check_bounds(
    changes: Float[ndarray, " items"], bounds: tuple[float, float], margin: float
) -> None:
    """Refuse changes outside of the range that was declared for them.

    Raises:
        ConfigError: The bounds are not finite, do not hold 0, or the margin lies beyond them.
        RunError: A change lies outside.
    """
    low, high = bounds
    if not (numpy.isfinite([low, high]).all() and low < -margin and high > 0):
        raise ConfigError(f"bounds {bounds} must be finite, below -margin and above 0")
    outside = changes[(changes < low) | (changes > high)]
    if len(outside):
        raise RunError(f"a change of {float(outside[0]):g} lies outside of its bounds {bounds}")


def highest_refused(
    log_evidence: Callable[[float], float], *, least: float, most: float, log_bound: float
) -> float:
    """Return the highest mean against which the evidence reaches the bound; the least where none.

    Args:
        log_evidence: Falling in the mean.
        least: The smallest possible mean.
        most: The largest one.
        log_bound: Log bound of the evidence, in nats.

    Returns:
        A mean, on the refused side within rounding.
    """
    error = _LIMIT_ERROR * (most - least)

    def excess(mean: float) -> float:
        return log_evidence(mean) - log_bound

    # At the smallest mean itself a stake may be as large as one likes.
    low = least + 2 * error
    if excess(low) <= 0:
        return least
    if excess(most) >= 0:
        return most
    root = float(scipy.optimize.brentq(excess, low, most, xtol=error))
    return max(least, root - 2 * error)
