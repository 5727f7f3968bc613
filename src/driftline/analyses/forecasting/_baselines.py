"""Baselines: other predictions of the loss at the end, with errors fitted to the same runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy
import scipy.optimize
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from ...errors import RunError
from ...results import Look
from ._calibration import FinishedRun, ForecastCalibration
from ._loss_forecast import DEGREES_OF_FREEDOM, LossForecast
from ._rivals import AS_IT_IS, RIVALS, Case, Inputs, Method, last_reading

FEWEST_RUNS = 4


class FittedLine(NamedTuple):
    """A least-squares line with a little ridge."""

    centre: Float[ndarray, " features"]
    slope: Float[ndarray, " features"]
    level: float

    def at(self, inputs: Float[ndarray, "cases features"]) -> Float[ndarray, " cases"]:
        """Evaluate the line."""
        found: Float[ndarray, " cases"] = self.level + (inputs - self.centre) @ self.slope
        return found


@dataclass(frozen=True)
class Baseline:
    """A baseline, with the scale of its errors: `floor + share * |prediction|`."""

    inputs: Inputs
    line: FittedLine | None
    """None where the one input is the prediction already."""
    bound: float
    floor: float
    share: float
    correlation: float = 0.0

    def predict(self, case: Case, *, share: float = 1.0) -> LossForecast:
        """Predict the loss of one capability at the end, and on the way by a straight line to it."""
        clock, seen = last_reading(case)
        end = self._value(numpy.array([self.inputs(case, self.bound)], dtype=float))
        part = 1.0 if share >= 1 or clock >= 1 else max(0.0, share - clock) / (1 - clock)
        scale = part * (self.floor + self.share * abs(end))
        return LossForecast(seen + part * (end - seen), scale)

    def _value(self, inputs: Float[ndarray, "1 features"]) -> float:
        value = inputs[0, 0] if self.line is None else self.line.at(inputs)[0]
        return float(min(self.bound, max(-self.bound, value)))


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
    inputs, bound = RIVALS[method], calibration.collapse_bound
    usable = [run for run in runs if _has_inputs(run, method, looks, target=target)]
    if len(usable) < FEWEST_RUNS:
        raise RunError(
            f"a forecast needs at least {FEWEST_RUNS} finished runs to be fitted to, not {len(usable)}"
        )
    rows, actual, tasks = [], [], []
    for run in usable:
        for reading in (run.probe.target,) if target else run.probe.capabilities:
            if reading.capability in run.final_losses:
                held = {k: v for k, v in reading.losses.items() if k in looks}
                cut = reading.model_copy(update={"losses": held})
                rows.append(inputs(Case(run.probe, cut), bound))
                actual.append(min(bound, max(-bound, run.final_losses[reading.capability])))
                tasks.append(run.task)
    x = numpy.array(rows, dtype=float).reshape(len(rows), -1)
    y, groups = numpy.array(actual), numpy.array(tasks)
    as_it_is = method in AS_IT_IS
    line = None if as_it_is else _line(x, y)
    predicted = x[:, 0].clip(-bound, bound) if as_it_is else _predicted_left_out(x, y, groups)
    floor, share = fit_scale(numpy.abs(predicted - y), numpy.abs(predicted))
    return Baseline(inputs, line, bound, floor, share)


def _has_inputs(run: FinishedRun, method: Method, looks: tuple[Look, ...], *, target: bool) -> bool:
    reading = run.probe.target
    return (
        (not target or "target" in run.final_losses)
        and all(look in run.probe.target.losses for look in looks[-1:])
        and (method != "straight_line" or reading.straight_line is not None)
        and (method != "update_norm" or run.probe.update_norm is not None)
    )


def _line(x: Float[ndarray, "cases features"], y: Float[ndarray, " cases"]) -> FittedLine:
    centre = x.mean(axis=0)
    centred = x - centre
    normal = centred.T @ centred + 1e-6 * numpy.eye(x.shape[1])
    return FittedLine(
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
    found = scipy.optimize.minimize(cost, [-3.0, -1.0], method="L-BFGS-B", bounds=bounds)
    floor, share = numpy.exp(found.x)
    return float(floor), float(share)
