"""Forecasters that were fitted to the shipped calibration beforehand, so that no run fits them again."""

import functools
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from typing import Literal

from pydantic import Field

from ...results import Document, Value
from ._calibration import ForecastCalibration
from ._drift import DriftModel
from ._forecaster import DriftForecaster, Forecaster, fit_forecaster

FILE = "forecaster_fits.json"


class FittedForecaster(Value):
    """The fit for capabilities, or for the run's own task."""

    models: Mapping[str, DriftModel]
    """By metric."""
    correlation: float


class FittedForecasters(Document):
    """Every fit to one calibration."""

    schema_: Literal["driftline/forecaster-fits/2"] = Field(
        default="driftline/forecaster-fits/2", alias="schema"
    )
    calibration_digest: str
    capabilities: FittedForecaster
    target: FittedForecaster


def fit_all(calibration: ForecastCalibration) -> FittedForecasters:
    """Fit Driftline's own method to a calibration.

    Cost: some seconds.

    Args:
        calibration: The finished runs.

    Returns:
        The fits.
    """
    result = {}
    for name in ("capabilities", "target"):
        fitted = fit_forecaster(calibration.runs, calibration, target=name == "target")
        assert isinstance(fitted, DriftForecaster)
        result[name] = FittedForecaster(models=fitted.models, correlation=fitted.correlation)
    return FittedForecasters(calibration_digest=calibration.digest, **result)


def shipped_forecaster(calibration: ForecastCalibration, *, target: bool) -> DriftForecaster | None:
    """Take a forecaster from the shipped fits.

    Args:
        calibration: What the forecast is to rest on.
        target: For the run's own task.

    Returns:
        The forecaster; None where this calibration was not fitted beforehand.
    """
    shipped = _shipped()
    if calibration.digest != shipped.calibration_digest:
        return None
    fit = shipped.target if target else shipped.capabilities
    return DriftForecaster(fit.models, calibration.collapse_bound, fit.correlation, calibration)


def widened_by_shipped(
    fitted: Forecaster, calibration: ForecastCalibration, *, target: bool
) -> Forecaster:
    """Widen what a fit says of runs unlike its own, where its runs are of one model and cannot tell.

    Args:
        fitted: To the calibration.
        calibration: The finished runs.
        target: It is for the run's own task.

    Returns:
        The forecaster; where no model could be left out, its spreads for other models and for other
        configs are larger by the factor that the shipped fit has for other models, the largest of its
        metrics where it lacks the metric.
    """
    if not isinstance(fitted, DriftForecaster):
        return fitted
    shipped = _shipped().target if target else _shipped().capabilities
    factors = {name: model.unseen_spread / model.spread for name, model in shipped.models.items()}
    models = {}
    for metric, model in fitted.models.items():
        models[metric] = model
        if len(_models_measured(calibration, metric, target=target)) > 1:
            continue
        least = model.spread * factors.get(metric, max(factors.values()))
        models[metric] = model.model_copy(
            update={
                "unseen_spread": max(model.unseen_spread, least),
                "config_spread": max(model.config_spread, least),
            }
        )
    return replace(fitted, models=models)


def _models_measured(calibration: ForecastCalibration, metric: str, *, target: bool) -> set[str]:
    """List the models of the runs in a metric, those that are held aside too."""
    return {
        run.probe.model_digest
        for run in calibration.runs
        if any(
            each.metric == metric
            for each in ((run.probe.target,) if target else run.probe.capabilities)
        )
    }


@functools.cache
def _shipped() -> FittedForecasters:
    text = files("driftline.analyses.forecasting").joinpath(FILE).read_text(encoding="utf-8")
    return FittedForecasters.from_json(text, origin=FILE)
