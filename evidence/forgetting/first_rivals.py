"""Other ways to forecast, by name, as the first edition was held against them."""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

from driftline.errors import RunError
from driftline.results import CapabilityReading, Look, ProbeReading

EARLY_SHARES: dict[Look, float] = {"early_5": 0.05, "early_10": 0.1, "early_20": 0.2}
"""Of the planned steps, at which an early look lies."""
NEEDS_START: tuple[str, ...] = (
    "truncated",
    "linear_in_steps",
    "linear_in_rate",
    "straight_line",
    "update_norm",
)
"""Methods that look at the start of the planned run; the last two at its first fifth."""
Method = Literal[
    "driftline",
    "truncated",
    "linear_in_steps",
    "linear_in_rate",
    "straight_line",
    "learning_rate",
    "rate_times_steps",
    "update_norm",
    "mean",
]


class Case(NamedTuple):
    """One capability of one run."""

    probe: ProbeReading
    reading: CapabilityReading


Inputs = Callable[[Case, float], list[float]]
"""Of a case and the collapse bound, what a method predicts from."""


def _last_early(case: Case) -> Look:
    early = [look for look in case.reading.losses if look.startswith("early")]
    if not early:
        raise RunError("this method needs the start of the planned run; take a probe of 0.2")
    return max(early, key=lambda look: case.probe.clock[look])


def _truncated(case: Case, _bound: float) -> list[float]:
    return [case.reading.losses[_last_early(case)]]


def _linear_in_steps(case: Case, _bound: float) -> list[float]:
    look = _last_early(case)
    return [case.reading.losses[look] / EARLY_SHARES[look]]


def _linear_in_rate(case: Case, _bound: float) -> list[float]:
    look = _last_early(case)
    clock = case.probe.clock[look]
    return [case.reading.losses[look] / clock if clock > 0 else 0.0]


def _straight_line(case: Case, _bound: float) -> list[float]:
    if case.reading.straight_line is None:
        raise RunError("this probe did not look along the straight line")
    return [case.reading.straight_line]


def _learning_rate(case: Case, _bound: float) -> list[float]:
    return [math.log10(case.probe.learning_rate), float(case.probe.adapter)]


def _rate_times_steps(case: Case, _bound: float) -> list[float]:
    product = case.probe.learning_rate * case.probe.num_steps
    return [math.log10(product), float(case.probe.adapter)]


def _update_norm(case: Case, _bound: float) -> list[float]:
    if case.probe.update_norm is None:
        raise RunError("this method needs the start of the planned run; take a probe of 0.2")
    return [math.log10(case.probe.update_norm)]


def nothing(_case: Case, _bound: float) -> list[float]:
    """Look at nothing."""
    return []


RIVALS: dict[Method, Inputs] = {
    "truncated": _truncated,
    "linear_in_steps": _linear_in_steps,
    "linear_in_rate": _linear_in_rate,
    "straight_line": _straight_line,
    "learning_rate": _learning_rate,
    "rate_times_steps": _rate_times_steps,
    "update_norm": _update_norm,
    "mean": nothing,
}
AS_IT_IS: tuple[Method, ...] = (
    "truncated",
    "linear_in_steps",
    "linear_in_rate",
    "straight_line",
)
"""Methods that are a prediction already: nothing is fitted."""
