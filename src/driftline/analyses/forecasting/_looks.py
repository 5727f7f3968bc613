"""The looks of a probe: the steps of the planned run at which it is measured, and the movement seen there."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy

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
_TYPICAL_ITEMS = 100
_NUM_ITEMS = 24
"""Items of a capability in readings of earlier versions, which do not say: as many as were scored at least."""


class Movement(NamedTuple):
    """One capability as a look found it."""

    loss: float
    typical: float
    """Root mean square loss of the run's capabilities of one kind, as a hundred items of each would measure it: with
    their noise, whatever number was scored."""
    drive: float
    """The quantity that losses grow in proportion to: the mean square of `item_spread` over the same capabilities; for the
    run's own task its loss so far."""
    standard_error: float
    item_spread: float
    """Standard deviation of the losses of single items."""
    share: float
    """Share of the run's summed learning rate at the look."""


def movements(
    readings: Iterable[CapabilityReading],
    look: Look,
    *,
    share: float,
    bound: float,
    is_target: bool = False,
) -> dict[str, Movement]:
    """Describe the capabilities of one kind, or the run's own task, at one look of a run."""
    own = [reading for reading in readings if look in reading.losses]
    if not own:
        return {}
    losses = numpy.array([r.losses[look] for r in own], dtype=float).clip(None, bound)
    errors = numpy.array([_error(r, look) for r in own], dtype=float)
    spreads = numpy.array([_item_spread(r, look) for r in own], dtype=float)
    # One group of items has no standard error: it says nothing of how far items move.
    known = numpy.array([tells_item_spread(r, look) for r in own])
    square = float(numpy.mean(spreads[known] ** 2)) if known.any() else 0.0
    exact = numpy.where(known, losses**2 - errors**2, losses**2)
    typical = math.sqrt(max(float(exact.mean()), 0.0) + square / _TYPICAL_ITEMS)
    return {
        reading.capability: Movement(
            float(losses[n]),
            typical,
            float(losses[n]) if is_target else square,
            float(errors[n]),
            float(spreads[n]),
            share,
        )
        for n, reading in enumerate(own)
    }


def tells_item_spread(reading: CapabilityReading, look: Look) -> bool:
    """Tell whether a reading says how far single items moved."""
    return look in (reading.item_spreads or reading.standard_errors or {})


def _item_spread(reading: CapabilityReading, look: Look) -> float:
    if reading.item_spreads is not None and look in reading.item_spreads:
        return reading.item_spreads[look]
    return _error(reading, look) * math.sqrt(reading.num_items or _NUM_ITEMS)


def _error(reading: CapabilityReading, look: Look) -> float:
    """Return the standard error at a look; one group of items has none, and says nothing of others."""
    if reading.standard_errors is None:
        return 0.0
    return reading.standard_errors.get(look, _NO_ERROR)
