"""The inputs of each baseline forecast, by method name, for comparison with Driftline's own method."""

import math
from collections.abc import Callable
from typing import NamedTuple

from ...choices import Method
from ...errors import RunError
from ...results import CapabilityReading, ProbeReading
from ._looks import LOOK_SHARES, last_look


class Case(NamedTuple):
    """One capability of one run."""

    probe: ProbeReading
    reading: CapabilityReading
    is_unlike: bool = False
    """True if it is of a kind that no finished run was scored on, so that its spread is that of models
    left out."""


Inputs = Callable[[Case, float], list[float]]
"""The features that a method predicts from, computed from a case and the collapse bound."""


def last_reading(case: Case) -> tuple[float, float]:
    """Read the last look: the share of the summed learning rate, and the loss there."""
    look = last_look(case.reading.losses)
    return case.probe.clock[look], case.reading.losses[look]


def _truncated(case: Case, _bound: float) -> list[float]:
    return [last_reading(case)[1]]


def _linear_in_steps(case: Case, _bound: float) -> list[float]:
    look = last_look(case.reading.losses)
    return [case.reading.losses[look] / LOOK_SHARES[look]]


def _linear_in_rate(case: Case, _bound: float) -> list[float]:
    clock, loss = last_reading(case)
    return [loss / clock if clock > 0 else 0.0]


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
        raise RunError(
            "this probe has no norm of the update; it is of an earlier version, make it again"
        )
    return [math.log10(case.probe.update_norm)]


def nothing(_case: Case, _bound: float) -> list[float]:
    return []


BASELINES: dict[Method, Inputs] = {
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
"""Methods whose input is a prediction already, so that nothing is fitted."""
