"""Movement of the capabilities of a run at a look, as the drift model takes it."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy
from jaxtyping import Float
from numpy import ndarray

from ...results import CapabilityReading, Look

_NO_ERROR = 1.0
"""The whole range of a probability."""
_NUM_ITEMS = 24
"""Items of a capability in readings of earlier versions, which do not say: as many as were scored at least."""


class Movement(NamedTuple):
    """One capability as a look found it."""

    loss: float
    pulled: float
    """The loss, pulled towards the mean of the run's capabilities of the same metric."""
    typical: float
    """Root mean square of the loss over those capabilities."""
    standard_error: float
    item_spread: float
    """Standard deviation of the losses of single items: how far they move, whichever way."""
    share: float
    """Share of the run's summed learning rate at the look."""


def movements(
    readings: Iterable[CapabilityReading], look: Look, *, share: float, bound: float
) -> dict[str, Movement]:
    """Describe the capabilities of one metric at one look of a run."""
    own = [reading for reading in readings if look in reading.losses]
    losses = numpy.array([r.losses[look] for r in own], dtype=float).clip(None, bound)
    errors = numpy.array([_error(r, look) for r in own], dtype=float)
    if not len(own):
        return {}
    pulled = _pulled(losses, errors)
    typical = float(numpy.sqrt(numpy.mean(losses**2)))
    return {
        reading.capability: Movement(
            float(losses[n]),
            float(pulled[n]),
            typical,
            float(errors[n]),
            float(errors[n]) * math.sqrt(reading.num_items or _NUM_ITEMS),
            share,
        )
        for n, reading in enumerate(own)
    }


def _error(reading: CapabilityReading, look: Look) -> float:
    """Return the standard error at a look; one group of items has none, and says nothing of others."""
    if reading.standard_errors is None:
        return 0.0
    return reading.standard_errors.get(look, _NO_ERROR)


def _pulled(
    losses: Float[ndarray, " cells"], errors: Float[ndarray, " cells"]
) -> Float[ndarray, " cells"]:
    """Pull losses towards their mean, each by the share of its variance that is noise of items."""
    if len(losses) < 2:
        return losses
    mean = float(losses.mean())
    between = max(float(losses.var(ddof=1)) - float(numpy.mean(errors**2)), 0.0)
    total = between + errors**2
    weights = numpy.divide(between, total, out=numpy.ones_like(total), where=total > 0)
    return mean + weights * (losses - mean)
