"""Where a curve of loss against scale first passes a tolerance, with an interval."""

from typing import NamedTuple

import numpy
from jaxtyping import Float
from numpy import ndarray


class Crossing(NamedTuple):
    """A critical scale. None: not passed within the measured range."""

    value: float | None
    low: float | None
    high: float | None


def first_crossing(
    scales: Float[ndarray, " points"], losses: Float[ndarray, " points"], tolerance: float
) -> float | None:
    """The smallest scale at which the loss, linear between points, reaches the tolerance.

    >>> first_crossing(numpy.array([1.0, 2.0]), numpy.array([0.0, 0.4]), 0.1)
    1.25

    Args:
        scales: Ascending, positive; the origin (scale 0, loss 0) is added.
        losses: Positive is worse.
        tolerance: Positive.

    Returns:
        The scale, or None where the loss stays below the tolerance.
    """
    xs = numpy.concatenate([[0.0], scales])
    ys = numpy.concatenate([[0.0], losses])
    over = numpy.flatnonzero(ys >= tolerance)
    if not len(over):
        return None
    k = int(over[0])
    share = (tolerance - ys[k - 1]) / (ys[k] - ys[k - 1])
    return float(xs[k - 1] + share * (xs[k] - xs[k - 1]))


def crossing_interval(
    scales: Float[ndarray, " points"],
    item_losses: Float[ndarray, "draws points items"],
    tolerance: float,
    *,
    confidence_level: float,
    num_resamples: int = 400,
    seed: int = 0,
) -> Crossing:
    """The critical scale of the mean loss, with a percentile bootstrap interval.

    Items are drawn again with replacement, the same ones at every scale, and so are the draws of
    the direction where there are several. A resample that does not cross counts as beyond the
    range, so an end of the interval is None where that many do not cross.

    Args:
        scales: Ascending, positive.
        item_losses: Loss of each item at each scale, for each draw of the direction.
        tolerance: Positive.
        confidence_level: Two-sided.
        num_resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        The crossing of the mean curve and its interval, in the unit of the scales.
    """
    generator = numpy.random.default_rng(seed)
    draws, _points, items = item_losses.shape
    crossings = numpy.empty(num_resamples)
    for resample in range(num_resamples):
        chosen = item_losses[generator.integers(draws, size=draws)]
        curve = chosen[:, :, generator.integers(items, size=items)].mean(axis=(0, 2))
        found = first_crossing(scales, curve, tolerance)
        crossings[resample] = numpy.inf if found is None else found
    tail = (1 - confidence_level) / 2
    # No interpolation: between a number and infinity there is nothing.
    low, high = numpy.quantile(crossings, [tail, 1 - tail], method="inverted_cdf")
    value = first_crossing(scales, item_losses.mean(axis=(0, 2)), tolerance)
    return Crossing(value, _finite(low), _finite(high))


def _finite(number: float) -> float | None:
    return float(number) if numpy.isfinite(number) else None
