"""The forecast of one planned run, the verdict by it, and when a probe has seen enough."""

from dataclasses import dataclass

from ...engine import Table
from ...results import CapabilityForecast, ForecastExplanation, Look, ProbeReading, TargetForecast
from ..forecasting import (
    FEWEST_RUNS,
    LOOK_SHARES,
    Case,
    Forecaster,
    LossForecast,
    capability_forecasts,
    early_step,
    fit_to,
    forecast_losses,
    read_looks,
    read_probe,
    target_forecast,
)
from ..probing import Study
from ._explanation import explain
from ._request import AssessmentRequest
from ._verdict import Judgement, held_rows, judge


@dataclass(frozen=True)
class Judged:
    """The forecast of the capabilities and the verdict by it."""

    reading: ProbeReading
    forecaster: Forecaster
    losses: dict[str, LossForecast]
    capabilities: tuple[CapabilityForecast, ...]
    held: tuple[CapabilityForecast, ...]
    """The required ones that the base is shown to have: by these the run is judged."""
    judgement: Judgement

    def at(self, capability: str, share: float) -> LossForecast:
        """Predict a capability's loss at a share of the run's summed learning rate."""
        readings = {each.capability: each for each in self.reading.capabilities}
        return self.forecaster.predict(Case(self.reading, readings[capability]), share=share)


@dataclass(frozen=True)
class ExplainedPrediction(Judged):
    """The same, with what explains it."""

    target: TargetForecast | None
    """None where too few finished runs say how they did on their own task."""
    explanation: ForecastExplanation | None


def judged(
    request: AssessmentRequest,
    study: Study,
    table: Table,
    reading: ProbeReading,
) -> Judged:
    forecaster = fit_to(request.calibration, method=request.method, probe=request.probe)
    losses, risk = forecast_losses(forecaster, reading), request.risk_of_safe_at_a_look
    unsafe_risk = request.risk_at_a_look if len(request.deciding_looks) > 1 else None
    # A look that has no part in the risk of *safe* may not say it, whatever the schedule.
    share = min(max(reading.clock.values()), max(LOOK_SHARES[look] for look in reading.clock))
    rows = capability_forecasts(
        study, table, reading, losses, risk=risk, unsafe_risk=unsafe_risk, share=share
    )
    judgement = judge(
        rows,
        losses,
        correlation=forecaster.correlation,
        risk=risk,
        unsafe_risk=unsafe_risk,
        share=share,
    )
    return Judged(reading, forecaster, losses, rows, held_rows(rows), judgement)


def predict(request: AssessmentRequest, study: Study, table: Table) -> ExplainedPrediction:
    looks = _looks(request, study, study.num_probe_steps)
    reading = read_probe(study, table, looks, straight_line=request.method == "straight_line")
    result = judged(request, study, table, reading)
    target = None
    if sum("target" in run.final_losses for run in request.calibration.runs) >= FEWEST_RUNS:
        fitted = fit_to(
            request.calibration, method=request.method, probe=request.probe, target=True
        )
        target = target_forecast(study, fitted, reading)
    shown = request.part in ("assess", "forecast")
    why = explain(study, table, result.capabilities, target) if shown else None
    return ExplainedPrediction(**vars(result), target=target, explanation=why)


def _looks(request: AssessmentRequest, study: Study, last: int) -> list[Look]:
    """List the looks up to a step that are scored, and those before which nothing has moved."""
    plan, kept = study.trajectory.plan, study.trajectory.kept_steps
    steps = {look: early_step(look, plan.num_steps) for look in request.looks}
    return [
        look
        for look, step in steps.items()
        if step <= last and (step in kept or plan.summed_learning_rate(step) <= 0)
    ]


def decision_tokens(request: AssessmentRequest, study: Study) -> float:
    """Count what is scored to decide on the way, for progress: every look asks for all before it too."""
    num_steps, kept = study.trajectory.plan.num_steps, study.trajectory.kept_steps
    ends = {early_step(look, num_steps) for look in request.deciding_looks[:-1]}
    num_points = sum(step <= end for end in ends for step in kept)
    return num_points * study.engine.num_tokens((*study.capabilities, study.target))


def is_decided(request: AssessmentRequest, study: Study, base: Table, step: int) -> bool:
    """Judge the run by what is trained of it, at a look that may end the probe."""
    looks = _looks(request, study, step)
    if looks[-1] not in request.deciding_looks:
        return False
    kept = study.trajectory.kept_steps
    points = [p for p, at in zip(study.path_points(), kept, strict=True) if at <= step]
    engine, watched = study.engine, (*study.capabilities, study.target)
    counted = engine.tokens_used
    scored = engine.evaluate(points, watched)
    # All of it is asked for once more when the probe has ended, and counts then.
    engine.tokens_used = counted
    table = Table({**base.rows, **scored.rows})
    reading = read_looks(study, table, looks)
    result = judged(request, study, table, reading)
    # Inconclusive for what the base lacks: a longer probe would not change it.
    return result.judgement.verdict != "at_risk"
