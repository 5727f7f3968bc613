"""The forecast: what the planned run will do to each capability, from a probe of it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from ...capabilities import Capability
from ...choices import Method, Probe
from ...engine import Table
from ...models import BASE, Point, Term
from ...results import CapabilityForecast, CapabilityReading, Look, ProbeReading, TargetForecast
from ...verdicts import LossVerdict
from ..probing import Study, base_standard_error, item_mean_error, losses_at
from ._baselines import Case
from ._calibration import ForecastCalibration
from ._forecaster import Forecaster, fit_forecaster
from ._looks import early_step, last_look
from ._loss_forecast import LossForecast
from ._shipped_fits import shipped_forecaster, widened_by_shipped

EARLIEST_SAFE = 0.2
"""Share of the run's summed learning rate. Before it, a third of what was called retained in the benchmark was
lost in the end (`evidence/realistic/forecast.json`), so nothing is called safe or retained."""


def read_probe(
    study: Study, table: Table, looks: Sequence[Look], *, straight_line: bool = False
) -> ProbeReading:
    """Read what the probe saw, as a forecast takes it."""
    reading = read_looks(study, table, looks)
    result: dict[str, Any] = {"update_norm": study.update_norm}
    if straight_line:
        result |= _along_straight_line(study, reading, looks[-1])
    return reading.model_copy(update=result)


def _along_straight_line(study: Study, reading: ProbeReading, look: Look) -> dict[str, Any]:
    """Score the line through the last look, at the summed learning rate of the whole run."""
    last = early_step(look, study.trajectory.plan.num_steps)
    ratio = 1 / reading.clock[look]
    line = Point("straight line", (Term(study.trajectory.direction(last), ratio),))
    watched = (*study.capabilities, study.target)
    table = study.engine.evaluate((BASE, line), watched)
    losses = {c.name: float(_losses(table, c, line).mean()) for c in watched}

    def told(each: CapabilityReading) -> CapabilityReading:
        return each.model_copy(update={"straight_line": losses[each.capability]})

    return {"target": told(reading.target), "capabilities": tuple(map(told, reading.capabilities))}


def read_looks(study: Study, table: Table, looks: Sequence[Look]) -> ProbeReading:
    """Read some looks of a probe that may still be in training."""
    plan, opened = study.trajectory.plan, study.engine.opened
    points = _points(study, looks)
    total = plan.summed_learning_rate(plan.num_steps)
    clock = {
        look: plan.summed_learning_rate(early_step(look, plan.num_steps)) / total for look in looks
    }

    def reading(capability: Capability) -> CapabilityReading:
        losses = {look: _losses(table, capability, point) for look, point in points.items()}
        errors = {look: item_mean_error(each, capability) for look, each in losses.items()}
        base = table.values(BASE, capability)
        return CapabilityReading(
            capability=capability.name,
            metric=capability.metric,
            base_value=float(base.mean()),
            losses={look: float(each.mean()) for look, each in losses.items()},
            base_standard_error=item_mean_error(base, capability),
            standard_errors={look: error for look, error in errors.items() if error is not None},
            num_items=len(capability.items),
            num_groups=len(set(capability.groups())),
            item_spreads={look: _item_spread(each) for look, each in losses.items()},
            is_shown=capability.name not in study.lacking,
        )

    return ProbeReading(
        model=Path(opened.source).name,
        model_digest=opened.digest,
        adapter=study.trajectory.config.uses_peft,
        learning_rate=max(plan.learning_rates),
        num_steps=plan.num_steps,
        clock=clock,
        target=reading(study.target),
        capabilities=tuple(reading(c) for c in study.capabilities),
    )


def _item_spread(losses: Float[ndarray, " items"]) -> float:
    """Compute how far single items moved; 0 for a single item."""
    return float(numpy.std(losses, ddof=1)) if len(losses) > 1 else 0.0


def _points(study: Study, looks: Sequence[Look]) -> dict[Look, Point | None]:
    """Find where each look is; None at the base, where nothing has moved yet."""
    by_step = dict(zip(study.trajectory.kept_steps, study.path_points(), strict=True))
    return {look: by_step.get(early_step(look, study.trajectory.plan.num_steps)) for look in looks}


def _losses(table: Table, capability: Capability, point: Point | None) -> Float[ndarray, " items"]:
    if point is None:
        return numpy.zeros(len(capability.items))
    losses: Float[ndarray, " items"] = losses_at(table, capability, [point])[0]
    return losses


def fit_to(
    calibration: ForecastCalibration, *, method: Method, probe: Probe, target: bool = False
) -> Forecaster:
    """Fit a method to finished runs, or take the fit that ships."""
    if method == "driftline":
        shipped = shipped_forecaster(calibration, target=target)
        if shipped is not None:
            return shipped
    fitted = fit_forecaster(
        calibration.runs, calibration, method=method, probe=probe, target=target
    )
    return widened_by_shipped(fitted, calibration, target=target)


def forecast_losses(
    forecaster: Forecaster, reading: ProbeReading, *, share: float = 1.0
) -> dict[str, LossForecast]:
    """Predict the loss of each capability, by name.

    Args:
        forecaster: Fitted.
        reading: The probe's.
        share: Of the run's summed learning rate, where the losses are wanted; 1 is the end.

    Returns:
        Predictions.
    """
    return {
        c.capability: forecaster.predict(Case(reading, c), share=share)
        for c in reading.capabilities
    }


def capability_forecasts(
    study: Study,
    table: Table,
    reading: ProbeReading,
    losses: Mapping[str, LossForecast],
    *,
    risk: float,
    unsafe_risk: float | None = None,
    share: float = 1.0,
) -> tuple[CapabilityForecast, ...]:
    """Put the forecasts of capabilities into rows, the most likely lost first.

    What the base is not shown to have comes last: it is neither at risk nor lost nor retained.

    Args:
        study: The planned run.
        table: Capabilities at the base.
        losses: Predictions for the end of the run.
        risk: Accepted chance that a capability called retained is lost.
        unsafe_risk: Accepted chance that one called lost is retained; None for the same.
        share: Of the run's summed learning rate that the probe has covered.
    """
    unsafe_risk = risk if unsafe_risk is None else unsafe_risk
    readings = {each.capability: each for each in reading.capabilities}
    rows = [
        _row(
            capability,
            table,
            readings[capability.name],
            losses[capability.name],
            _Limits(
                risk,
                unsafe_risk,
                unsafe_risk / max(1, len(study.deciding)),
                is_early=share < EARLIEST_SAFE,
            ),
            is_shown=capability.name not in study.lacking,
        )
        for capability in study.capabilities
    ]
    by_risk = {c.name: losses[c.name].value / c.tolerance for c in study.capabilities}
    return tuple(
        sorted(
            rows,
            key=lambda row: (
                row.verdict == "not_shown",
                -(row.probability_lost or 0.0),
                -by_risk[row.capability],
            ),
        )
    )


def target_forecast(study: Study, forecaster: Forecaster, reading: ProbeReading) -> TargetForecast:
    """Forecast what the run will do to its own task."""
    target = study.target
    predicted = forecaster.predict(Case(reading, reading.target))
    return TargetForecast(
        metric=target.metric,
        unit=target.unit,
        base_value=reading.target.base_value,
        predicted_change=predicted.value,
        low=predicted.low,
        high=predicted.high,
        confidence_level=predicted.confidence_level,
        num_items=len(target.items),
        num_groups=len(set(target.groups())),
        base_standard_error=reading.target.base_standard_error,
    )


_STAYS = 0.65
"""Probability of the loss at the end above which a measured one counts."""


class _Limits(NamedTuple):
    """Limits by which a capability is judged."""

    risk: float
    unsafe_risk: float
    level: float
    """Chance that a loss counts as measured where there is none beyond the tolerance."""
    is_early: bool
    """Too little of the run was seen to call anything retained."""


def _row(
    capability: Capability,
    table: Table,
    reading: CapabilityReading,
    loss: LossForecast,
    limits: _Limits,
    *,
    is_shown: bool,
) -> CapabilityForecast:
    sign = -1.0 if capability.higher_is_better else 1.0
    ends = sorted((sign * loss.low, sign * loss.high))
    look = last_look(reading.losses)
    measured = reading.losses[look]
    error = (reading.standard_errors or {}).get(look)
    lost = loss.exceeds(capability.tolerance)
    is_lost = error is not None and is_measured_lost(
        measured,
        error,
        capability.tolerance,
        level=limits.level,
        num_groups=reading.num_groups or reading.num_items,
    )
    verdict = capability_verdict(
        lost, limits.risk, measured_lost=is_lost, unsafe_risk=limits.unsafe_risk
    )
    if limits.is_early and verdict == "retained":
        verdict = "inconclusive"
    return CapabilityForecast(
        capability=capability.name,
        metric=capability.metric,
        unit=capability.unit,
        base_value=float(table.values(BASE, capability).mean()),
        base_standard_error=base_standard_error(table, capability),
        predicted_change=sign * loss.value + 0.0,  # no -0.0
        low=ends[0],
        high=ends[1],
        confidence_level=loss.confidence_level,
        tolerance=capability.tolerance,
        required=capability.required,
        at_risk=is_shown and loss.value > capability.tolerance,
        verdict=verdict if is_shown else "not_shown",
        probability_lost=lost,
        measured_change=sign * measured,
        measured_standard_error=error,
        is_measured_lost=is_shown and is_lost,
        novelty=loss.novelty,
    )


def is_measured_lost(
    loss: float,
    standard_error: float,
    tolerance: float,
    *,
    level: float,
    num_groups: int | None = None,
) -> bool:
    """Tell whether a measured loss is beyond its tolerance, by a t test of one side.

    Args:
        loss: Measured at the last look.
        standard_error: Of the loss, over groups of items.
        tolerance: Accepted loss.
        level: Chance that it counts where the loss on all such items is at the tolerance: the risk of the
            look, divided among the required capabilities.
        num_groups: Groups of items that the standard error rests on; None for many.

    Returns:
        Whether it is; never with fewer than two groups.
    """
    freedom = math.inf if num_groups is None else num_groups - 1
    if freedom < 1:
        return False
    return loss - float(scipy.stats.t.isf(level, freedom)) * standard_error > tolerance


def capability_verdict(
    probability: float, risk: float, *, measured_lost: bool, unsafe_risk: float | None = None
) -> LossVerdict:
    """Judge a capability by itself: a measured loss counts where it is likely to stay.

    Args:
        probability: That the run ends beyond the tolerance.
        risk: Accepted chance that what is called retained is lost.
        measured_lost: The loss was measured beyond the tolerance already.
        unsafe_risk: Accepted chance that what is called lost is retained; None for the same.

    Returns:
        The verdict.
    """
    least = 1 - (risk if unsafe_risk is None else unsafe_risk)
    if probability >= least or (measured_lost and probability > _STAYS):
        return "lost"
    return "retained" if probability <= risk else "inconclusive"
