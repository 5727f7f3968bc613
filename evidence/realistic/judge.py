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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy
import scipy.stats
from numpy import ndarray

from driftline.analyses import (
    any_exceeds,
    capability_verdict,
    fit_forecaster,
    is_measured_lost,
)
from driftline.choices import Probe

from .calibrate import calibration
from .cells import (
    LOOKS,
    BenchmarkRun,
    Cell,
    benchmark_runs,
    cells_at,
    columns,
    held_out_cells,
    r2,
    spearman,
)
from .finished import in_probability, read_records

RESULT = Path(__file__).parent / "forecast.json"
RISK = 0.1
BANDS: tuple[Probe, ...] = ("0.2", "0.4", "0.6")
"""Looks of `--until decided`, among which the risk is divided."""
SIZES = {"below 1 point": (0.0, 0.01), "1 to 3 points": (0.01, 0.03), "above": (0.03, 9.0)}
SPLITS: dict[str, Callable[[BenchmarkRun], str]] = {
    "task": lambda run: run.task,
    "region": lambda run: run.region,
}
_RESAMPLES = 1000
_TOLERANCE = 0.02
"""Of `--check`; other processors round otherwise."""


def main() -> None:
    """Write, or check, the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check, result = parser.parse_args().check, judge()
    if check:
        sys.exit(not _agree(json.loads(RESULT.read_text()), json.loads(json.dumps(result))))
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def judge() -> dict[str, Any]:
    """Compute all figures.

    Returns:
        As `forecast.json` holds them.
    """
    runs = benchmark_runs(read_records())
    return {
        "num_runs": len(runs),
        "num_tasks": len({run.task for run in runs}),
        "models": sorted({run.finished.probe.model for run in runs}),
        "configs": dict(sorted(_count(run.config for run in runs).items())),
        "risk": RISK,
        "held_out": {split: _by_split(runs, group) for split, group in SPLITS.items()},
        "unseen_model": _unseen(runs),
    }


def _by_split(runs: Sequence[BenchmarkRun], group: Callable[[BenchmarkRun], str]) -> dict[str, Any]:
    by_probe: dict[tuple[str, Probe], list[Cell]] = defaultdict(list)
    for method, probe, cell in held_out_cells(runs, group, methods=("driftline", "truncated")):
        by_probe[method, probe].append(cell)
    ours = {probe: by_probe["driftline", probe] for probe in LOOKS}
    return {
        "by_share": {
            probe: {
                **figures(cells),
                "truncated_run": _rival(cells, by_probe["truncated", probe]),
            }
            for probe, cells in ours.items()
        },
        "until_decided": until_decided({probe: ours[probe] for probe in BANDS}),
    }


def figures(cells: Sequence[Cell]) -> dict[str, Any]:
    """Judge the forecasts at one look.

    Args:
        cells: Of all runs.

    Returns:
        Figures; losses in percentage points where nothing else is said.
    """
    own = [cell for cell in cells if cell.metric == "probability"]
    texts = [cell for cell in cells if cell.metric == "nll_nats"]
    predicted, actual = columns(own)
    probability = numpy.array([cell.probability for cell in own])
    lost = numpy.array([cell.is_lost for cell in own])
    return {
        "num_cells": len(own),
        "r2": _rounded(r2(predicted, actual)),
        "spearman": _rounded(spearman(predicted, actual)),
        "intervals_95": _by_tasks(own),
        "rmse_points": _rounded(100 * float(numpy.sqrt(((predicted - actual) ** 2).mean()))),
        "texts": {
            "r2": _rounded(r2(*columns(texts))),
            "spearman": _rounded(spearman(*columns(texts))),
        },
        "coverage_of_what_comes_after": _coverage(own),
        "share_lost": _rounded(lost.mean()),
        "brier_skill": _skill(probability, lost),
        "reliability_by_fifths": _reliability(probability, lost),
        "decided": _decided(probability, lost, RISK),
        "runs": _runs_decided(own, RISK),
        "pairs_ordered_right": _pairs(own),
        "worst_named_first": _worst_named(own),
    }


def _by_tasks(cells: Sequence[Cell]) -> dict[str, list[float]]:
    """Resample tasks: runs of one task share their data, so they are one draw."""
    by_task: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        by_task[cell.run.task].append(cell)
    generator, tasks = numpy.random.default_rng(0), sorted(by_task)
    drawn: dict[str, list[float]] = defaultdict(list)
    for _ in range(_RESAMPLES):
        some = [c for task in generator.choice(tasks, len(tasks)) for c in by_task[task]]
        predicted, actual = columns(some)
        open_ = numpy.array([RISK < c.probability < 1 - RISK for c in some])
        drawn["r2"].append(r2(predicted, actual))
        drawn["spearman"].append(spearman(predicted, actual))
        drawn["decided"].append(float(1 - open_.mean()))
    ends = (0.025, 0.975)
    return {name: [_rounded(q) for q in numpy.quantile(each, ends)] for name, each in drawn.items()}


def _coverage(cells: Sequence[Cell]) -> dict[str, Any]:
    """Share of 90 % intervals that hold the end on the same items, so without noise of items."""
    found: dict[str, Any] = {}
    inside, sizes = [], []
    for cell in cells:
        bare = replace(cell.forecast, standard_error=0.0)
        inside.append(bare.low <= cell.actual <= bare.high)
        sizes.append(abs(cell.actual))
    held, size = numpy.array(inside), numpy.array(sizes)
    found["all"] = _rounded(held.mean())
    for name, (low, high) in SIZES.items():
        chosen = (size >= low) & (size < high)
        found[name] = _rounded(held[chosen].mean()) if chosen.any() else None
    return found


def _skill(probability: ndarray, lost: ndarray) -> float | None:
    base = float(lost.mean())
    if not 0 < base < 1:
        return None
    return _rounded(1 - float(((probability - lost) ** 2).mean()) / (base * (1 - base)))


def _reliability(probability: ndarray, lost: ndarray) -> list[dict[str, float]]:
    order = numpy.argsort(probability, kind="stable")
    return [
        {
            "predicted": _rounded(probability[part].mean()),
            "came": _rounded(lost[part].mean()),
            "num_cells": len(part),
        }
        for part in numpy.array_split(order, 5)
    ]


def _decided(probability: ndarray, lost: ndarray, risk: float) -> dict[str, float | None]:
    low, high = probability <= risk, probability >= 1 - risk
    decided = low | high
    wrong = (low & lost) | (high & ~lost)
    return {
        "share": _rounded(decided.mean()),
        "wrong": _rounded(wrong[decided].mean()) if decided.any() else None,
    }


def _verdict(cells: Sequence[Cell], risk: float) -> str:
    """Judge a run by the capabilities that its base has, as the product does."""
    for cell in cells:
        measured = is_measured_lost(cell.measured, cell.forecast.standard_error, cell.tolerance)
        if capability_verdict(cell.probability, risk, measured_lost=measured) == "lost":
            return "unsafe"
    each = numpy.array([cell.probability for cell in cells])
    return "safe" if any_exceeds(each, cells[0].correlation) <= risk else "at_risk"


def _by_run(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.metric == "probability" and cell.capability in cell.run.held:
            found[cell.run.finished.run].append(cell)
    return found


def _runs_decided(cells: Sequence[Cell], risk: float) -> dict[str, Any]:
    verdicts = {name: (_verdict(own, risk), any(c.is_lost for c in own))
                for name, own in _by_run(cells).items()}  # fmt: skip
    decided = [each for each in verdicts.values() if each[0] != "at_risk"]
    wrong = sum((verdict == "safe") == lost for verdict, lost in decided)
    return {
        "num_runs": len(verdicts),
        "really_unsafe": sum(lost for _, lost in verdicts.values()),
        "safe": sum(verdict == "safe" for verdict, _ in decided),
        "unsafe": sum(verdict == "unsafe" for verdict, _ in decided),
        "wrong": wrong,
    }


def until_decided(by_probe: dict[Probe, Sequence[Cell]]) -> dict[str, Any]:
    """Judge runs look by look, each at its part of the risk, until the first verdict.

    Args:
        by_probe: Cells of each deciding look.

    Returns:
        How many were decided, how many of them wrongly, and how much of the unsafe ones was trained.
    """
    looks = {probe: _by_run(cells) for probe, cells in by_probe.items()}
    names = sorted(next(iter(looks.values())))
    decided, wrong, trained = 0, 0, []
    shares: dict[str, int] = dict.fromkeys(looks, 0)
    for name in names:
        lost = any(cell.is_lost for cell in looks["0.2"][name])
        ended = 1.0
        for probe, own in looks.items():
            verdict = _verdict(own[name], RISK / len(looks))
            if verdict != "at_risk":
                decided, wrong = decided + 1, wrong + ((verdict == "safe") == lost)
                shares[probe] += 1
                ended = float(probe) if verdict == "unsafe" else 1.0
                break
        if lost:
            trained.append(ended)
    return {
        "num_runs": len(names),
        "decided": decided,
        "wrong": wrong,
        "decided_by_share": shares,
        "num_unsafe": len(trained),
        "mean_share_of_an_unsafe_run_that_is_trained": _rounded(numpy.mean(trained))
        if trained
        else None,
    }


def _pairs(cells: Sequence[Cell]) -> dict[str, float | int | None]:
    """Order configs of one task whose ends differ by more than the tolerance in a capability."""
    groups: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.run.task, cell.capability].append(cell)
    right = [
        (a.forecast.value > b.forecast.value) == (a.actual > b.actual)
        for own in groups.values()
        for a, b in combinations(own, 2)
        if a.run.config != b.run.config and abs(a.actual - b.actual) > a.tolerance
    ]
    return {"num_pairs": len(right), "share": _rounded(numpy.mean(right)) if right else None}


def _worst_named(cells: Sequence[Cell]) -> dict[str, int]:
    """Count runs whose worst capability, or one within two standard errors of it, is named first."""
    runs = named = 0
    for own in _by_run(cells).values():
        worst = max(own, key=lambda cell: cell.actual)
        if worst.actual <= worst.tolerance:
            continue
        first = max(own, key=lambda cell: cell.forecast.value)
        noise = numpy.hypot(worst.forecast.standard_error, first.forecast.standard_error)
        runs, named = runs + 1, named + bool(worst.actual - first.actual <= 2 * noise)
    return {"runs": runs, "named": named}


def _rival(ours: Sequence[Cell], theirs: Sequence[Cell]) -> dict[str, Any]:
    """Judge the truncated run at equal cost, and ours less its: log density, tasks resampled."""
    own = [cell for cell in theirs if cell.metric == "probability"]
    predicted, actual = columns(own)
    gains: dict[str, list[float]] = defaultdict(list)
    for a, b in zip(ours, theirs, strict=True):
        if a.metric == "probability":
            gains[a.run.task].append(_log_density(a) - _log_density(b))
    generator, tasks = numpy.random.default_rng(0), sorted(gains)
    means = [
        numpy.concatenate([gains[task] for task in generator.choice(tasks, len(tasks))]).mean()
        for _ in range(1000)
    ]
    every = numpy.concatenate([gains[task] for task in tasks])
    return {
        "r2": _rounded(r2(predicted, actual)),
        "our_gain_in_log_density": _rounded(every.mean()),
        "interval_95": [_rounded(q) for q in numpy.quantile(means, [0.025, 0.975])],
    }


def _log_density(cell: Cell) -> float:
    scale = max(cell.forecast.scale, 1e-6)
    distance = (cell.actual - cell.forecast.value) / scale
    return float(scipy.stats.t.logpdf(distance, 4) - numpy.log(scale))


def _unseen(runs: Sequence[BenchmarkRun]) -> dict[str, Any]:
    """Judge fits to runs of SmolLM2-135M in the toy regime: another model, data and length."""
    # Held aside in the product, fitted to here.
    kept = tuple(run.model_copy(update={"held_aside": False}) for run in in_probability())
    every = calibration()
    table = every.model_copy(update={"runs": kept})
    forecaster = fit_forecaster(kept, table)
    found: dict[str, Any] = {}
    for probe, look in LOOKS.items():
        cells = [cell for run in runs for cell in cells_at(_without_texts(run), forecaster, look)]
        found[probe] = {
            key: value
            for key, value in figures_without_texts(cells).items()
            if key in ("r2", "spearman", "coverage_of_what_comes_after", "decided", "runs")
        }
    return found


def _without_texts(run: BenchmarkRun) -> BenchmarkRun:
    probe = run.finished.probe
    own = tuple(c for c in probe.capabilities if c.metric == "probability")
    probe = probe.model_copy(update={"capabilities": own})
    return replace(run, finished=run.finished.model_copy(update={"probe": probe}))


def figures_without_texts(cells: Sequence[Cell]) -> dict[str, Any]:
    """Judge cells of capabilities with options alone."""
    predicted, actual = columns(cells)
    probability = numpy.array([cell.probability for cell in cells])
    lost = numpy.array([cell.is_lost for cell in cells])
    return {
        "r2": _rounded(r2(predicted, actual)),
        "spearman": _rounded(spearman(predicted, actual)),
        "coverage_of_what_comes_after": _coverage(cells),
        "decided": _decided(probability, lost, RISK),
        "runs": _runs_decided(cells, RISK),
    }


def _count(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for name in names:
        found[name] += 1
    return found


def _rounded(number: Any) -> float:  # noqa: ANN401 - whatever numpy gives
    return round(float(number), 3)


def _agree(a: object, b: object) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_agree(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_agree(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= _TOLERANCE
    return a == b


if __name__ == "__main__":
    main()
