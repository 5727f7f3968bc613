"""A loss of mean scores without known bounds, and what has to be assumed to show it."""

import math

import numpy
import scipy.stats
from jaxtyping import Float, Int
from numpy import ndarray

from ...errors import ConfigError, RunError
from ._noninferiority import (
    NoninferiorityTest,
    Units,
    check_level,
    check_margin,
    judged_test,
    units_of,
)

_MIN_UNITS = 20
CAUTION = 0.8
"""The part of alpha at which both limits are read: at alpha itself up to 5.7 % err instead of 5 %."""
NUM_RESAMPLES = 2499
"""So that CAUTION * 0.0005 is one of them."""
_CHUNK = 100
_COCHRAN = 25.0


def unbounded_noninferiority(
    changes: Float[ndarray, " items"],
    *,
    margin: float,
    groups: Int[ndarray, " items"] | None = None,
    confidence_level: float = 0.95,
    seed: int = 0,
) -> NoninferiorityTest:
    """Show a mean change below -margin; scores without bounds never show one above it.

    No test of level alpha has any power to show that a mean without bounds has not fallen (Bahadur
    and Savage 1956): one item in a hundred may lose ten nats, and 50 items hold none of them in 60 %
    of samples. So the verdict is never non_inferior, the lower limit is -inf and the p-value 1. To
    claim that such a score was kept, declare its range and take `bounded_noninferiority`.

    A loss that the sample does show is found by the more cautious of two approximate upper limits.
    One is Student's t with whole groups as units: mean = sum(total) / sum(size), with the variance
    of `mean_interval`. The other is the bootstrap-t of the same statistic (Efron 1981; Hall 1988),
    which corrects for skewness. Both are read at four fifths of alpha.

    Assumes: independent units whose spread is finite and whose skewness the sample shows. A rare and
    large gain that the sample does not hold cannot be seen, so that `inferior` is a warning and its
    error is held within these assumptions alone (`benchmarks/certification_errors.py`). Fewer than
    20 units are refused, fewer than 1 / alpha, and a skewness g of the units with 25 g^2 > units
    (Cochran's rule).

    >>> changes = numpy.random.default_rng(0).normal(-0.5, 0.3, 120)
    >>> unbounded_noninferiority(changes, margin=0.1).verdict
    'inferior'

    Cost: 0.1 s for 1 000 items.

    Args:
        changes: Tuned - base, in units of which larger is better.
        margin: Positive.
        groups: A number for each item's group; None where each is its own.
        confidence_level: Confidence level of the upper limit, one-sided: 1 - alpha.
        seed: Random seed of the bootstrap.

    Returns:
        The mean change over items, its upper limit, and the verdict: inferior or inconclusive.

    Raises:
        ConfigError: The margin is not positive, or the level not in [0.5, 0.9995].
        RunError: Too few units, no spread at all, or too much skewness for their number.
    """
    check_margin(margin, numpy.inf)
    check_level(confidence_level)
    alpha = CAUTION * (1 - confidence_level)
    if round(alpha * (NUM_RESAMPLES + 1), 9) < 1:
        raise ConfigError(
            f"confidence_level {confidence_level} is beyond the bootstrap's reach of 0.9995"
        )
    units = units_of(changes, groups)
    means, errors = _mean_and_error(units, numpy.ones((1, len(units.sums))))
    mean, error = float(means[0]), float(errors[0])
    num = len(units.sums)
    least_units = max(_MIN_UNITS, math.ceil(1 / (1 - confidence_level) - 1e-9))
    _check_shape(units, mean, error, least_units=least_units)
    pivots = _pivots(units, mean, seed)
    quantile = float(scipy.stats.t.isf(alpha, num - 1))
    rank = max(math.floor(round((len(pivots) + 1) * alpha, 9)) - 1, 0)
    high = mean - error * min(-quantile, float(pivots[rank]))
    return judged_test(mean, (-math.inf, high), margin, confidence_level, 1.0)


def _mean_and_error(
    units: Units, counts: Float[ndarray, "resamples units"]
) -> tuple[Float[ndarray, " resamples"], Float[ndarray, " resamples"]]:
    """Return the mean over items and its standard error, where each unit occurs so many times."""
    total, size = units.sums, units.sizes
    num = counts.sum(axis=1)
    items = counts @ size
    mean = counts @ total / items
    squares = (
        counts @ total**2 - 2 * mean * (counts @ (total * size)) + mean**2 * (counts @ size**2)
    )
    variance = num / (num - 1) * numpy.maximum(squares, 0.0) / items**2
    return mean, numpy.sqrt(variance)


def _pivots(units: Units, mean: float, seed: int) -> Float[ndarray, " resamples"]:
    """Return (mean - true mean) / error of resamples of whole units, ascending."""
    generator = numpy.random.default_rng(seed)
    num = len(units.sums)
    result = []
    for first in range(0, NUM_RESAMPLES, _CHUNK):
        rows = min(_CHUNK, NUM_RESAMPLES - first)
        counts = generator.multinomial(num, numpy.full(num, 1 / num), size=rows).astype(float)
        means, errors = _mean_and_error(units, counts)
        with numpy.errstate(divide="ignore", invalid="ignore"):
            pivots = (means - mean) / errors
        # A resample without spread says nothing of the shape; it counts against either claim.
        result.append(numpy.where(numpy.isnan(pivots), 0.0, pivots))
    return numpy.sort(numpy.concatenate(result))


def _check_shape(units: Units, mean: float, error: float, *, least_units: int) -> None:
    """Refuse samples of which the approximations are known to fail."""
    num = len(units.sums)
    if num < least_units:
        raise RunError(
            f"{num} independent items are too few for a test without bounds; at least {least_units} "
            "are needed at this alpha, or a declared range of the scores"
        )
    if error <= 0:
        raise RunError("all changes are the same, so their spread says nothing; declare a range")
    residuals = units.sums - mean * units.sizes
    skewness = float(scipy.stats.skew(residuals))
    if _COCHRAN * skewness**2 > num:
        raise RunError(
            f"a skewness of {skewness:.1f} is too large for {num} independent items; more items, or a "
            "declared range of the scores, are needed"
        )
