"""The finished runs of this benchmark, as a calibration."""

from driftline.analyses import ForecastCalibration

from .grid import COLLAPSE_NATS
from .table import read_runs

MODELS = ("smollm2-135m", "stories15m", "minimind2-small")


def calibration(models: tuple[str, ...] = MODELS) -> ForecastCalibration:
    """Put the benchmark's runs of some models together.

    Args:
        models: Folders under `runs/`.

    Returns:
        The table that forecasts are fitted to.
    """
    return ForecastCalibration(
        schema_="driftline/forecast-calibration/2",
        runs=tuple(run.finished for model in models for run in read_runs(model)),
        collapse_bound=COLLAPSE_NATS,
    )
