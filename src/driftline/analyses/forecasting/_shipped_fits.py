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
from ._forecaster import DriftForecaster, Forecaster, fit_forecaster, kind

FILE = "forecaster_fits.json"


class FittedForecaster(Value):
    """The fit for capabilities, or for the run's own task."""

    models: Mapping[str, DriftModel]
    """By kind of capability, for runs of any model."""
    own: Mapping[str, Mapping[str, DriftModel]]
    """By kind and by the digest of a model, for its runs."""
    correlation: float


class FittedForecasters(Document):
    """Every fit to one calibration."""

    schema_: Literal["driftline/forecaster-fits/3"] = Field(
        default="driftline/forecaster-fits/3", alias="schema"
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
        result[name] = FittedForecaster(
            models=fitted.models, own=fitted.own, correlation=fitted.correlation
        )
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
    return DriftForecaster(
        fit.models, fit.own, calibration.collapse_bound, fit.correlation, calibration
    )


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
    narrow = {
        name: factors.get(name, max(factors.values()))
        for name in fitted.models
        if len(_models_measured(calibration, name, target=target)) <= 1
    }

    def widened(name: str, model: DriftModel) -> DriftModel:
        least = model.spread * narrow.get(name, 1.0)
        return model.model_copy(
            update={
                "unseen_spread": max(model.unseen_spread, least),
                "config_spread": max(model.config_spread, least),
            }
        )

    own = {
        name: {digest: widened(name, model) for digest, model in models.items()}
        for name, models in fitted.own.items()
    }
    models = {name: widened(name, model) for name, model in fitted.models.items()}
    return replace(fitted, models=models, own=own)


def _models_measured(calibration: ForecastCalibration, name: str, *, target: bool) -> set[str]:
    """List the models of the runs in a kind of capability, those that are held aside too."""
    return {
        run.probe.model_digest
        for run in calibration.runs
        if any(
            kind(each.metric, is_shown=each.is_shown) == name
            for each in ((run.probe.target,) if target else run.probe.capabilities)
        )
    }


@functools.cache
def _shipped() -> FittedForecasters:
    text = files("driftline.analyses.forecasting").joinpath(FILE).read_text(encoding="utf-8")
    return FittedForecasters.from_json(text, origin=FILE)
