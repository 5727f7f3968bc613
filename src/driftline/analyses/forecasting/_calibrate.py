"""Finished runs of the user's own, from what was forecast and what a certification then found."""

from collections.abc import Collection, Sequence

from ...errors import DataError
from ...metrics import METRICS
from ...results import Assessment, CapabilityClaim, CapabilityReading, Certification, ProbeReading
from ._calibration import FEWEST_RUNS, FinishedRun, ForecastCalibration


def finished_run(name: str, forecast: Assessment, outcome: Certification) -> FinishedRun:
    """Put a forecast and what came of it together.

    Args:
        name: What to call the run in messages and in the calibration.
        forecast: Of `driftline forecast` or `assess`, made before the run.
        outcome: Of `driftline certify`, the run's base against its tuned model, on the same suites.

    Returns:
        The finished run, without its own task, which a certification does not score.

    Raises:
        DataError: They are not of one base or not of one suite, or one of them is too old to hold
            what a calibration takes.
    """
    if forecast.probe is None:
        raise DataError(f"{name}: the forecast does not hold what its probe saw; make it again")
    if outcome.provenance.base_model is None:
        raise DataError(
            f"{name}: certification.json is about logs, so it does not say which weights were forecast; "
            "certify base against tuned model"
        )
    if forecast.provenance.model.digest != outcome.provenance.base_model.digest:
        raise DataError(
            f"{name}: the forecast is about {forecast.provenance.model.source} and the certification "
            f"about {outcome.provenance.base_model.source}, whose weights differ; give those of one run"
        )
    seen = {c.capability: c for c in forecast.probe.capabilities}
    claims = {c.capability: c for c in outcome.claims if c.capability in seen}
    digests = [{s.digest for s in each.provenance.suites} for each in (forecast, outcome)]
    if digests[0] != digests[1] or not claims:
        raise DataError(
            f"{name}: forecast and certification are not on the same suites; certify with the suites "
            "of the forecast"
        )
    losses = {
        capability: _loss(name, claim, seen[capability]) for capability, claim in claims.items()
    }
    data = forecast.provenance.data
    return FinishedRun(
        run=name,
        task=name if data is None else data.digest,
        probe=_with_what_is_shown(forecast.probe, forecast.not_shown),
        final_losses=losses,
    )


def _with_what_is_shown(probe: ProbeReading, lacking: Collection[str]) -> ProbeReading:
    """Say what the base is not shown to have; a reading of an earlier version does not."""
    capabilities = tuple(
        c.model_copy(update={"is_shown": c.is_shown and c.capability not in lacking})
        for c in probe.capabilities
    )
    return probe.model_copy(update={"capabilities": capabilities})


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
        raise DataError(f"the run {twice[0]} is given twice; give each once, under its own name")
    if len(runs) < FEWEST_RUNS:
        raise DataError(
            f"{len(runs)} finished runs are too few to forecast from; give at least {FEWEST_RUNS}, or "
            "add the shipped ones"
        )
    return ForecastCalibration(
        schema_="driftline/forecast-calibration/2", runs=runs, collapse_bound=collapse_bound
    )


def _loss(name: str, claim: CapabilityClaim, reading: CapabilityReading) -> float:
    """Take the loss at the end of a run in the metric of its probe's looks."""
    if reading.metric != claim.metric:
        raise DataError(
            f"{name}: {claim.capability} was forecast from {reading.metric} and certified in "
            f"{claim.metric}; the forecast is of an earlier version, make it again"
        )
    return -claim.change if METRICS[claim.metric].higher_is_better else claim.change
