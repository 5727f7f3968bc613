"""Sample size of the test of bounded scores, from a sample as bad as the power allows."""

import math

import numpy
import scipy.special
from jaxtyping import Float, Int
from numpy import ndarray

from ...errors import ConfigError
from ..noninferiority import (
    LARGEST_SHARE,
    PRIOR_SPREAD,
    PRIOR_UNITS,
    bounded_noninferiority,
)
from ._flip_power import check_power, smallest_sufficient

_NUM_HALVINGS = 12
_PRICE = 1.8
"""Items over those of a t test, where the search begins."""
LARGEST_TESTED = 10_000
"""Independent units beyond which no test is made on a sample: it would take 3 KB and 0.1 ms a unit,
and the mean of the evidence says the same within 2 per cent."""
_NUM_FIRST = 4_000
"""Units whose stakes still differ noticeably from those of all later ones."""
_NUM_PLACES = 20_001


def bounded_num_items_needed(
    *,
    margin: float,
    standard_deviation: float,
    bounds: tuple[float, float],
    change: float = 0.0,
    power: float = 0.8,
    confidence_level: float = 0.95,
    group_size: int = 1,
) -> int:
    """Find how many items `bounded_noninferiority` needs to find the mean above -margin.

    Of n normal changes with that spread, the mean lies above `change` - z spread / sqrt(n) with the
    wanted power. So the test is made once on a sample with exactly that mean and spread; beyond 10 000
    independent units its evidence is calculated instead, as `expected_log_evidence` does.

    >>> bounded_num_items_needed(margin=0.25, standard_deviation=0.1, bounds=(-10.0, 10.0))
    162

    Cost: some ten tests of that many items, of at most 10 000 units.

    Args:
        margin: Positive, in the unit of the scores.
        standard_deviation: Standard deviation of the differences tuned - base, item by item.
        bounds: The smallest and the largest change that an item could have.
        change: The true change, above -margin.
        power: Wanted, below 1.
        confidence_level: One-sided: 1 - alpha.
        group_size: Items of a group, which count as one draw however alike they are; here they are
            taken to change independently.

    Returns:
        Items.

    Raises:
        ConfigError: An argument is not possible, or more than ten million items would be needed.
    """
    check_power(power, confidence_level)
    if not (standard_deviation > 0 and change > -margin):
        raise ConfigError(
            f"standard_deviation {standard_deviation} must be positive, and change {change} above "
            f"-margin = {-margin}"
        )

    def grows_enough(num_groups: int) -> float:
        evidence = expected_log_evidence(
            num_groups, margin=margin, standard_deviation=standard_deviation, bounds=bounds,
            change=change, power=power, confidence_level=confidence_level, group_size=group_size,
        )  # fmt: skip
        return float(evidence >= -math.log(1 - confidence_level))

    def passes(num_groups: int) -> float:
        num_items = num_groups * group_size
        changes = poor_sample(num_items, standard_deviation, bounds, change=change, power=power)
        result = bounded_noninferiority(
            changes,
            margin=margin,
            bounds=bounds,
            groups=None if group_size == 1 else numpy.arange(num_items) // group_size,
            confidence_level=confidence_level,
        )
        return float(result.verdict == "non_inferior")

    quantiles = scipy.special.ndtri([confidence_level, power])
    by_spread = _PRICE * (quantiles.sum() * standard_deviation / (margin + change)) ** 2
    by_bound = -math.log(1 - confidence_level) * -bounds[0] * group_size / margin
    start = float(math.ceil(max(by_spread, by_bound) / group_size))
    num_groups = smallest_sufficient(grows_enough, 0.5, start=start)
    if num_groups <= LARGEST_TESTED:
        num_groups = smallest_sufficient(passes, 0.5, start=start)
    return group_size * num_groups


def expected_log_evidence(
    num_groups: int,
    *,
    margin: float,
    standard_deviation: float,
    bounds: tuple[float, float],
    change: float,
    power: float,
    confidence_level: float,
    group_size: int,
) -> float:
    """Compute the mean log wealth of `bounded_noninferiority` at -margin on a poor sample of many units.

    A unit adds log(1 + s x) = s x - s^2 x^2 / 2, where x is its change above -margin and s its stake,
    which is small: s times the spread is sqrt(2 log(1 / alpha) / units). The stakes are those of the
    test, with the variance that is expected after each unit.

    Cost: 2 ms, for any number.

    Args:
        num_groups: Independent units.
        margin: As for `bounded_num_items_needed`, like all others.

    Returns:
        Nats; tests hold it to that of the test on such a sample.
    """
    num_items = num_groups * group_size
    places = scipy.special.ndtri((numpy.arange(_NUM_PLACES) + 0.5) / _NUM_PLACES)
    mean = change - scipy.special.ndtri(power) * standard_deviation / math.sqrt(num_items)
    sample = (mean + standard_deviation * places).clip(*bounds)
    above, variance = float(sample.mean()) + margin, float(sample.var()) / group_size
    # The units after the first ones are one place, with their number as its weight.
    before = numpy.arange(float(min(num_groups, _NUM_FIRST)))
    weights = numpy.ones_like(before)
    if num_groups > _NUM_FIRST:
        before = numpy.append(before, math.sqrt(_NUM_FIRST * num_groups))
        weights = numpy.append(weights, num_groups - _NUM_FIRST)
    imagined = PRIOR_UNITS * (PRIOR_SPREAD * margin) ** 2
    seen = (before * variance + imagined) / (before + PRIOR_UNITS)
    stakes = numpy.sqrt(2 * -math.log(1 - confidence_level) / (num_groups * seen))
    stakes = numpy.minimum(stakes, LARGEST_SHARE / (-margin - bounds[0]))
    gains = stakes * above - stakes**2 * (variance + above**2) / 2
    return float((weights * gains).sum())


def bounded_margin_shown(
    num_items: int,
    *,
    standard_deviation: float,
    bounds: tuple[float, float],
    groups: Int[ndarray, " items"] | None = None,
    max_group_size: int | None = None,
    power: float = 0.8,
    confidence_level: float = 0.95,
) -> float | None:
    """Find the smallest margin that some items can show not to be lost, if nothing has changed.

    Args:
        num_items: Number of items.
        standard_deviation: As for `bounded_num_items_needed`.
        bounds: As for `bounded_num_items_needed`.
        groups: A number for each item's group; items of one group are taken to move apart.
        max_group_size: The most items that a group can hold; None where all hold the same number.
        power: Wanted.
        confidence_level: One-sided: 1 - alpha.

    Returns:
        In the unit of the scores, to a part in a thousand of the bound; None where no margin within
        the bounds can be shown.
    """
    changes = poor_sample(num_items, standard_deviation, bounds, power=power)

    def shows(margin: float) -> bool:
        result = bounded_noninferiority(
            changes,
            margin=margin,
            bounds=bounds,
            groups=groups,
            max_group_size=max_group_size,
            confidence_level=confidence_level,
        )
        return result.verdict == "non_inferior"

    low, high = 0.0, -bounds[0] * 0.999
    if not shows(high):
        return None
    for _ in range(_NUM_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def poor_sample(
    num_items: int,
    standard_deviation: float,
    bounds: tuple[float, float],
    *,
    power: float,
    change: float = 0.0,
) -> Float[ndarray, " items"]:
    """Make a normal sample whose mean is exceeded with a given probability, in a fixed random order.

    Args:
        bounds: It is clipped to them.
        change: The true mean.
    """
    places = (numpy.arange(num_items) + 0.5) / num_items
    normal = numpy.random.default_rng(0).permutation(scipy.special.ndtri(places))
    normal *= standard_deviation / max(float(normal.std()), 1e-12) if num_items > 1 else 0.0
    mean = change - scipy.special.ndtri(power) * standard_deviation / math.sqrt(num_items)
    sample: Float[ndarray, " items"] = (normal + mean).clip(*bounds)
    return sample
