"""A predicted loss, as a distribution."""

from dataclasses import dataclass
from functools import cached_property

import numpy
import scipy.optimize
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from ..probing import CONFIDENCE_LEVEL

DEGREES_OF_FREEDOM = 4.0
"""Of the t distribution of what comes after the probe: some runs change course."""
_NODES = scipy.stats.t.ppf((numpy.arange(200) + 0.5) / 200, DEGREES_OF_FREEDOM)
"""Equally likely values, so that a mean over them is an expectation."""
_NOTHING = 1e-12
"""A spread this small is none."""


@dataclass(frozen=True)
class LossForecast:
    """A predicted loss: `value + scale * t + standard_error * z`, positive is worse.

    `t` has 4 degrees of freedom and stands for what is still to come, the normal `z` for the noise of
    the items that the probe was measured on. The two are independent.
    """

    value: float
    """Median, in the unit of the capability."""
    scale: float
    standard_error: float = 0.0
    confidence_level: float = CONFIDENCE_LEVEL
    """Of `low` and `high`."""
    novelty: float = 1.0
    """Factor by which `scale` is larger because the run lies outside of what was calibrated on."""

    def exceeds(self, loss: float) -> float:
        """Compute the probability that the loss is larger than another.

        Args:
            loss: In the unit of the capability.

        Returns:
            From 0 to 1.
        """
        centres = self.value + self.scale * _NODES
        if self.standard_error <= _NOTHING:
            if self.scale <= _NOTHING:
                return float(self.value > loss)
            distance = (loss - self.value) / self.scale
            return float(scipy.stats.t.sf(distance, DEGREES_OF_FREEDOM))
        distances = (loss - centres) / self.standard_error
        return float(scipy.stats.norm.sf(distances).mean())

    def quantile(self, share: float) -> float:
        """Find the loss that the outcome stays below with some probability.

        Args:
            share: That probability, between 0 and 1.

        Returns:
            The loss.
        """
        widest = max(abs(scipy.stats.norm.ppf(share)), abs(_NODES[0])) + 1.0
        reach = widest * (self.scale + self.standard_error)
        if reach <= _NOTHING:
            return self.value
        ends = (self.value - reach, self.value + reach)
        return float(scipy.optimize.brentq(lambda x: 1 - self.exceeds(x) - share, *ends))

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
        return LossForecast(
            self.value * factor,
            self.scale * factor,
            self.standard_error * factor,
            self.confidence_level,
            self.novelty,
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
    if not len(probabilities):
        return 0.0
    sure = numpy.asarray(probabilities, dtype=float).clip(1e-12, 1 - 1e-12)
    nodes, weights = numpy.polynomial.hermite_e.hermegauss(48)
    limits = scipy.stats.norm.isf(sure)
    given = (limits[None] - numpy.sqrt(correlation) * nodes[:, None]) / numpy.sqrt(1 - correlation)
    none = scipy.stats.norm.cdf(given).prod(axis=1)
    return float(1 - (weights @ none) / weights.sum())
