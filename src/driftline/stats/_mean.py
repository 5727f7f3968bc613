"""The mean of item scores with its interval."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from ..errors import RunError


class ConfidenceInterval(NamedTuple):
    """An estimate with its interval."""

    value: float
    low: float
    high: float
    confidence_level: float


def standard_error(
    values: Float[ndarray, " items"], *, groups: Sequence[str] | None = None
) -> float | None:
    """Compute the standard error of the mean over items, with a group as one draw.

    >>> standard_error(numpy.array([1.0, 2.0, 3.0]))
    0.5773502691896257

    Args:
        values: One score an item.
        groups: The group of each item; None where each is its own.

    Returns:
        In the unit of the values, as in `mean_interval`; None with fewer than two groups, which
        have no spread.
    """
    return _clustered(values, groups)[0]


def mean_interval(
    values: Float[ndarray, " items"],
    *,
    groups: Sequence[str] | None = None,
    confidence_level: float = 0.9,
) -> ConfidenceInterval:
    """Compute the mean over items with a Student-t interval that treats a group as one draw.

    With g groups, residual sums r_k = sum over the group of (value - mean) and n items, the
    variance of the mean is g / (g - 1) * sum(r_k ** 2) / n ** 2, with g - 1 degrees of freedom;
    without groups that is the classical interval. Source: Liang and Zeger 1986 for the clustered
    variance; the small-sample factor as in Cameron and Miller 2015.

    >>> mean_interval(numpy.array([1.0, 2.0, 3.0]), confidence_level=0.9).value
    2.0

    Args:
        values: One score an item.
        groups: The group of each item; None where each is its own.
        confidence_level: Two-sided.

    Returns:
        Mean and interval, in the unit of the values.

    Raises:
        RunError: Fewer than two groups, so that no interval exists.
    """
    error, num_groups = _clustered(values, groups)
    if error is None:
        raise RunError(f"an interval needs at least 2 independent items and there are {num_groups}")
    mean = float(values.mean())
    half = float(scipy.stats.t.ppf((1 + confidence_level) / 2, df=num_groups - 1)) * error
    return ConfidenceInterval(mean, mean - half, mean + half, confidence_level)


def share_interval(
    values: Float[ndarray, " items"],
    *,
    groups: Sequence[str] | None = None,
    confidence_level: float = 0.9,
) -> ConfidenceInterval:
    """Compute the share of items that are 1 and not 0, with an interval that never has width 0.

    Clopper and Pearson's interval for n independent items. Where a group is one draw, it is taken at
    n* = p (1 - p) / v * (t_{n-1} / t_{g-1})^2 items, at most n, with v the clustered variance, g groups
    and t the quantile of `confidence_level`; where all items are alike, v says nothing and n* is g.
    Source: Clopper and Pearson 1934; Korn and Graubard 1998.

    >>> share_interval(numpy.ones(6)).low
    0.6069622310029172

    Args:
        values: 0 or 1 for each item.
        groups: The group of each item; None where each is its own.
        confidence_level: Two-sided.

    Returns:
        Share and interval.

    Raises:
        RunError: Fewer than two groups, so that no interval exists.
    """
    error, num_groups = _clustered(values, groups)
    if error is None:
        raise RunError(f"an interval needs at least 2 independent items and there are {num_groups}")
    share, num = float(values.mean()), float(len(values))
    if num_groups < num:
        tail = (1 + confidence_level) / 2
        ratio = scipy.stats.t.ppf(tail, num - 1) / scipy.stats.t.ppf(tail, num_groups - 1)
        alike = num_groups if error == 0 else share * (1 - share) / error**2 * float(ratio) ** 2
        num = min(num, alike)
    right, tail = share * num, (1 - confidence_level) / 2
    low = 0.0 if share == 0 else float(scipy.stats.beta.ppf(tail, right, num - right + 1))
    high = 1.0 if share == 1 else float(scipy.stats.beta.isf(tail, right + 1, num - right))
    return ConfidenceInterval(share, low, high, confidence_level)


def _clustered(
    values: Float[ndarray, " items"], groups: Sequence[str] | None
) -> tuple[float | None, int]:
    """Return the standard error, and the number of groups that it rests on."""
    labels = numpy.arange(len(values)) if groups is None else numpy.asarray(groups)
    _, index = numpy.unique(labels, return_inverse=True)
    num_groups = int(index.max()) + 1 if len(values) else 0
    if num_groups < 2:
        return None, num_groups
    residual_sums = numpy.bincount(index, weights=values - float(values.mean()))
    variance = num_groups / (num_groups - 1) * float((residual_sums**2).sum()) / len(values) ** 2
    return float(numpy.sqrt(variance)), num_groups
