"""Non-inferiority of the mean of scores without known bounds, and what has to be assumed for it."""

import math

import numpy
import scipy.stats
from jaxtyping import Float, Int
from numpy import ndarray

from ..errors import ConfigError, RunError
from ._noninferiority import (
    NoninferiorityTest,
    Units,
    check_level,
    check_margin,
    judged,
    units_of,
)

_MIN_UNITS = 20
CAUTION = 0.8
"""The part of alpha at which both tests are read: at alpha itself up to 5.7 % pass instead of 5 %."""
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
    """Whether the mean change is above -margin, by the more cautious of two approximate tests.

    One is Student's t with whole groups as units: mean = sum(total) / sum(size), with the variance
    of `mean_interval`. The other is the bootstrap-t of the same statistic (Efron 1981; Hall 1988),
    which corrects for skewness. Limits and p-value are the worse of the two, at four fifths of alpha:
    both are approximate, and at alpha itself they pass up to 5.7 % where they say 5 %
    (`benchmarks/certification_errors.py`). A normal sample pays for that with 9 % more items.

    Assumes: independent units whose spread is finite and whose skewness the sample shows. A rare and
    large loss that the sample happens not to hold cannot be seen: no test without bounds can be
    valid against it (Bahadur and Savage 1956). So fewer than 20 units are refused, fewer than
    1 / alpha (a p-value cannot be smaller than 1 / units either: so many cannot show a tail that is
    rarer than one of them), and a skewness g of the units with 25 g^2 > units (Cochran's rule). Where
    a range can be declared, clip the scores to it and take `bounded_noninferiority`, which assumes
    nothing.

    >>> changes = numpy.random.default_rng(0).normal(0.0, 0.3, 120)
    >>> unbounded_noninferiority(changes, margin=0.1).verdict
    'non_inferior'

    Cost: 0.1 s for 1 000 items.

    Args:
        changes: Tuned - base, in units of which larger is better.
        margin: Positive.
        groups: A number for each item's group; None where each is its own.
        confidence_level: Of each limit, one-sided: 1 - alpha.
        seed: Of the bootstrap.

    Returns:
        The mean change over items, its limits, and the verdict.

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
    low = mean - error * max(quantile, float(pivots[-1 - rank]))
    high = mean - error * min(-quantile, float(pivots[rank]))
    statistic = (mean + margin) / error
    tail = max(
        float(scipy.stats.t.sf(statistic, num - 1)),
        float(1 + (pivots >= statistic).sum()) / (1 + len(pivots)),
    )
    pvalue = min(1.0, max(tail / CAUTION, 1 / num))
    verdict = judged(low, high, margin)
    if verdict == "non_inferior" and pvalue > 1 - confidence_level:
        # At the very edge the quantile and the count of resamples may differ by one.
        verdict = "inconclusive"
    return NoninferiorityTest(
        change=mean,
        low=low,
        high=high,
        margin=margin,
        confidence_level=confidence_level,
        pvalue=pvalue,
        verdict=verdict,
    )


def _mean_and_error(
    units: Units, counts: Float[ndarray, "resamples units"]
) -> tuple[Float[ndarray, " resamples"], Float[ndarray, " resamples"]]:
    """The mean over items and its standard error, where each unit is there so many times."""
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
    """(mean - true mean) / error of resamples of whole units, ascending."""
    generator = numpy.random.default_rng(seed)
    num = len(units.sums)
    found = []
    for first in range(0, NUM_RESAMPLES, _CHUNK):
        rows = min(_CHUNK, NUM_RESAMPLES - first)
        counts = generator.multinomial(num, numpy.full(num, 1 / num), size=rows).astype(float)
        means, errors = _mean_and_error(units, counts)
        with numpy.errstate(divide="ignore", invalid="ignore"):
            pivots = (means - mean) / errors
        # A resample without spread says nothing of the shape; it counts against either claim.
        found.append(numpy.where(numpy.isnan(pivots), 0.0, pivots))
    return numpy.sort(numpy.concatenate(found))


def _check_shape(units: Units, mean: float, error: float, *, least_units: int) -> None:
    """Refuse samples of which the approximations are known to fail.

    Raises:
        RunError: Few units, no spread, or skewness.
    """
    num = len(units.sums)
    if num < least_units:
        raise RunError(
            f"{num} independent items are too few for a test without bounds; at least {least_units} "
            "are needed at this alpha, or scores clipped to a declared range"
        )
    if error <= 0:
        raise RunError("all changes are the same, so their spread says nothing; declare a range")
    residuals = units.sums - mean * units.sizes
    skewness = float(scipy.stats.skew(residuals))
    if _COCHRAN * skewness**2 > num:
        raise RunError(
            f"a skewness of {skewness:.1f} is too large for {num} independent items; more items, or "
            "scores clipped to a declared range, are needed"
        )
