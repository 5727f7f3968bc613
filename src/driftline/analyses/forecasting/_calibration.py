"""What a forecast is calibrated on: a table of finished runs, as their probes saw them."""

from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from ...errors import DataError
from ...parsing import read_text
from ...provenance import digest_bytes
from ...results import Document, Look, ProbeReading, Value

ENOUGH_RUNS = 12
"""Of a model, to forecast from them alone."""


class FinishedRun(Value):
    """A run that was probed, and then trained to its end."""

    run: str
    task: str
    """Runs on the same data share it; they are left out together where errors are judged."""
    probe: ProbeReading
    final_losses: dict[str, float]
    """By capability; `target` is the run's own task."""


class RunsToFit(NamedTuple):
    """Finished runs that a forecast is fitted to."""

    runs: tuple[FinishedRun, ...]
    unseen_model: bool
    """They are not, or too few of them are, of the model that is forecast."""


class ForecastCalibration(Document):
    """The finished runs that forecasts are fitted to, whole: whoever has them can refit and judge."""

    schema_: Literal["driftline/forecast-calibration/2"] = Field(alias="schema")
    runs: tuple[FinishedRun, ...] = Field(min_length=1)
    collapse_bound: float = Field(gt=0)
    """Losses are clipped here, both ways, in nats: beyond it a capability is gone, and how far
    beyond says nothing."""

    @property
    def digest(self) -> str:
        """Of all that it holds."""
        return digest_bytes(self.to_json().encode())

    @property
    def models(self) -> dict[str, str]:
        """The models behind the runs, by digest."""
        return {run.probe.model_digest: run.probe.model for run in self.runs}

    def learning_rate_range(self, *, adapter: bool) -> tuple[float, float]:
        """Of the runs that train an adapter, or of those that train the weights themselves.

        Args:
            adapter: Which.

        Returns:
            The lowest and the highest; those of all runs where there are none of the kind.
        """
        own = [r.probe.learning_rate for r in self.runs if r.probe.adapter == adapter]
        rates = own or [r.probe.learning_rate for r in self.runs]
        return min(rates), max(rates)

    @property
    def step_range(self) -> tuple[int, int]:
        """Fewest and most steps of a run."""
        steps = [run.probe.num_steps for run in self.runs]
        return min(steps), max(steps)

    def with_looks(self, looks: tuple[Look, ...]) -> tuple[FinishedRun, ...]:
        """The runs whose probes have all these looks."""
        return tuple(r for r in self.runs if all(look in r.probe.target.losses for look in looks))

    def runs_for(self, model_digest: str, looks: tuple[Look, ...]) -> "RunsToFit":
        """What to fit to for a run of one model.

        Args:
            model_digest: Of its base.
            looks: Of its probe.

        Returns:
            The runs of that model, where there are enough; else those of all models.
        """
        every = self.with_looks(looks)
        own = tuple(run for run in every if run.probe.model_digest == model_digest)
        if len(own) >= ENOUGH_RUNS:
            return RunsToFit(own, unseen_model=False)
        return RunsToFit(every, unseen_model=True)


def read_calibration(path: Path) -> ForecastCalibration:
    """Read a calibration that `driftline calibrate` wrote.

    Args:
        path: The file.

    Returns:
        The calibration.

    Raises:
        DataError: There is no such file, or it is no calibration.
    """
    text = read_text(path, DataError)
    return ForecastCalibration.from_json(text, origin=str(path))


def shipped_calibration() -> ForecastCalibration:
    """The calibration that comes with Driftline."""
    file = files("driftline.analyses.forecasting").joinpath("forecast_calibration.json")
    return ForecastCalibration.from_json(
        file.read_text(encoding="utf-8"), origin="forecast_calibration.json"
    )
