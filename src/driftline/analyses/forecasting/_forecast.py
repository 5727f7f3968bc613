"""The forecast: what the planned run will do to each capability, from a probe of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy
from jaxtyping import Float
from numpy import ndarray

from ...capabilities import Capability
from ...engine import Table
from ...metrics import MetricName
from ...models import BASE, Point, Term
from ...results import CapabilityForecast, CapabilityReading, Look, ProbeReading, TargetForecast
from ...stats import log_odds, shifted_means, standard_error
from ..probing import Study, base_standard_error, losses_at
from ._calibration import ForecastCalibration
from ._forecaster import PROBES, Forecaster, LossForecast, Probe, fit_forecaster, start_looks
from ._rivals import EARLY_SHARES, Case, Method
from ._shipped_fits import shipped_forecaster

LINK_STRETCH = 1.3
"""Intervals of margins are so much wider where they are taken to probabilities: items do not move
alike. With it 90 % of cells on tasks left out were covered, 83 % without (`evidence/forgetting/link.py`)."""


def early_step(look: Look, num_steps: int) -> int:
    """The optimiser step of an early look.

    Args:
        look: One of `EARLY_SHARES`.
        num_steps: Of the planned run.

    Returns:
        At least 1.
    """
    return max(1, round(EARLY_SHARES[look] * num_steps))


def early_looks(probe: Probe) -> tuple[Look, ...]:
    """The looks of a probe that lie on the planned run itself."""
    return tuple(look for look in PROBES[probe] if look in EARLY_SHARES)


def read_probe(study: Study, table: Table, probe: Probe, *, straight_line: bool) -> ProbeReading:
    """What the probe saw, as a forecast takes it.

    Args:
        study: The planned run.
        table: Capabilities and target at the base and along the probe.
        probe: Which looks there are.
        straight_line: Look along the straight line too; one more evaluation.

    Returns:
        The reading.
    """
    plan, opened = study.trajectory.plan, study.engine.opened
    early = early_looks(probe)
    points = _points(study, probe)
    total = plan.summed_learning_rate(plan.num_steps)
    clock = {
        look: plan.summed_learning_rate(early_step(look, plan.num_steps)) / total for look in early
    }
    line = None
    if straight_line and early:
        last = early_step(early[-1], plan.num_steps)
        ratio = 1 / clock[early[-1]]
        line = Point("straight line", (Term(study.trajectory.direction(last), ratio),))
        found = study.engine.evaluate((BASE, line), (*study.capabilities, study.target))
        table = Table({**table.rows, **found.rows})

    def reading(capability: Capability) -> CapabilityReading:
        metric, groups = forecast_metric(capability), capability.groups()
        losses = {look: _losses(table, capability, point) for look, point in points.items()}
        errors = {look: standard_error(each, groups=groups) for look, each in losses.items()}
        base = table.values(BASE, capability, metric)
        return CapabilityReading(
            capability=capability.name,
            metric=metric,
            base_value=float(base.mean()),
            losses={look: float(each.mean()) for look, each in losses.items()},
            base_standard_error=standard_error(base, groups=groups),
            standard_errors={look: error for look, error in errors.items() if error is not None},
            straight_line=None if line is None else float(_losses(table, capability, line).mean()),
        )

    return ProbeReading(
        model=Path(opened.source).name,
        model_digest=opened.digest,
        adapter=study.trajectory.config.uses_peft,
        learning_rate=max(plan.learning_rates),
        num_steps=plan.num_steps,
        clock=clock,
        update_norm=study.update_norm if early else None,
        target=reading(study.target),
        capabilities=tuple(reading(c) for c in study.capabilities),
    )


def _points(study: Study, probe: Probe) -> dict[Look, Point | None]:
    """Where each look of a probe is; None at the base, where nothing has moved yet."""
    by_step = dict(zip(study.trajectory.kept_steps, study.path_points(), strict=True))
    points: dict[Look, Point | None] = {
        look: by_step.get(early_step(look, study.trajectory.plan.num_steps))
        for look in early_looks(probe)
    }
    if study.replica is not None:
        points["replica_10"] = study.replica_point()
    return points


def forecast_metric(capability: Capability) -> MetricName:
    """The metric in which a capability is forecast: margins, where probabilities are decided on."""
    return capability.measure.forecast_from or capability.metric


def _losses(table: Table, capability: Capability, point: Point | None) -> Float[ndarray, " items"]:
    if point is None:
        return numpy.zeros(len(capability.items))
    losses: Float[ndarray, " items"] = losses_at(
        table, capability, [point], forecast_metric(capability)
    )[0]
    return losses


def in_own_metric(
    study: Study, table: Table, probe: Probe, losses: dict[str, LossForecast]
) -> dict[str, LossForecast]:
    """Turn losses of margins into losses of probability, where a capability is decided in it.

    From what the probe measured of each item on, the forecast moves the log-odds of all items alike:
    by the difference between the predicted loss of the mean margin and the measured one. The mean of
    the probabilities falls with it, so the ends of the interval are those of the margin's.

    Args:
        study: The planned run.
        table: Capabilities at the base and along the probe.
        probe: Where the probe looked.
        losses: Predicted, by name, each in the metric of its reading.

    Returns:
        The same by name, each in its capability's own unit.
    """
    points = _points(study, probe)
    starts = [points[look] or BASE for look in start_looks(PROBES[probe])]
    found = {}
    for capability in study.capabilities:
        loss, metric = losses[capability.name], forecast_metric(capability)
        if metric != capability.metric:
            loss = _linked(loss, table, capability, starts)
        found[capability.name] = loss
    return found


def _linked(
    loss: LossForecast, table: Table, capability: Capability, starts: Sequence[Point]
) -> LossForecast:
    odds = numpy.mean([log_odds(table.values(point, capability)) for point in starts], axis=0)
    margins = losses_at(table, capability, starts, forecast_metric(capability))
    below, above = loss.value - loss.low, loss.high - loss.value
    ends = loss.value + LINK_STRETCH * numpy.array([0.0, -below, above])
    means = shifted_means(odds, float(margins.mean()) - ends)
    value, low, high = (float(table.values(BASE, capability).mean()) - means).tolist()
    return LossForecast(value, low, high, loss.novelty)


def fit_to(
    calibration: ForecastCalibration,
    reading: ProbeReading,
    *,
    method: Method,
    probe: Probe,
    target: bool = False,
) -> Forecaster:
    """Fit a method to finished runs, for a planned run.

    Args:
        calibration: The finished runs.
        reading: The planned run.
        method: Ours, or a rival's name.
        probe: What the probe cost.
        target: For the run's own task.

    Returns:
        The forecaster; on a model that no finished run is of, its intervals are as wide as errors on
        models that were left out, where the finished runs are of several.
    """
    chosen = calibration.runs_for(reading.model_digest, PROBES[probe])
    if method == "driftline":
        shipped = shipped_forecaster(
            calibration,
            chosen.runs,
            model_digest=None if chosen.unseen_model else reading.model_digest,
            probe=probe,
            target=target,
        )
        if shipped is not None:
            return shipped
    return fit_forecaster(
        chosen.runs,
        calibration,
        method=method,
        probe=probe,
        target=target,
        unseen_model=chosen.unseen_model,
    )


def forecast_losses(forecaster: Forecaster, reading: ProbeReading) -> dict[str, LossForecast]:
    """The predicted loss of each capability at the end of the planned run, by name."""
    return {c.capability: forecaster.predict(Case(reading, c)) for c in reading.capabilities}


def capability_forecasts(
    study: Study, table: Table, losses: dict[str, LossForecast], *, confidence_level: float
) -> tuple[CapabilityForecast, ...]:
    """The forecast of each capability, worst relative to its tolerance first."""
    rows = [
        _row(capability, table, losses[capability.name], confidence_level)
        for capability in study.capabilities
    ]
    by_risk = {c.name: losses[c.name].value / c.tolerance for c in study.capabilities}
    return tuple(sorted(rows, key=lambda row: -by_risk[row.capability]))


def target_forecast(study: Study, forecaster: Forecaster, reading: ProbeReading) -> TargetForecast:
    """What the run will do to its own task."""
    target = study.target
    predicted = forecaster.predict(Case(reading, reading.target))
    return TargetForecast(
        metric=target.metric,
        unit=target.unit,
        base_value=reading.target.base_value,
        predicted_change=predicted.value,
        low=predicted.low,
        high=predicted.high,
        confidence_level=forecaster.confidence_level,
        num_items=len(target.items),
        num_groups=len(set(target.groups())),
        base_standard_error=reading.target.base_standard_error,
    )


def _row(
    capability: Capability, table: Table, loss: LossForecast, confidence_level: float
) -> CapabilityForecast:
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
        base_standard_error=base_standard_error(table, capability),
        predicted_change=change[0],
        low=change[1],
        high=change[2],
        confidence_level=confidence_level,
        tolerance=capability.tolerance,
        required=capability.required,
        at_risk=loss.value > capability.tolerance,
        verdict=_verdict(loss, capability.tolerance),
        novelty=loss.novelty,
    )


def _verdict(loss: LossForecast, tolerance: float) -> Literal["retained", "lost", "inconclusive"]:
    if loss.high <= tolerance:
        return "retained"
    return "lost" if loss.low > tolerance else "inconclusive"


def scored_looks(study: Study) -> Sequence[Point]:
    """All points that the probe of a study scores."""
    replica = () if study.replica is None else (study.replica_point(),)
    return (*study.path_points(), *replica)
