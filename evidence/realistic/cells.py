"""Forecasts of runs that a fit has not seen, cell by cell: one capability of one run at one look."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy
import scipy.stats
from numpy import ndarray

from driftline.analyses import (
    Case,
    FinishedRun,
    Forecaster,
    LossForecast,
    fit_forecaster,
    seen_by,
)
from driftline.choices import Method, Probe
from driftline.results import Look

from .calibrate import calibration
from .finished import TARGET, capabilities_shown, final_errors, finished_run, is_whole
from .records import Record

LOOKS: dict[Probe, Look] = {
    "0.1": "early_10",
    "0.2": "early_20",
    "0.3": "early_30",
    "0.4": "early_40",
    "0.6": "early_60",
}
"""Share of the steps to the look that ends there."""


@dataclass(frozen=True)
class BenchmarkRun:
    """A record, as a finished run and with what only a judge may know."""

    finished: FinishedRun
    region: str
    config: str
    seed: int
    tolerances: dict[str, float]
    held: tuple[str, ...]
    """Capabilities with options that the base is shown to have."""
    final_errors: dict[str, float] = field(default_factory=dict)
    """Standard errors of the losses at the end."""

    @property
    def task(self) -> str:
        """The data."""
        return self.finished.task


@dataclass(frozen=True)
class Cell:
    """One capability of one run at one look, with its forecast."""

    run: BenchmarkRun
    capability: str
    metric: str
    forecast: LossForecast
    measured: float
    actual: float
    tolerance: float
    correlation: float
    share: float
    """Of the run's summed learning rate at the look."""

    @cached_property
    def probability(self) -> float:
        """That the end is beyond the tolerance, noise of items included, as a user sees it."""
        return self.forecast.exceeds(self.tolerance)

    @property
    def is_lost(self) -> bool:
        """Whether the end was beyond the tolerance, on the same items."""
        return self.actual > self.tolerance


def benchmark_runs(records: Sequence[Record], *, target: str = TARGET) -> list[BenchmarkRun]:
    """Turn records into runs to be judged; those that failed are left to the caller.

    Args:
        records: Of the benchmark.
        target: Which rows of the task are forecast.

    Returns:
        The runs that reached their end.
    """
    return [
        BenchmarkRun(
            finished_run(record, target=target),
            record.facts["region"],
            record.facts["config_name"],
            record.facts["seed"],
            {name: c["tolerance"] for name, c in record.facts["capabilities"].items()},
            capabilities_shown(record),
            final_errors(record),
        )
        for record in records
        if is_whole(record)
    ]


def held_out_cells(
    runs: Sequence[BenchmarkRun],
    group: Callable[[BenchmarkRun], str],
    *,
    methods: Sequence[Method] = ("driftline",),
    target: bool = False,
) -> Iterator[tuple[Method, Probe, Cell]]:
    """Forecast every run by a fit that has not seen its group, at every look.

    Runs of the toy regime are fitted to as in the product, those of the same group left out.

    Args:
        runs: To be judged.
        group: What is left out together: the task, or the region of configs.
        methods: Who forecasts.
        target: Forecast the task's own held-out rows instead of the capabilities.

    Yields:
        Method, share of the steps and cell.
    """
    every = calibration()
    mine = {run.finished.run: group(run) for run in runs}
    toy = toy_groups(group)
    for name in sorted(set(mine.values())):
        kept = [r for r in every.runs if (mine[r.run] if r.run in mine else toy(r)) != name]
        table = every.model_copy(update={"runs": tuple(kept)})
        # Ours is fitted to all looks together, so once.
        ours = fit_forecaster(kept, table, target=target)
        for method in methods:
            for probe, look in LOOKS.items():
                forecaster = (
                    ours
                    if method == "driftline"
                    else fit_forecaster(kept, table, method=method, probe=probe, target=target)
                )
                for run in (run for run in runs if group(run) == name):
                    for cell in cells_at(run, forecaster, look, target=target):
                        yield method, probe, cell


def toy_groups(group: Callable[[BenchmarkRun], str]) -> Callable[[FinishedRun], str]:
    """Name the group of a run of the toy regime, whose tasks and regions have the same names."""
    from ..forgetting.calibrate import MODELS
    from ..forgetting.table import read_runs

    regions = {r.finished.run: r.region for model in MODELS for r in read_runs(model)}

    def of(run: FinishedRun) -> str:
        name = run.run.removesuffix(" in probability")
        as_run = BenchmarkRun(run, regions[name], "", 0, {}, ())
        return group(as_run)

    return of


def cells_at(
    run: BenchmarkRun, forecaster: Forecaster, look: Look, *, target: bool = False
) -> Iterator[Cell]:
    """Forecast the capabilities of a run, or its target, from what it had shown at a look.

    Args:
        run: The run.
        forecaster: Fitted to others.
        look: The last one that is seen.
        target: Forecast the target; it has no tolerance, so nothing is lost.

    Yields:
        A cell a capability, or the one of the target.
    """
    looks = tuple(each for each in run.finished.probe.clock if _share(each) <= _share(look))
    probe = seen_by(run.finished.probe, looks)
    for reading in (probe.target,) if target else probe.capabilities:
        yield Cell(
            run,
            reading.capability,
            reading.metric,
            forecaster.predict(Case(probe, reading)),
            reading.losses[look],
            run.finished.final_losses[reading.capability],
            math.inf if target else run.tolerances[reading.capability],
            forecaster.correlation,
            probe.clock[look],
        )


def _share(look: Look) -> float:
    return float(look.rpartition("_")[2])


def r2(predicted: ndarray, actual: ndarray) -> float:
    """Compute 1 - squared error over squared deviation from the mean."""
    spread = float(((actual - actual.mean()) ** 2).sum())
    return 1 - float(((predicted - actual) ** 2).sum()) / spread


def spearman(predicted: ndarray, actual: ndarray) -> float:
    """Compute the rank correlation."""
    ranks = [scipy.stats.rankdata(each) for each in (predicted, actual)]
    return float(numpy.corrcoef(ranks)[0, 1])


def columns(cells: Sequence[Cell]) -> tuple[ndarray, ndarray]:
    """Lay out medians of forecasts, and what came."""
    return (
        numpy.array([cell.forecast.value for cell in cells]),
        numpy.array([cell.actual for cell in cells]),
    )
