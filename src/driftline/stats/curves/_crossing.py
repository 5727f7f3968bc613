"""Smallest scale at which a loss curve passes a tolerance, with an interval."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy
from jaxtyping import Float
from numpy import ndarray

from ...errors import RunError


class Crossing(NamedTuple):
    """A critical scale. None: not passed within the measured range."""

    value: float | None
    low: float | None
    high: float | None


def first_crossing(
    scales: Float[ndarray, " points"], losses: Float[ndarray, " points"], tolerance: float
) -> float | None:
    """Return the smallest scale at which the loss, linear between points, reaches the tolerance.

    >>> first_crossing(numpy.array([1.0, 2.0]), numpy.array([0.0, 0.4]), 0.1)
    1.25

    Args:
        scales: Ascending, positive; the origin (scale 0, loss 0) is added.
        losses: Positive is worse.
        tolerance: Positive.

    Returns:
        The scale, or None where the loss stays below the tolerance.
    """
    return _finite(_first_crossings(scales, losses[None], tolerance)[0])


def crossing_interval(
    scales: Float[ndarray, " points"],
    item_losses: Float[ndarray, "points items"],
    tolerance: float,
    *,
    confidence_level: float,
    groups: Sequence[str] | None = None,
    num_resamples: int = 400,
    seed: int = 0,
) -> Crossing:
    """Return the critical scale of the mean loss, with a percentile bootstrap interval over items.

    Groups of items are drawn again with replacement, whole and the same ones at every scale; the mean
    of a resample is the total of its items over their number. A resample that does not cross counts
    as beyond the range, so an end of the interval is None where that many do not cross. Source:
    Davison and Hinkley 1997, section 3.8, for the clustered bootstrap.

    Limits: it is a percentile interval without a correction for few groups; below some 20 groups it
    covers less than it says.

    Cost: one matrix product; a few milliseconds for 60 items and 400 resamples.

    Args:
        scales: Ascending, positive; the origin (scale 0, loss 0) is added.
        item_losses: Loss of each item at each scale.
        tolerance: Positive.
        confidence_level: Two-sided.
        groups: The group of each item; None where each is its own.
        num_resamples: Number of resamples of the bootstrap.
        seed: Random seed of the bootstrap.

    Returns:
        The crossing of the mean curve and its interval, in the unit of the scales.

    Raises:
        RunError: Fewer than two groups, so that no interval exists.
    """
    resampled = resampled_crossings(
        scales, item_losses, tolerance, groups=groups, num_resamples=num_resamples, seed=seed
    )
    tail = (1 - confidence_level) / 2
    # No interpolation: between a number and infinity there is nothing.
    low, high = numpy.quantile(resampled, [tail, 1 - tail], method="inverted_cdf")
    value = first_crossing(scales, item_losses.mean(axis=1), tolerance)
    return Crossing(value, _finite(low), _finite(high))


def resampled_crossings(
    scales: Float[ndarray, " points"],
    item_losses: Float[ndarray, "points items"],
    tolerance: float,
    *,
    groups: Sequence[str] | None = None,
    num_resamples: int = 400,
    seed: int = 0,
) -> Float[ndarray, " resamples"]:
    """Return the critical scale of each resample of the items, as `crossing_interval` draws them.

    Curves of the same items meet the same resamples where the seed is the same.

    Args:
        scales: Ascending, positive; the origin (scale 0, loss 0) is added.
        item_losses: Loss of each item at each scale.
        tolerance: Positive.
        groups: The group of each item; None where each is its own.
        num_resamples: Number of resamples of the bootstrap.
        seed: Random seed of the bootstrap.

    Returns:
        Critical scales; infinity where a resample does not cross.

    Raises:
        RunError: Fewer than two groups.
    """
    num_items = item_losses.shape[1]
    labels = numpy.arange(num_items) if groups is None else numpy.asarray(groups)
    _, index, sizes = numpy.unique(labels, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        raise RunError(f"an interval needs at least 2 independent items and there are {len(sizes)}")
    membership = (index[:, None] == numpy.arange(len(sizes))).astype(float)
    generator = numpy.random.default_rng(seed)
    drawn = _multiplicities(generator, len(sizes), num_resamples)
    curves = drawn @ (item_losses @ membership).T / (drawn @ sizes)[:, None]
    return _first_crossings(scales, curves, tolerance)


def _multiplicities(
    generator: numpy.random.Generator, num_units: int, num_resamples: int
) -> Float[ndarray, "resamples units"]:
    """Count how often each unit is drawn in each resample of as many units, with replacement."""
    drawn = generator.integers(num_units, size=(num_resamples, num_units))
    cells = drawn + num_units * numpy.arange(num_resamples)[:, None]
    counts = numpy.bincount(cells.ravel(), minlength=num_resamples * num_units)
    return counts.reshape(num_resamples, num_units).astype(float)


def _first_crossings(
    scales: Float[ndarray, " points"], curves: Float[ndarray, "curves points"], tolerance: float
) -> Float[ndarray, " curves"]:
    """Compute `first_crossing` for many curves; infinity for a curve without a crossing."""
    xs = numpy.concatenate([[0.0], scales])
    ys = numpy.pad(curves, ((0, 0), (1, 0)))
    over = ys >= tolerance
    # The origin is never over, so wherever a curve crosses there is a point before.
    k = numpy.maximum(over.argmax(axis=1), 1)
    rows = numpy.arange(len(ys))
    before, after = ys[rows, k - 1], ys[rows, k]
    share = (tolerance - before) / numpy.where(over.any(axis=1), after - before, 1.0)
    result: Float[ndarray, " curves"] = numpy.where(
        over.any(axis=1), xs[k - 1] + share * (xs[k] - xs[k - 1]), numpy.inf
    )
    return result


def _finite(number: float) -> float | None:
    return float(number) if numpy.isfinite(number) else None
