"""Test whether a curve from the origin is straight or has a knee where it steepens."""

from typing import Literal, NamedTuple

import numpy
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

MIN_SCALES = 4
"""Two slopes and a knee leave one number to judge by."""
_NUM_KNEES = 401
"""Places at which a knee is tried."""
_NUM_DRAWS = 2000
_LARGEST_RISE = 1.0
"""A knee that does not double the slope is none to speak of."""
_SMALLEST_ERROR = 0.1
"""Errors are taken as no smaller than those of this share of the mean sensitivity."""
_ROUNDING = 1e-12


class Knee(NamedTuple):
    """Shape of a curve. An undefined number is None, with its reason."""

    shape: Literal["knee", "gradual"] | None
    scale: float | None = None
    """Scale of the knee; None if there is none."""
    low: float | None = None
    """Lower end of its interval; None where the measured range does not bound it."""
    high: float | None = None
    slope_ratio: float | None = None
    """Slope after the knee over the slope before it."""
    pvalue: float | None = None
    """P-value of "no knee": how often a straight line with scatter alone looks as bent."""
    reason: str | None = None


class _Fits(NamedTuple):
    """Least squares of one bent line through the origin for each place of the knee."""

    knees: Float[ndarray, " knees"]
    slopes: Float[ndarray, " knees"]
    """Before the knee."""
    rises: Float[ndarray, " knees"]
    """Increase of the slope at the knee; negative if the curve levels off."""
    rise_errors: Float[ndarray, " knees"]
    """Standard errors of the rises, for errors of variance 1."""
    squares: Float[ndarray, " knees"]
    """Sums of squared residuals."""

    @property
    def best(self) -> int | None:
        """Index of the best fit among those that steepen; None if none steepens."""
        steepening = numpy.where(self.rises > 0, self.squares, numpy.inf)
        return int(steepening.argmin()) if (self.rises > 0).any() else None


def find_knee(
    scales: Float[ndarray, " points"],
    values: Float[ndarray, " points"],
    *,
    confidence_level: float = 0.9,
    significance: float = 0.05,
    seed: int = 0,
) -> Knee:
    """Distinguish a straight line through the origin from one that steepens at a knee.

        straight   value = a * scale
        bent       value = a * scale + b * max(0, scale - knee),  b > 0

    Errors are taken as independent and in proportion to the value. For a drift that grows with the
    square of the scale, give its square root: the straight line is then constant sensitivity.

    The test is on the largest gain in fit over all places of the knee, one-sided. Its null
    distribution depends on the scales alone (slope and error drop out), so it is drawn: under
    normal errors the rate of false alarms is `significance` exactly (Barnard 1963, Dwass 1957). A
    knee is reported if the test finds one, it at least doubles the slope, and two lines fit better,
    a free parameter allowed for, than a curve that bends smoothly (a parabola). A curve is called
    gradual if its bend is smooth or smaller, or if at every place a knee that doubles the slope is
    ruled out at `confidence_level`. Otherwise nothing can be told. The interval holds the places at
    which an F test would not refuse the knee (profile likelihood).

    Limits: the points of one line share whatever sets that line apart, which errors that are
    independent do not know; so it describes this curve, not the next one. Where the scatter hides
    how smooth a bend is, some smooth ones are called knees (simulated: one in ten at 10 % scatter,
    none at 2 %). The interval is approximate, and given only after the test.

    Cost: a few milliseconds.

    Args:
        scales: Ascending, positive, all different.
        values: At each scale; the value at scale 0 is 0.
        confidence_level: Confidence level of the interval, and of ruling a knee out.
        significance: Rate of false alarms of the test.
        seed: Random seed of its null distribution.

    Returns:
        The shape, and the knee if there is one.
    """
    num = len(scales)
    if num < MIN_SCALES:
        return Knee(None, reason=f"{num} scales were measured; a knee needs {MIN_SCALES}")
    if not numpy.isfinite(values).all():
        return Knee(None, reason="the curve is not defined at every scale")
    # In sensitivities every point has the same error, and the straight line is a constant.
    sensitivity = values / scales
    if not sensitivity.mean() > 0:
        return Knee(None, reason="the curve does not rise")
    fits = _fits(scales, sensitivity, numpy.ones(num))
    straight = float(((sensitivity - sensitivity.mean()) ** 2).sum())
    if straight <= _ROUNDING * float((sensitivity**2).sum()):
        return Knee("gradual", pvalue=1.0, reason="the curve is straight")
    best = fits.best
    bent = straight if best is None else float(fits.squares[best])
    pvalue = _pvalue(scales, 1 - bent / straight, seed=seed)
    if best is not None and pvalue <= significance:
        if not _is_sharper_than_a_parabola(scales, sensitivity, bent):
            return Knee("gradual", pvalue=pvalue, reason="it steepens, but smoothly")
        expected = fits.slopes[best] + fits.rises[best] * _hinges(scales)[1][best]
        return _located(
            scales, sensitivity, expected, pvalue=pvalue, confidence_level=confidence_level
        )
    if _is_ruled_out(fits, num_points=num, confidence_level=confidence_level):
        return Knee("gradual", pvalue=pvalue, reason="no knee that would double the slope")
    return Knee(
        None,
        pvalue=pvalue,
        reason=f"{num} scales neither show a knee nor rule one out",
    )


def _fits(
    scales: Float[ndarray, " points"],
    sensitivity: Float[ndarray, " points"],
    weights: Float[ndarray, " points"],
) -> _Fits:
    knees, hinges = _hinges(scales)
    shares = weights / weights.sum()
    means = hinges @ shares
    centred = hinges - means[:, None]
    sizes = centred**2 @ weights
    rises = centred @ (weights * sensitivity) / sizes
    slopes = shares @ sensitivity - rises * means
    residuals = sensitivity - slopes[:, None] - rises[:, None] * hinges
    return _Fits(knees, slopes, rises, 1 / numpy.sqrt(sizes), residuals**2 @ weights)


def _hinges(
    scales: Float[ndarray, " points"],
) -> tuple[Float[ndarray, " knees"], Float[ndarray, "knees points"]]:
    """Return possible places of a knee, and what a rise of 1 there adds to the sensitivities."""
    # Before a knee at least one point must lie, and after it two: else it could be anywhere.
    knees = numpy.geomspace(scales[0], scales[-3], _NUM_KNEES)
    return knees, numpy.maximum(0.0, 1 - knees[:, None] / scales)


def _pvalue(scales: Float[ndarray, " points"], gain: float, *, seed: int) -> float:
    """Return how often scatter about a straight line makes a bent one fit better by this share."""
    _, hinges = _hinges(scales)
    centred = hinges - hinges.mean(axis=1, keepdims=True)
    directions = centred / numpy.linalg.norm(centred, axis=1, keepdims=True)
    draws = numpy.random.default_rng(seed).standard_normal((_NUM_DRAWS, len(scales)))
    residuals = draws - draws.mean(axis=1, keepdims=True)
    along = numpy.maximum(residuals @ directions.T, 0.0).max(axis=1)
    gains = along**2 / (residuals**2).sum(axis=1)
    return (1 + int((gains >= gain).sum())) / (1 + _NUM_DRAWS)


def _is_sharper_than_a_parabola(
    scales: Float[ndarray, " points"], sensitivity: Float[ndarray, " points"], squares: float
) -> bool:
    """Return whether two lines fit better than value = a * scale + b * scale^2."""
    line = numpy.polynomial.Polynomial.fit(scales, sensitivity, 1)
    smooth = float(((sensitivity - line(scales)) ** 2).sum())
    num = len(scales)
    return squares / (num - 3) < smooth / (num - 2)


def _is_ruled_out(fits: _Fits, *, num_points: int, confidence_level: float) -> bool:
    """Return whether the slope rises less than its earlier value at every possible knee."""
    freedom = num_points - 2
    errors = fits.rise_errors * numpy.sqrt(fits.squares / freedom)
    highest = fits.rises + float(scipy.stats.t.ppf(confidence_level, freedom)) * errors
    return bool((highest < _LARGEST_RISE * fits.slopes).all())


def _located(
    scales: Float[ndarray, " points"],
    sensitivity: Float[ndarray, " points"],
    expected: Float[ndarray, " points"],
    *,
    pvalue: float,
    confidence_level: float,
) -> Knee:
    """Return the knee and its interval, from a second fit that knows where values are larger."""
    # A curve that is flat before its knee would else be held to its first points alone.
    sizes = numpy.maximum(expected, _SMALLEST_ERROR * sensitivity.mean())
    fits = _fits(scales, sensitivity, sizes**-2)
    best = fits.best
    if best is None:
        return Knee("gradual", pvalue=pvalue, reason="it steepens at its largest values alone")
    freedom = len(scales) - 3
    bound = 1 + float(scipy.stats.f.ppf(confidence_level, 1, freedom)) / freedom
    within = numpy.flatnonzero((fits.rises > 0) & (fits.squares <= bound * fits.squares[best]))
    # Where the F test begins to refuse lies between two places that were tried.
    first, last = max(0, int(within[0]) - 1), min(len(fits.knees) - 1, int(within[-1]) + 1)
    low, high = float(fits.knees[first]), float(fits.knees[last])
    slope, rise = float(fits.slopes[best]), float(fits.rises[best])
    if rise < _LARGEST_RISE * slope:
        return Knee("gradual", pvalue=pvalue, reason="it steepens, but by less than twice")
    return Knee(
        "knee",
        float(fits.knees[best]),
        low if low > fits.knees[0] else None,
        high if high < fits.knees[-1] else None,
        slope_ratio=(slope + rise) / slope if slope > 0 else None,
        pvalue=pvalue,
        reason=None if slope > 0 else "the curve does not rise before the knee",
    )
