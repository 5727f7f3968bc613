"""The forecast: what the planned run will do to each capability, from its first steps.

The probe trains the first fifth of the planned steps at the planned learning rates. What it has
lost by then grows to the end of the run as a power of the summed learning rate; the exponent, and
how far off that may be, come from finished runs (`ForecastCalibration`). The direction of training
hardly turns and its length follows the summed learning rate, which is why that is taken for the
clock. All calibration runs share one schedule, so the power is an assumption beyond their ratio.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy
from jaxtyping import Float
from numpy import ndarray

from ..capabilities import Capability
from ..engine import Table
from ..errors import RunError
from ..models import BASE
from ..results import CapabilityForecast, TargetForecast
from ..stats import conformal_quantile
from ._calibration import ForecastCalibration
from ._study import CONFIDENCE_LEVEL, Study, losses_at


@dataclass(frozen=True)
class LossForecast:
    """A predicted loss at the end of the run, positive is worse."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CalibrationCell:
    """One capability of one finished run, as calibration needs it."""

    run: str
    probe_loss: float
    final_loss: float
    clock_ratio: float
    """Summed learning rate of the whole run over that of the probe."""


def forecast_loss(
    probe_loss: float,
    clock_ratio: float,
    *,
    exponent: float,
    floor: float,
    relative_errors: Sequence[float],
    confidence_level: float = CONFIDENCE_LEVEL,
) -> LossForecast:
    """Predict the loss at the end of a run from the loss at the end of its probe.

    Args:
        probe_loss: Loss after the probe, positive is worse.
        clock_ratio: Summed learning rate of the whole run over that of the probe, at least 1.
        exponent: Of the growth.
        floor: Added to |prediction| for the scale of the interval, in the unit of the loss.
        relative_errors: Of finished runs; their conformal quantile sets the interval.
        confidence_level: Of the interval.

    Returns:
        The prediction with its interval, in the unit of the loss.
    """
    value = probe_loss * clock_ratio**exponent
    quantile = conformal_quantile(
        numpy.asarray(relative_errors, dtype=float), confidence_level=confidence_level
    )
    half = quantile * (abs(value) + floor)
    return LossForecast(value, value - half, value + half)


def forecast_losses(
    study: Study, table: Table, calibration: ForecastCalibration
) -> dict[str, LossForecast]:
    """The predicted loss of each capability at the end of the planned run, by name."""
    ratio = clock_ratio(study)
    point = study.path_points()[-1]
    return {
        capability.name: forecast_loss(
            float(losses_at(table, capability, [point]).mean()),
            ratio,
            exponent=calibration.growth_exponent,
            floor=calibration.floor_nats,
            relative_errors=calibration.relative_errors,
        )
        for capability in study.capabilities
    }


def clock_ratio(study: Study) -> float:
    """Summed learning rate of the whole planned run over that of the probe."""
    plan = study.trajectory.plan
    probe = plan.summed_learning_rate(study.trajectory.kept_steps[-1])
    if probe <= 0:
        raise RunError("the probe ends inside a warm-up at learning rate 0; lengthen the run")
    return plan.summed_learning_rate(plan.num_steps) / probe


def capability_forecasts(
    study: Study, table: Table, losses: dict[str, LossForecast]
) -> tuple[CapabilityForecast, ...]:
    """The forecast of each capability, worst relative to its tolerance first."""
    rows = [_row(capability, table, losses[capability.name]) for capability in study.capabilities]
    by_risk = {c.name: losses[c.name].value / c.tolerance for c in study.capabilities}
    return tuple(sorted(rows, key=lambda row: -by_risk[row.capability]))


def target_forecast(study: Study, table: Table, calibration: ForecastCalibration) -> TargetForecast:
    """What the run will do to its own task."""
    target = study.target
    predicted = forecast_loss(
        float(losses_at(table, target, [study.path_points()[-1]]).mean()),
        clock_ratio(study),
        exponent=calibration.target_growth_exponent,
        floor=calibration.floor_nats,
        relative_errors=calibration.target_relative_errors,
        confidence_level=_highest_level(len(calibration.target_relative_errors)),
    )
    return TargetForecast(
        metric=target.metric,
        unit=target.unit,
        base_value=float(table.values(BASE, target).mean()),
        predicted_change=predicted.value,
        low=predicted.low,
        high=predicted.high,
        confidence_level=_highest_level(len(calibration.target_relative_errors)),
        num_items=len(target.items),
    )


def fit_exponent(cells: Sequence[CalibrationCell], *, floor: float) -> float:
    """The growth exponent with the smallest median relative error.

    Args:
        cells: Finished runs.
        floor: As in `forecast_loss`.

    Returns:
        The exponent, from a grid of hundredths between -1 (it mends) over 0 (as it is) to 1.5.

    Raises:
        RunError: There is no finished run.
    """
    if not cells:
        raise RunError("there is no finished run to fit the growth exponent to")
    grid = numpy.arange(-1.0, 1.505, 0.01)
    errors = [numpy.median(_relative_errors(cells, float(e), floor=floor)) for e in grid]
    return float(round(grid[int(numpy.argmin(errors))], 2))


def held_out_errors(cells: Sequence[CalibrationCell], *, floor: float) -> tuple[float, ...]:
    """Relative errors on each run with the exponent fitted on the others, ascending."""
    errors: list[float] = []
    for run in sorted({cell.run for cell in cells}):
        others = [cell for cell in cells if cell.run != run]
        exponent = fit_exponent(others, floor=floor)
        own = [cell for cell in cells if cell.run == run]
        errors.extend(_relative_errors(own, exponent, floor=floor).tolist())
    return tuple(sorted(errors))


def _relative_errors(
    cells: Sequence[CalibrationCell], exponent: float, *, floor: float
) -> Float[ndarray, " cells"]:
    predicted = numpy.array([cell.probe_loss * cell.clock_ratio**exponent for cell in cells])
    actual = numpy.array([cell.final_loss for cell in cells])
    errors: Float[ndarray, " cells"] = numpy.abs(actual - predicted) / (
        numpy.abs(predicted) + floor
    )
    return errors


def _row(capability: Capability, table: Table, loss: LossForecast) -> CapabilityForecast:
    change = (
        (loss.value, loss.low, loss.high)
        if not capability.higher_is_better
        else (-loss.value, -loss.high, -loss.low)
    )
    return CapabilityForecast(
        capability=capability.name,
        metric=capability.metric,
        unit=capability.unit,
        base_value=float(table.values(BASE, capability).mean()),
        predicted_change=change[0],
        low=change[1],
        high=change[2],
        confidence_level=CONFIDENCE_LEVEL,
        tolerance=capability.tolerance,
        required=capability.required,
        at_risk=loss.value > capability.tolerance,
        verdict=_verdict(loss, capability.tolerance),
    )


def _verdict(loss: LossForecast, tolerance: float) -> Literal["retained", "lost", "inconclusive"]:
    if loss.high <= tolerance:
        return "retained"
    return "lost" if loss.low > tolerance else "inconclusive"


def _highest_level(num_cases: int) -> float:
    """The highest level up to ours that this many calibration cases can give."""
    return min(CONFIDENCE_LEVEL, num_cases / (num_cases + 1))
