"""Forecast of a trial's end from its early look, and the rule that drops a trial by it."""

from collections.abc import Sequence

from ...engine import Engine, Table
from ...models import Trajectory
from ...results import Look, TrialForecast
from ..forecasting import (
    DROPPED_FROM,
    PredictedLoss,
    dropped_by,
    early_step,
    fit_to,
    forecast_losses,
    probability_broken,
    read_looks,
    shipped_calibration,
)
from ..probing import Effort, Study
from ._protocol_looks import PlanRuler

_LOOK: Look = "early_20"


def forecast_trial(
    engine: Engine, ruler: PlanRuler, trajectory: Trajectory, table: Table, *, seed: int
) -> tuple[TrialForecast, ...]:
    """Forecast the losses at the end of a run from its look at a fifth of the steps.

    Args:
        engine: Scores points.
        ruler: The items that choose.
        trajectory: Run of the trial, trained up to its look at least.
        table: Scores of the base and of the look.
        seed: Random seed.

    Returns:
        One forecast a capability that holds a trial back; none where the look is later, since nothing had
        moved by then, or where nothing does.
    """
    step = early_step(_LOOK, trajectory.plan.num_steps)
    if step not in trajectory.kept_steps[:-1]:
        return ()
    capabilities = ruler.deciding
    if not capabilities:
        return ()
    study = Study(engine, capabilities, ruler.target, trajectory, Effort(), seed)
    reading = read_looks(study, table, (_LOOK,))
    forecaster = fit_to(shipped_calibration(), method="driftline", probe="0.2")
    predicted = forecast_losses(forecaster, reading)
    return tuple(
        TrialForecast(
            capability=c.name,
            unit=c.unit,
            tolerance=c.tolerance,
            loss=predicted[c.name].value,
            low=predicted[c.name].low,
            high=predicted[c.name].high,
            confidence_level=predicted[c.name].confidence_level,
            probability_lost=predicted[c.name].exceeds(c.tolerance),
        )
        for c in capabilities
    )


def reason_to_drop(forecasts: Sequence[TrialForecast], *, scale: float, other: int) -> str | None:
    """Return why a trial is dropped: even scaled down it is forecast to break a tolerance.

    The rule is that of a comparison of configs. It takes a loss to fall at least as fast as the scale of the
    update.

    Args:
        forecasts: Of the capabilities that hold it back.
        scale: The smallest scale at which its update will be scored.
        other: Number of a finished trial within the tolerances; where all break one, none is dropped.

    Returns:
        The reason; None if it stays.
    """
    if not forecasts:
        return None
    losses = [_scaled(each, scale) for each in forecasts]
    chance = max(probability_broken(each) for each in losses)
    if "own" not in dropped_by({"own": chance, "other": 0.0}):
        return None
    worst = max(forecasts, key=lambda each: probability_broken(_scaled(each, scale)))
    return (
        f"forecast to break the tolerance of {worst.capability} even at {scale:g} of its update "
        f"(probability {DROPPED_FROM:.0%} or more), while trial {other} keeps every tolerance"
    )


def _scaled(forecast: TrialForecast, scale: float) -> PredictedLoss:
    unit = scale / forecast.tolerance
    return PredictedLoss(
        forecast.loss * unit, forecast.low * unit, forecast.high * unit, forecast.confidence_level
    )
