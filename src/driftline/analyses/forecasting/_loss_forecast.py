"""A predicted loss, as a distribution."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy
import scipy.optimize
import scipy.special
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from ..probing import CONFIDENCE_LEVEL

DEGREES_OF_FREEDOM = 4.0
"""Degrees of freedom of the t distribution of the loss after the probe: some runs change course."""
_NORMAL = numpy.linspace(-9.0, 9.0, 361)
_NORMAL_WEIGHTS = scipy.stats.norm.pdf(_NORMAL) / scipy.stats.norm.pdf(_NORMAL).sum()
"""A trapezoid rule: nearly exact for smooth functions."""
_T = numpy.sinh(_NORMAL)
_T_DENSITY = scipy.stats.t.pdf(_T, DEGREES_OF_FREEDOM) * numpy.cosh(_NORMAL)
_T_WEIGHTS = _T_DENSITY / _T_DENSITY.sum()
"""The same for t, far into its tails."""
_FACTORS = numpy.linspace(-8.0, 8.0, 801)
_FACTOR_WEIGHTS = scipy.stats.norm.pdf(_FACTORS) / scipy.stats.norm.pdf(_FACTORS).sum()
"""Fine enough for correlations near 1, where the integrand is nearly a step."""
LEAST_CHANCE = 1e-4
"""No probability below it, or that close to 1, is claimed: some hundred outcomes cannot tell it from 0."""
_NOTHING = 1e-12
"""A spread this small is none."""


@dataclass(frozen=True)
class LossForecast:
    """A predicted loss: `value + scale * t + standard_error * z`, positive is worse.

    `t` has 4 degrees of freedom and stands for what is still to come, the normal `z` for the noise of
    the items that the probe was measured on. The two are independent. What lies beyond `smallest` or
    `largest` counts as these.
    """

    value: float
    """Median, in the unit of the capability; between `smallest` and `largest`."""
    scale: float
    standard_error: float = 0.0
    confidence_level: float = CONFIDENCE_LEVEL
    """The confidence level of the interval from `low` to `high`."""
    novelty: float = 1.0
    """Factor by which `scale` is larger because the run lies outside of what was calibrated on."""
    smallest: float = -math.inf
    largest: float = math.inf
    """The largest loss that there can be: no more than the base has."""

    def exceeds(self, loss: float) -> float:
        """Compute the probability that the loss is larger than another.

        Args:
            loss: In the unit of the capability.

        Returns:
            From `LEAST_CHANCE` to 1 - `LEAST_CHANCE`: what did not move so far may still do.
        """
        return min(1 - LEAST_CHANCE, max(LEAST_CHANCE, self._beyond(loss)))

    def _beyond(self, loss: float) -> float:
        """Compute the probability by the distribution alone; 0 or 1 where nothing is left to chance."""
        if loss >= self.largest or loss < self.smallest:
            return float(loss < self.smallest)
        distance = loss - self.value
        if max(self.scale, self.standard_error) <= _NOTHING:
            return float(distance < 0)
        # The sum runs over the narrower of the two, so that its terms are smooth.
        if self.standard_error < self.scale:
            beyond = (distance - self.standard_error * _NORMAL) / self.scale
            return float(_NORMAL_WEIGHTS @ scipy.special.stdtr(DEGREES_OF_FREEDOM, -beyond))
        beyond = (distance - self.scale * _T) / self.standard_error
        return float(_T_WEIGHTS @ scipy.special.ndtr(-beyond))

    def quantile(self, share: float) -> float:
        """Find the loss that the outcome stays below with some probability.

        Args:
            share: That probability, between 0 and 1.

        Returns:
            The loss.
        """
        unit = self.scale + self.standard_error
        if unit <= _NOTHING:
            return self._within(self.value)
        free = replace(self, smallest=-math.inf, largest=math.inf)
        # Both parts beyond these ends together are rarer than the share.
        tail = min(share, 1 - share) / 2
        reach = scipy.stats.t.isf(tail, DEGREES_OF_FREEDOM) + scipy.stats.norm.isf(tail) + 1.0

        def distance(units: float) -> float:
            return 1 - free._beyond(self.value + unit * units) - share

        return self._within(
            self.value + unit * float(scipy.optimize.brentq(distance, -reach, reach))
        )

    def _within(self, loss: float) -> float:
        return min(self.largest, max(self.smallest, loss))

    @cached_property
    def low(self) -> float:
        """Lower end of the two-sided interval of `confidence_level`."""
        return self.quantile((1 - self.confidence_level) / 2)

    @cached_property
    def high(self) -> float:
        """Upper end of the two-sided interval of `confidence_level`."""
        return self.quantile((1 + self.confidence_level) / 2)

    def multiplied(self, factor: float) -> "LossForecast":
        """Return the forecast of a run that moves everything so many times as far."""
        return replace(
            self,
            value=self._within(self.value * factor),
            scale=self.scale * factor,
            standard_error=self.standard_error * factor,
        )


def any_exceeds(probabilities: Float[ndarray, " capabilities"], correlation: float) -> float:
    """Compute the probability that at least one of several losses is beyond its limit.

    One common factor joins them (a one-factor Gaussian copula): a run that does more damage than was
    predicted does it to several capabilities.

    >>> import numpy
    >>> round(any_exceeds(numpy.array([0.1, 0.1]), 0.0), 6)
    0.19

    Args:
        probabilities: Of each by itself.
        correlation: Of the normal scores of two errors of one run, from 0 to below 1.

    Returns:
        From 0 to 1; 0 without any.
    """
    each = numpy.asarray(probabilities, dtype=float)
    if len(each) < 2:
        return float(each.sum())
    limits = -scipy.special.ndtri(each)
    common = numpy.sqrt(correlation) * _FACTORS[:, None]
    none = scipy.special.ndtr((limits[None] - common) / numpy.sqrt(1 - correlation)).prod(axis=1)
    return float(min(1.0, max(each.max(), 1 - _FACTOR_WEIGHTS @ none)))
