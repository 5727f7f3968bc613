"""Baselines: other predictions of the loss at the end, each from its inputs, with errors fitted to the same runs."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy
import scipy.optimize
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from ...choices import Method
from ...errors import RunError
from ...results import CapabilityReading, Look, ProbeReading
from ._calibration import FEWEST_RUNS, FinishedRun, ForecastCalibration, fitted_metric
from ._looks import LOOK_SHARES, last_look
from ._loss_forecast import DEGREES_OF_FREEDOM, LossForecast


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


class LeastSquares(NamedTuple):
    """A least-squares line with a little ridge."""

    centre: Float[ndarray, " features"]
    slope: Float[ndarray, " features"]
    level: float

    def at(self, inputs: Float[ndarray, "cases features"]) -> Float[ndarray, " cases"]:
        """Evaluate the line."""
        result: Float[ndarray, " cases"] = self.level + (inputs - self.centre) @ self.slope
        return result


class FittedLine(NamedTuple):
    """The fit to the finished runs in one metric; the scale of errors is `floor + share * |prediction|`."""

    line: LeastSquares | None
    """None where the one input is the prediction already."""
    floor: float
    share: float


@dataclass(frozen=True)
class Baseline:
    """A baseline, with the scale of its errors."""

    inputs: Inputs
    fits: Mapping[str, FittedLine]
    """The fitted line of each metric of the finished runs."""
    bound: float
    correlation: float = 0.0

    def predict(self, case: Case, *, share: float = 1.0) -> LossForecast:
        """Predict the loss of one capability at the end, and on the way by a straight line to it."""
        fit = self.fits[fitted_metric(case.reading.metric, self.fits)]
        clock, seen = last_reading(case)
        x = numpy.array([self.inputs(case, self.bound)], dtype=float)
        value = x[0, 0] if fit.line is None else fit.line.at(x)[0]
        end = float(min(self.bound, value))
        part = 1.0 if share >= 1 or clock >= 1 else max(0.0, share - clock) / (1 - clock)
        scale = part * (fit.floor + fit.share * abs(end))
        return LossForecast(seen + part * (end - seen), scale)


def fit_baseline(
    runs: Sequence[FinishedRun],
    calibration: ForecastCalibration,
    *,
    method: Method,
    looks: tuple[Look, ...],
    target: bool,
) -> Baseline:
    """Fit a baseline to finished runs.

    Args:
        runs: To fit to; those that lack what it looks at are passed over.
        calibration: Where they are from.
        method: The baseline's name.
        looks: Of the probe.
        target: Predict the run's own task instead of the capabilities.

    Returns:
        The baseline, with the scale of its errors on tasks left out.

    Raises:
        RunError: There are too few runs.
    """
    inputs, bound = BASELINES[method], calibration.collapse_bound
    cells: dict[str, list[_BaselineCell]] = defaultdict(list)
    for run in (run for run in runs if not run.held_aside):
        for reading in usable_readings(run, method, looks, target=target):
            held = {k: v for k, v in reading.losses.items() if k in looks}
            cut = reading.model_copy(update={"losses": held})
            end = min(bound, run.final_losses[reading.capability])
            x = inputs(Case(run.probe, cut), bound)
            cells[reading.metric].append(_BaselineCell(x, end, run.task, run.run))
    fits = {
        metric: _fitted(own, bound, as_it_is=method in AS_IT_IS)
        for metric, own in cells.items()
        if len({cell.run for cell in own}) >= FEWEST_RUNS
    }
    if not fits:
        raise RunError(
            f"a forecast needs at least {FEWEST_RUNS} finished runs to be fitted to, not {len(runs)}"
        )
    return Baseline(inputs, fits, bound)


class _BaselineCell(NamedTuple):
    """One capability of a finished run."""

    inputs: list[float]
    end: float
    task: str
    run: str


def _fitted(cells: Sequence[_BaselineCell], bound: float, *, as_it_is: bool) -> FittedLine:
    x = numpy.array([cell.inputs for cell in cells], dtype=float).reshape(len(cells), -1)
    y = numpy.array([cell.end for cell in cells])
    tasks = numpy.array([cell.task for cell in cells])
    line = None if as_it_is else _line(x, y)
    predicted = x[:, 0].clip(max=bound) if as_it_is else _predicted_left_out(x, y, tasks)
    floor, share = fit_scale(numpy.abs(predicted - y), numpy.abs(predicted))
    return FittedLine(line, floor, share)


def usable_readings(
    run: FinishedRun, method: Method, looks: tuple[Look, ...], *, target: bool
) -> list[CapabilityReading]:
    """List the readings of a finished run whose end is known and that a baseline can predict from.

    Args:
        method: The baseline's name.
        looks: Of the probe.
        target: Take the run's own task instead of the capabilities.
    """
    if method == "update_norm" and run.probe.update_norm is None:
        return []
    return [
        reading
        for reading in ((run.probe.target,) if target else run.probe.capabilities)
        if reading.capability in run.final_losses
        and looks[-1] in reading.losses
        and (method != "straight_line" or reading.straight_line is not None)
    ]


def _line(x: Float[ndarray, "cases features"], y: Float[ndarray, " cases"]) -> LeastSquares:
    centre = x.mean(axis=0)
    centred = x - centre
    normal = centred.T @ centred + 1e-6 * numpy.eye(x.shape[1])
    return LeastSquares(
        centre, numpy.linalg.solve(normal, centred.T @ (y - y.mean())), float(y.mean())
    )


def _predicted_left_out(
    x: Float[ndarray, "cases features"], y: Float[ndarray, " cases"], groups: ndarray
) -> Float[ndarray, " cases"]:
    """Predict each task by the others; by all where there is one task alone."""
    names = set(groups.tolist())
    if len(names) == 1:
        return _line(x, y).at(x)
    predicted = numpy.zeros(len(y))
    for name in names:
        own = groups == name
        predicted[own] = _line(x[~own], y[~own]).at(x[own])
    return predicted


def fit_scale(
    errors: Float[ndarray, " cases"], sizes: Float[ndarray, " cases"]
) -> tuple[float, float]:
    """Find the floor and the share under which t-distributed errors of that scale are most likely.

    Args:
        errors: Absolute errors of predictions for cases that were left out.
        sizes: Absolute predictions.

    Returns:
        Floor and share of the scale `floor + share * size`.
    """

    def cost(logarithms: Float[ndarray, " two"]) -> float:
        floor, share = numpy.exp(logarithms)
        scale = floor + share * sizes
        density = scipy.stats.t.logpdf(errors / scale, DEGREES_OF_FREEDOM)
        return float((numpy.log(scale) - density).sum())

    bounds = ((-9.0, 2.0), (-9.0, 1.0))
    result = scipy.optimize.minimize(cost, [-3.0, -1.0], method="L-BFGS-B", bounds=bounds)
    floor, share = numpy.exp(result.x)
    return float(floor), float(share)
