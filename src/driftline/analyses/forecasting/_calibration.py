"""The calibration of a forecast: a table of finished runs and their probes' readings."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field

from ...errors import DataError, RunError
from ...metrics import METRICS
from ...parsing import read_text
from ...provenance import digest_bytes
from ...results import Document, ProbeReading, Value

FEWEST_RUNS = 4
"""Fewest runs to fit to in a metric: each is left out once, and three must remain."""


class FinishedRun(Value):
    """A run that was probed, and then trained to its end."""

    run: str
    task: str
    """Runs on the same data share it; they are left out together where errors are judged."""
    probe: ProbeReading
    final_losses: dict[str, float]
    """The loss of each capability at the end; `target` is the run's own task."""
    held_aside: bool = False
    """Nothing is fitted to it: its errors only widen the spread for models that no fitted run is of."""


class ForecastCalibration(Document):
    """The finished runs that forecasts are fitted to, in full, so that a reader can refit and judge."""

    schema_: Literal["driftline/forecast-calibration/2"] = Field(alias="schema")
    runs: tuple[FinishedRun, ...] = Field(min_length=1)
    collapse_bound: float = Field(gt=0)
    """Losses are clipped here, in nats: beyond it a capability is gone, and how far
    beyond says nothing."""

    @property
    def digest(self) -> str:
        """The digest of the whole calibration."""
        return digest_bytes(self.to_json().encode())

    @property
    def models(self) -> dict[str, str]:
        """The models behind the runs, by digest."""
        return {run.probe.model_digest: run.probe.model for run in self.runs}

    def fitted_in(self, metric: str | None) -> "ForecastCalibration":
        """Cut the calibration down to the runs that a forecast in one metric is fitted to.

        Args:
            metric: Of a capability; None for the run's own task.

        Returns:
            The calibration of these runs; of all that are not held aside where none is of the metric.
        """
        fitted = [run for run in self.runs if not run.held_aside]
        measured = {c.metric for run in fitted for c in run.probe.capabilities}
        like = None if metric is None else metric_like(metric, measured)
        own = [r for r in fitted if any(c.metric == like for c in r.probe.capabilities)]
        return self.model_copy(update={"runs": tuple(own or fitted)})

    def learning_rate_range(self, *, adapter: bool) -> tuple[float, float]:
        """Find the range of learning rates of the runs that train an adapter, or of those that do not.

        Args:
            adapter: Take the runs that train an adapter; else those that train the weights themselves.

        Returns:
            The lowest and the highest rate; those of all runs where there are none of the kind.
        """
        own = [r.probe.learning_rate for r in self.runs if r.probe.adapter == adapter]
        rates = own or [r.probe.learning_rate for r in self.runs]
        return min(rates), max(rates)

    @property
    def step_range(self) -> tuple[int, int]:
        """Fewest and most steps of a run."""
        steps = [run.probe.num_steps for run in self.runs]
        return min(steps), max(steps)

    def is_outside(self, probe: ProbeReading) -> bool:
        """Tell whether a run lies outside of what was calibrated on.

        Args:
            probe: The run, as its probe saw it.

        Returns:
            True for another model, or a learning rate or a number of steps beyond those of the runs.
        """
        low, high = self.learning_rate_range(adapter=probe.adapter)
        fewest, most = self.step_range
        return (
            probe.model_digest not in self.models
            or not low <= probe.learning_rate <= high
            or not fewest <= probe.num_steps <= most
        )


def metric_like(metric: str, fitted: Iterable[str]) -> str | None:
    """Name the metric of finished runs that stands for one.

    Args:
        metric: Of a capability.
        fitted: Metrics of the finished runs.

    Returns:
        The metric itself, or the one that its forecasts are like; None where there is neither.
    """
    known = METRICS.get(metric)
    like = None if known is None else known.forecast_like
    names = set(fitted)
    return metric if metric in names else like if like in names else None


def fitted_metric(metric: str, fitted: Iterable[str]) -> str:
    """Name the metric of finished runs that stands for one.

    Args:
        metric: Of a capability.
        fitted: Metrics of the finished runs.

    Returns:
        As `metric_like`.

    Raises:
        RunError: There is none.
    """
    names = sorted(fitted)
    found = metric_like(metric, names)
    if found is None:
        raise RunError(
            f"no {FEWEST_RUNS} finished runs were measured in {metric}, nor in a metric like it; there are "
            f"those in {', '.join(names)}"
        )
    return found


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
    """Read the calibration that comes with Driftline."""
    file = files("driftline.analyses.forecasting").joinpath("forecast_calibration.json")
    return ForecastCalibration.from_json(
        file.read_text(encoding="utf-8"), origin="forecast_calibration.json"
    )
