"""Finished runs of the user's own, from what was forecast and what a certification then found."""

from collections.abc import Sequence

from ..errors import DataError
from ..results import Assessment, CapabilityClaim, Certification
from ._calibration import FinishedRun, ForecastCalibration
from ._forecaster import FEWEST_RUNS


def finished_run(name: str, forecast: Assessment, outcome: Certification) -> FinishedRun:
    """Put a forecast and what came of it together.

    Args:
        name: What to call the run in messages and in the calibration.
        forecast: Of `driftline forecast` or `assess`, made before the run.
        outcome: Of `driftline certify`, the run's base against its tuned model, on the same suites.

    Returns:
        The finished run; without its own task, which a certification does not score.

    Raises:
        DataError: They are not of one base or not of one suite, or the forecast is too old to hold
            what its probe saw.
    """
    if forecast.probe is None:
        raise DataError(f"{name}: the forecast does not hold what its probe saw; make it again")
    if forecast.provenance.model.digest != outcome.provenance.base_model.digest:
        raise DataError(
            f"{name}: the forecast is about {forecast.provenance.model.source} and the certification "
            f"about {outcome.provenance.base_model.source}, whose weights differ; give those of one run"
        )
    seen = {c.capability for c in forecast.probe.capabilities}
    claims = {c.capability: c for c in outcome.claims if c.capability in seen}
    digests = [{s.digest for s in each.provenance.suites} for each in (forecast, outcome)]
    if digests[0] != digests[1] or not claims:
        raise DataError(
            f"{name}: forecast and certification are not on the same suites; certify with the suites "
            "of the forecast"
        )
    data = forecast.provenance.data
    return FinishedRun(
        run=name,
        task=name if data is None else data.digest,
        probe=forecast.probe,
        final_losses={c: _loss(claim) for c, claim in claims.items()},
    )


def calibrate(
    own: Sequence[FinishedRun], shipped: ForecastCalibration | None, *, collapse_bound: float
) -> ForecastCalibration:
    """Put finished runs together to a calibration.

    Args:
        own: The user's runs.
        shipped: To add to; None for the user's runs alone.
        collapse_bound: Of the losses, in nats.

    Returns:
        The calibration.

    Raises:
        DataError: Two runs have one name, or there are too few to forecast from.
    """
    runs = (*(() if shipped is None else shipped.runs), *own)
    names = [run.run for run in runs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"the run {twice[0]} is there twice; give each once, under its own name")
    if len(runs) < FEWEST_RUNS:
        raise DataError(
            f"{len(runs)} finished runs are too few to forecast from; give at least {FEWEST_RUNS}, or "
            "add the shipped ones"
        )
    return ForecastCalibration(
        schema_="driftline/forecast-calibration/2", runs=runs, collapse_bound=collapse_bound
    )


def _loss(claim: CapabilityClaim) -> float:
    return -claim.change if claim.higher_is_better else claim.change
