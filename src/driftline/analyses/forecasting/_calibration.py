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
from ...results import Document, Look, ProbeReading, Value

Novelty = Literal["config", "model", "both"]
"""Difference of a run from the finished ones: trained otherwise, another model, or both."""
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

    def with_looks(self, looks: tuple[Look, ...]) -> tuple[FinishedRun, ...]:
        """Select the runs whose probes have all these looks."""
        return tuple(r for r in self.runs if all(look in r.probe.target.losses for look in looks))

    def novelty(self, probe: ProbeReading) -> Novelty | None:
        """Tell how a run differs from those that were calibrated on.

        Args:
            probe: The run, as its probe saw it.

        Returns:
            `model` for one that fewer than four runs are of; `config` for an adapter where no run trains one or weights where none
            trains them, or a learning rate or a number of steps beyond those of the runs; `both`; None for neither.
        """
        own = sum(run.probe.model_digest == probe.model_digest for run in self.runs)
        distances = self.distances(
            adapter=probe.adapter, learning_rate=probe.learning_rate, num_steps=probe.num_steps
        )
        if own >= FEWEST_RUNS:
            return "config" if distances else None
        return "both" if distances else "model"

    def distances(self, *, adapter: bool, learning_rate: float, num_steps: int) -> tuple[str, ...]:
        """Say how far a run lies from those that were calibrated on, but for its model.

        Args:
            adapter: It trains an adapter, not the weights themselves.
            learning_rate: Its highest.
            num_steps: Planned.

        Returns:
            Parts of a sentence, one a way in which it is outside; none for a run like them.
        """
        result = []
        if not any(run.probe.adapter == adapter for run in self.runs):
            result.append(f"none of them trains {'an adapter' if adapter else 'all weights'}")
        kind = "adapters" if adapter else "full fine-tuning"
        low, high = self.learning_rate_range(adapter=adapter)
        if learning_rate > high:
            result.append(
                f"its learning rate, {learning_rate:g}, is {_times(learning_rate / high)} the highest of "
                f"theirs in {kind} ({high:g})"
            )
        elif learning_rate < low:
            result.append(
                f"the lowest learning rate of theirs in {kind} ({low:g}) is {_times(low / learning_rate)} "
                f"its own, {learning_rate:g}"
            )
        fewest, most = self.step_range
        if num_steps > most:
            result.append(
                f"its {num_steps} steps are {_times(num_steps / most)} those of their longest ({most})"
            )
        elif num_steps < fewest:
            result.append(
                f"the steps of their shortest ({fewest}) are {_times(fewest / num_steps)} its own {num_steps}"
            )
        return tuple(result)


def _times(ratio: float) -> str:
    """Say a ratio above 1 as a multiple."""
    shown = f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"
    return "just above 1 time" if shown == "1" else f"{shown} times"


def metric_like(metric: str, fitted: Iterable[str]) -> str | None:
    """Name the metric of finished runs that stands for one.

    Args:
        metric: Of a capability.

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

    Returns:
        As `metric_like`.

    Raises:
        RunError: There is none.
    """
    names = sorted(fitted)
    result = metric_like(metric, names)
    if result is None:
        raise RunError(
            f"no {FEWEST_RUNS} finished runs were measured in {metric}, nor in a metric like it; there are "
            f"those in {', '.join(names)}"
        )
    return result


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
