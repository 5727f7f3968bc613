"""The critical scale over random directions: a quantile of it, with items and directions both drawn."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from ...errors import RunError
from ._crossing import Crossing, first_crossing, resampled_crossings


class Curve(NamedTuple):
    """Losses of the same items along one direction."""

    scales: Float[ndarray, " points"]
    """Ascending, positive."""
    item_losses: Float[ndarray, "points items"]


def direction_quantile(
    curves: Sequence[Curve],
    tolerance: float,
    *,
    share: float,
    confidence_level: float,
    groups: Sequence[str] | None = None,
    num_resamples: int = 400,
    seed: int = 0,
) -> Crossing:
    """Estimate the scale below which a share of all random directions pass the tolerance.

    The logarithm of the critical scale is taken as normal over directions, so the quantile is
    mean + z * standard deviation. Its interval has two sources that are put together by MOVER (Zou
    and Donner 2008): the directions, exactly, by the noncentral t distribution (Hahn and Meeker 1991,
    section 4.4); and the items, by the clustered bootstrap of the mean over directions, with Student's
    t for the number of groups. Along a direction the loss is taken as linear in the squared scale
    between looks, which is exact for a loss that is quadratic about the base.

    Limits: the normal shape is an assumption; far in the tail it carries the answer.

    Cost: one bootstrap a direction; milliseconds.

    Args:
        curves: One a direction, at least two, of the same items in the same order.
        tolerance: Positive.
        share: Share of directions, such as 0.5 for the median.
        confidence_level: Two-sided.
        groups: The group of each item; None where each is its own.
        num_resamples: Number of resamples of the bootstrap.
        seed: Random seed of the bootstrap.

    Returns:
        The quantile and its interval. Where a direction does not pass within its range the quantile
        is None and so is the upper end; the lower end takes it as passing at the end of its range.

    Raises:
        RunError: Fewer than two directions or two groups of items.
    """
    num = len(curves)
    if num < 2:
        raise RunError(f"a quantile over directions needs at least 2 of them and there are {num}")
    result = [
        first_crossing(curve.scales**2, curve.item_losses.mean(axis=1), tolerance)
        for curve in curves
    ]
    ends = numpy.array([curve.scales[-1] for curve in curves])
    logs = numpy.array(
        [
            math.log(end) if square is None else math.log(square) / 2
            for square, end in zip(result, ends, strict=True)
        ]
    )
    squares = numpy.stack(
        [
            resampled_crossings(
                curve.scales**2,
                curve.item_losses,
                tolerance,
                groups=groups,
                num_resamples=num_resamples,
                seed=seed,
            )
            for curve in curves
        ]
    )
    resampled = numpy.log(numpy.minimum(squares, ends[:, None] ** 2)) / 2
    item_reach = _item_reach(resampled.mean(axis=0), groups, curves[0], confidence_level)
    value, low, high = _normal_quantile(logs, share, confidence_level)
    low = value - math.hypot(value - low, item_reach)
    high = value + math.hypot(high - value, item_reach)
    if any(square is None for square in result):
        return Crossing(None, math.exp(low), None)
    return Crossing(math.exp(value), math.exp(low), math.exp(high))


def _normal_quantile(
    values: Float[ndarray, " directions"], share: float, confidence_level: float
) -> tuple[float, float, float]:
    """Estimate a quantile of a normal population, with its exact interval."""
    num = len(values)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    z = float(scipy.stats.norm.ppf(share))
    tail = (1 - confidence_level) / 2
    centre = z * math.sqrt(num)
    # t' = (mean - quantile) / (spread / sqrt(n)) is noncentral t about -z * sqrt(n).
    upper, lower = (
        -float(scipy.stats.nct.ppf(p, num - 1, -centre)) / math.sqrt(num) for p in (tail, 1 - tail)
    )
    return mean + z * spread, mean + lower * spread, mean + upper * spread


def _item_reach(
    means: Float[ndarray, " resamples"],
    groups: Sequence[str] | None,
    curve: Curve,
    confidence_level: float,
) -> float:
    """Return half the width of the interval that the items alone would give."""
    num = curve.item_losses.shape[1] if groups is None else len(set(groups))
    # The bootstrap's variance is that of a population of `num`, without the usual correction.
    spread = float(means.std()) * math.sqrt(num / (num - 1))
    return spread * float(scipy.stats.t.ppf((1 + confidence_level) / 2, num - 1))
