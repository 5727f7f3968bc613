"""The looks of a probe: the steps of the planned run at which it is measured, and the movement seen there."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy
from jaxtyping import Float
from numpy import ndarray

from ...choices import Probe
from ...results import CapabilityReading, Look

LOOK_SHARES: dict[Look, float] = {
    "early_5": 0.05,
    "early_10": 0.1,
    "early_20": 0.2,
    "early_30": 0.3,
    "early_40": 0.4,
    "early_60": 0.6,
}
"""The share of the planned steps after which each look is taken."""
PROBES: dict[Probe, tuple[Look, ...]] = {
    "0.05": ("early_5",),
    "0.1": ("early_5", "early_10"),
    "0.2": ("early_5", "early_10", "early_20"),
    "0.3": ("early_5", "early_10", "early_20", "early_30"),
    "0.4": ("early_5", "early_10", "early_20", "early_40"),
    "0.6": ("early_5", "early_10", "early_20", "early_40", "early_60"),
}
"""Looks of each probe, ascending."""


def early_step(look: Look, num_steps: int) -> int:
    """Compute the optimiser step of a look.

    Args:
        look: One of `LOOK_SHARES`.
        num_steps: Of the planned run.

    Returns:
        At least 1.
    """
    return max(1, round(LOOK_SHARES[look] * num_steps))


def last_look(looks: "dict[Look, float] | tuple[Look, ...]") -> Look:
    """Find the latest of some looks; a look of earlier versions that is none is passed over.

    Args:
        looks: At least one of `LOOK_SHARES`.
    """
    return max((look for look in looks if look in LOOK_SHARES), key=LOOK_SHARES.__getitem__)


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
