"""Forecasters that were fitted to the shipped calibration beforehand, so that no run fits them again.

A file holds what a fit finds: the scales of the kernel, and of the interval. What is left to do is
one factorisation.
"""

import functools
from collections.abc import Sequence
from importlib.resources import files
from typing import Literal

from pydantic import Field

from ...results import Document, Value
from ...stats import GaussianProcess, Kernel, fit_gaussian_process
from ._calibration import FinishedRun, ForecastCalibration
from ._forecaster import PROBES, Forecaster, Probe, cases_of, fit_forecaster, inputs_and_start

FILE = "forecaster_fits.json"


class FittedForecaster(Value):
    """What one fit found."""

    model_digest: str | None
    """Of the base that the runs are of; None for a base that no run is of."""
    probe: Probe
    target: bool
    """For the run's own task, instead of the capabilities."""
    kernel: tuple[float, float, float] | None
    """None where nothing that was learnt made errors smaller."""
    floor: float
    share: float
    quantile: float
    usual_deviation: float
    confidence_level: float
    on_other_models: bool


class FittedForecasters(Document):
    """Every fit to one calibration that a forecast asks for."""

    schema_: Literal["driftline/forecaster-fits/1"] = Field(
        default="driftline/forecaster-fits/1", alias="schema"
    )
    calibration_digest: str
    fits: tuple[FittedForecaster, ...]


def fit_all(calibration: ForecastCalibration) -> FittedForecasters:
    """Fit every forecaster that a forecast by our own method may ask for.

    Cost: some seconds each.

    Args:
        calibration: The finished runs.

    Returns:
        The fits: of each model with runs enough, and of a model that is not among them.
    """
    fits = []
    for probe, looks in PROBES.items():
        for digest in (*calibration.models, None):
            chosen = calibration.runs_for(digest or "", looks)
            if chosen.unseen_model != (digest is None) or not chosen.runs:
                continue
            for target in (False, True):
                found = fit_forecaster(
                    chosen.runs,
                    calibration,
                    probe=probe,
                    target=target,
                    unseen_model=chosen.unseen_model,
                )
                fits.append(_to_value(found, digest, probe, target=target))
    return FittedForecasters(calibration_digest=calibration.digest, fits=tuple(fits))


def shipped_forecaster(
    calibration: ForecastCalibration,
    runs: Sequence[FinishedRun],
    *,
    model_digest: str | None,
    probe: Probe,
    target: bool,
) -> Forecaster | None:
    """Take a forecaster from the shipped fits.

    Cost: one factorisation, with a row for each capability of each finished run.

    Args:
        calibration: What the forecast is to rest on.
        runs: Of it, those to fit to.
        model_digest: Of their base; None where the base to forecast is not among them.
        probe: What the probe cost.
        target: For the run's own task.

    Returns:
        The forecaster; None where this calibration, or this case of it, was not fitted beforehand.
    """
    shipped = _shipped()
    if calibration.digest != shipped.calibration_digest:
        return None
    wanted = (model_digest, probe, target)
    fit = next((f for f in shipped.fits if (f.model_digest, f.probe, f.target) == wanted), None)
    if fit is None:
        return None
    inputs, start = inputs_and_start("driftline", probe)
    bound = calibration.collapse_bound
    cases = cases_of(runs, inputs, start, bound=bound, target=target)
    fitted = None
    if fit.kernel is not None:
        fitted = fit_gaussian_process(
            cases.inputs, cases.losses - cases.starts, kernel=Kernel(*fit.kernel)
        )
    return Forecaster(
        inputs,
        start,
        bound,
        fitted,
        fit.floor,
        fit.share,
        fit.quantile,
        fit.usual_deviation,
        fit.confidence_level,
        fit.on_other_models,
    )


def _to_value(
    found: Forecaster, digest: str | None, probe: Probe, *, target: bool
) -> FittedForecaster:
    kernel = found.fitted.kernel if isinstance(found.fitted, GaussianProcess) else None
    return FittedForecaster(
        model_digest=digest,
        probe=probe,
        target=target,
        kernel=None if kernel is None else tuple(kernel),
        floor=found.floor,
        share=found.share,
        quantile=found.quantile,
        usual_deviation=found.usual_deviation,
        confidence_level=found.confidence_level,
        on_other_models=found.on_other_models,
    )


@functools.cache
def _shipped() -> FittedForecasters:
    text = files("driftline.analyses.forecasting").joinpath(FILE).read_text(encoding="utf-8")
    return FittedForecasters.from_json(text, origin=FILE)
