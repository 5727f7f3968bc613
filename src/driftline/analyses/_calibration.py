"""The shipped calibration of the forecast: what it was fitted on, and how wrong it was there."""

from importlib.resources import files
from typing import Literal

from pydantic import Field

from ..results import Document


class ForecastCalibration(Document):
    """How a loss seen by the probe grows to the end of the run, and how far off that may be."""

    schema_: Literal["driftline/forecast-calibration/1"] = Field(alias="schema")
    model: str
    model_digest: str
    num_runs: int
    num_cells: int
    """Capability x run pairs that it was fitted on."""
    growth_exponent: float
    """loss(end) = loss(probe) * (summed learning rate(end) / summed learning rate(probe)) ** this."""
    floor_nats: float
    """Errors are taken relative to |prediction| + floor, so that small losses keep an interval."""
    relative_errors: tuple[float, ...]
    """|actual - predicted| / (|predicted| + floor), leave-one-run-out, ascending."""
    target_growth_exponent: float
    target_relative_errors: tuple[float, ...]
    learning_rate_range: tuple[float, float]
    """Of the runs that it was fitted on."""


def shipped_calibration() -> ForecastCalibration:
    """The calibration that comes with Driftline."""
    file = files("driftline.analyses").joinpath("forecast_calibration.json")
    return ForecastCalibration.from_json(
        file.read_text(encoding="utf-8"), origin="forecast_calibration.json"
    )
