"""Judge forecasts on runs of the benchmark that the fit has not seen.

    python -m evidence.realistic.judge           # writes forecast.json
    python -m evidence.realistic.judge --check   # exit code 1 if it would say something else

Every fit leaves out the task, respectively the region of configs, that it is judged on. What came is
measured on the same items as the forecast; how forecasts hold on other items is judged by halves of the
items. Probabilities and verdicts are those that a user is shown.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import scipy.stats

from driftline.analyses import LossForecast
from driftline.choices import Probe

from ..harness import agrees
from .cells import LOOKS, BenchmarkRun, Cell, benchmark_runs, columns, held_out_cells, r2
from .figures import (
    BANDS,
    RISK,
    decided_cells,
    decided_runs,
    figures,
    figures_without_texts,
    interval_by_tasks,
    rounded,
    target_figures,
    until_decided,
)
from .finished import TARGETS, read_records
from .unseen import models_left_out, toy_regime

RESULT = Path(__file__).parent / "forecast.json"
SPLITS: dict[str, Callable[[BenchmarkRun], str]] = {
    "task": lambda run: run.task,
    "region": lambda run: run.region,
}
_ERROR = 0.02
"""Of `--check`; other processors round otherwise."""


def main() -> None:
    """Write, or check, the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check, result = parser.parse_args().check, judge()
    if check:
        sys.exit(
            not agrees(json.loads(RESULT.read_text()), json.loads(json.dumps(result)), error=_ERROR)
        )
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def judge() -> dict[str, Any]:
    """Compute all figures.

    Returns:
        As `forecast.json` holds them.
    """
    records = read_records()
    runs = benchmark_runs(records)
    targets = {name: benchmark_runs(records, target=rows) for name, rows in TARGETS.items()}
    return {
        "num_runs": len(runs),
        "num_tasks": len({run.task for run in runs}),
        "models": dict(sorted(_count(run.finished.probe.model for run in runs).items())),
        "configs": dict(sorted(_count(run.config for run in runs).items())),
        "risk": RISK,
        "ceiling": _ceiling(runs),
        "held_out": {split: _by_split(runs, group) for split, group in SPLITS.items()},
        "target": {split: _targets(targets, group) for split, group in SPLITS.items()},
        "unseen_model": toy_regime(runs),
        "unseen_model_same_regime": models_left_out(runs),
    }


def _ceiling(runs: Sequence[BenchmarkRun]) -> dict[str, Any]:
    """Count what the finished run itself decides: its measured loss, with the noise of its items."""
    cells = [
        _finished_cell(run, reading.capability)
        for run in runs
        for reading in run.finished.probe.capabilities
        if reading.metric == "probability"
    ]
    probability = numpy.array([cell.probability for cell in cells])
    lost = numpy.array([cell.is_lost for cell in cells])
    return {
        "decided": decided_cells(probability, lost, RISK)["share"],
        "runs": decided_runs(cells, RISK),
    }


def _finished_cell(run: BenchmarkRun, capability: str) -> Cell:
    loss, error = run.finished.final_losses[capability], run.final_errors[capability]
    forecast = LossForecast(loss, 0.0, error)
    tolerance = run.tolerances[capability]
    return Cell(run, capability, "probability", forecast, loss, loss, tolerance, 0.0, 1.0)


def _by_split(runs: Sequence[BenchmarkRun], group: Callable[[BenchmarkRun], str]) -> dict[str, Any]:
    by_probe: dict[tuple[str, Probe], list[Cell]] = defaultdict(list)
    for method, probe, cell in held_out_cells(runs, group, methods=("driftline", "truncated")):
        by_probe[method, probe].append(cell)
    ours = {probe: by_probe["driftline", probe] for probe in LOOKS}
    return {
        "by_share": {
            probe: {
                **figures(cells),
                "shown": _shown(cells, by_probe["truncated", probe]),
                "truncated_run": _rival(cells, by_probe["truncated", probe]),
            }
            for probe, cells in ours.items()
        },
        "until_decided": until_decided({probe: ours[probe] for probe in BANDS}),
    }


def _targets(
    runs: Mapping[str, Sequence[BenchmarkRun]], group: Callable[[BenchmarkRun], str]
) -> dict[str, Any]:
    """Judge forecasts of the task itself, by kind of rows; the fit is to rows that are not trained on."""
    found: dict[str, Any] = {}
    for rows, own in runs.items():
        by_probe: dict[Probe, list[Cell]] = defaultdict(list)
        for _, probe, cell in held_out_cells(own, group, target=True):
            by_probe[probe].append(cell)
        found[rows] = {probe: target_figures(cells) for probe, cells in by_probe.items()}
    return found


def _shown(ours: Sequence[Cell], theirs: Sequence[Cell]) -> dict[str, Any]:
    """Judge the capabilities that the base is shown to have: of all runs, and of those made after the law was chosen."""
    first = (Path(__file__).parent / "chosen_on.txt").read_text(encoding="utf-8").splitlines()
    pairs = [
        (a, b)
        for a, b in zip(ours, theirs, strict=True)
        if a.metric == "probability" and a.capability in a.run.held
    ]
    later = [pair for pair in pairs if pair[0].run.finished.run not in first]
    return {
        name: {
            "num_runs": len({a.run.finished.run for a, _ in some}),
            "num_cells": len(some),
            **figures_without_texts([a for a, _ in some]),
            "truncated_r2": rounded(r2(*columns([b for _, b in some]))),
            "gain_in_r2_interval_95": _gain_in_r2(some),
        }
        for name, some in (("all_runs", pairs), ("later_runs", later))
        if some
    }


def _gain_in_r2(pairs: Sequence[tuple[Cell, Cell]]) -> list[float] | None:
    """Interval of our R2 less that of the truncated run."""
    (ours, actual), (theirs, _) = (columns(each) for each in zip(*pairs, strict=True))
    return interval_by_tasks(
        [cell.run.task for cell, _ in pairs],
        lambda some: r2(ours[some], actual[some]) - r2(theirs[some], actual[some]),
    )


def _rival(ours: Sequence[Cell], theirs: Sequence[Cell]) -> dict[str, Any]:
    """Judge the truncated run at equal cost, and ours less its: log density, tasks resampled."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.metric == "probability"]
    gains = numpy.array([_log_density(a) - _log_density(b) for a, b in pairs])
    tasks = [cell.run.task for cell, _ in pairs]
    return {
        "r2": rounded(r2(*columns([b for _, b in pairs]))),
        "our_gain_in_log_density": rounded(gains.mean()),
        "interval_95": interval_by_tasks(tasks, lambda some: float(gains[some].mean())),
    }


def _log_density(cell: Cell) -> float:
    scale = max(cell.forecast.scale, 1e-6)
    distance = (cell.actual - cell.forecast.value) / scale
    return float(scipy.stats.t.logpdf(distance, 4) - numpy.log(scale))


def _count(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for name in names:
        found[name] += 1
    return found


if __name__ == "__main__":
    main()
