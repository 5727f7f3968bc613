"""Judge forecasts on runs that they have not seen.

    python -m evidence.forgetting.judge            # writes result.json
    python -m evidence.forgetting.judge --check    # exit code 1 if it would say something else

Every forecaster is fitted without the task, respectively the region of configs, that it is judged on.
Judged are the runs of seed 0, on the same cells for all; those of seed 1 are there to be fitted to,
and for the noise ceiling.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from jaxtyping import Float
from numpy import ndarray

from driftline.errors import RunError
from driftline.results import Look

from .calibrate import calibration
from .cells import REAL_LOSS, Cells, Row, cells_of, figures, inside, r2, rounded, spearman
from .first_edition import PROBES, Probe, fit_forecaster, seen_by
from .first_rivals import Case, Method
from .grid import COLLAPSE_NATS
from .table import BenchmarkRun, outside_runs, read_runs

RESULT = Path(__file__).parent / "result.json"
OTHER_MODELS = ("stories15m", "minimind2-small")
SPLITS: dict[str, Callable[[BenchmarkRun], str]] = {
    "task": lambda run: run.task,
    "region": lambda run: run.region,
}
TOLERANCE = 0.01
"""Of `--check`."""
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Entry:
    """One way to forecast, at one cost."""

    name: str
    method: Method
    probe: Probe
    looks: tuple[Look, ...] | None = None
    """That it may see, in fitting as in judging; those of the probe by default."""
    level: float = 0.9
    """Of its intervals."""


ENTRIES = (
    *(Entry(f"driftline {probe}", "driftline", probe) for probe in PROBES),
    Entry("truncated 0.05", "truncated", "0.05"),
    Entry("truncated 0.1", "truncated", "0.2", ("early_10",)),
    Entry("truncated 0.2", "truncated", "0.2"),
    Entry("linear_in_steps", "linear_in_steps", "0.2"),
    Entry("linear_in_rate", "linear_in_rate", "0.2"),
    Entry("straight_line", "straight_line", "0.2"),
    Entry("learning_rate", "learning_rate", "0.2"),
    Entry("rate_times_steps", "rate_times_steps", "0.2"),
    Entry("update_norm", "update_norm", "0.2"),
    Entry("mean", "mean", "0.2"),
)
OUTSIDE = ("gradient_inner_product", "fisher_distance", "functional_magnitude", "kl_new_task")
"""Rivals that the product does not carry; the last two see the finished run."""


def main() -> None:
    """Write, or check, the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check, result = parser.parse_args().check, judge()
    if check:
        sys.exit(not _agree(json.loads(RESULT.read_text()), result))
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def _agree(committed: object, found: object) -> bool:
    """Whether two results say the same; where a kernel is sought, processors differ in small digits."""
    if isinstance(committed, dict) and isinstance(found, dict):
        return committed.keys() == found.keys() and all(
            _agree(value, found[key]) for key, value in committed.items()
        )
    if isinstance(committed, list) and isinstance(found, list):
        return all(_agree(a, b) for a, b in zip(committed, found, strict=True))
    if isinstance(committed, int | float) and isinstance(found, int | float):
        return abs(committed - found) <= (1 if isinstance(committed, int) else TOLERANCE)
    return committed == found


def judge() -> dict[str, Any]:
    """All figures.

    Returns:
        As `result.json` holds them.
    """
    runs = read_runs("smollm2-135m")
    judged = {split: {e.name: held_out(runs, e, split) for e in ENTRIES} for split in SPLITS}
    return {
        "num_runs": len(runs),
        "num_judged_runs": len({run.finished.run for run in runs if run.record["seed"] == 0}),
        "collapse_bound_nats": COLLAPSE_NATS,
        "held_out": {
            split: {
                **{name: figures(cells) for name, cells in entries.items()},
                **{name: outside(runs, name, split) for name in OUTSIDE},
            }
            for split, entries in judged.items()
        },
        "gain_over_truncated": {
            split: {
                cost: _gains(runs, entries[f"driftline {cost}"], entries[f"truncated {cost}"])
                for cost in ("0.05", "0.1", "0.2")
            }
            for split, entries in judged.items()
        },
        "coverage_by_level": {split: _coverages(runs, split) for split in SPLITS},
        "other_seed": other_seed(runs, judged["task"]),
        "by": {
            kind: _parts(judged["task"]["driftline 0.2"], of)
            for kind, of in _partitions(runs).items()
        },
        "cost_share": _cost_shares(runs),
        "outside_runs": outside_benchmark(runs),
        "items": item_precision(runs),
        "transfer": {model: transfer(model) for model in OTHER_MODELS if read_runs(model)},
    }


def held_out(runs: Sequence[BenchmarkRun], entry: Entry, split: str) -> Cells:
    """Predict every judged run by a fit that has not seen its group.

    Args:
        runs: Of the benchmark.
        entry: Who forecasts.
        split: What is held out together.

    Returns:
        The cells.
    """
    group = SPLITS[split]
    rows: list[Row] = []
    for name in sorted({group(run) for run in runs}):
        others = [run for run in runs if group(run) != name]
        judged = [run for run in runs if group(run) == name and run.record["seed"] == 0]
        rows += predictions(others, judged, entry)
    return cells_of(rows)


def predictions(
    others: Sequence[BenchmarkRun],
    judged: Sequence[BenchmarkRun],
    entry: Entry,
    *,
    unseen_model: bool = False,
) -> list[Row]:
    """Fit to some runs and predict others; a row a cell."""
    table = calibration()
    chosen = fit_forecaster(
        [run.finished for run in others],
        table,
        method=entry.method,
        probe=entry.probe,
        unseen_model=unseen_model,
        confidence_level=entry.level,
        looks=entry.looks,
    )
    looks = PROBES[entry.probe] if entry.looks is None else entry.looks
    rows = []
    for run in judged:
        probe = seen_by(run.finished.probe, looks)
        for reading in probe.capabilities:
            rows.append((run, reading.capability, chosen.predict(Case(probe, reading))))
    return rows


def _coverages(runs: Sequence[BenchmarkRun], split: str) -> dict[str, float]:
    """The share of cells inside intervals of several levels."""
    entries = [Entry(str(level), "driftline", "0.2", level=level) for level in LEVELS]
    return {e.name: rounded(inside(held_out(runs, e, split)).mean()) for e in entries}


def _gains(
    runs: Sequence[BenchmarkRun], ours: Cells, theirs: Cells, *, num_resamples: int = 2000
) -> dict[str, Any]:
    """What ours has more than theirs at equal cost, with intervals by resampling runs, and tasks.

    Runs on one task share its data, so that six tasks are the more honest sample.

    Args:
        runs: Of the benchmark.
        ours: Predictions of the same cells.
        theirs: As ours.
        num_resamples: Of the bootstrap.

    Returns:
        R2 and mean absolute error, each with its gain and two 95 % intervals.
    """
    tasks = {run.finished.run: run.task for run in runs}
    clusters = {
        "runs": numpy.array(ours.runs),
        "tasks": numpy.array([tasks[run] for run in ours.runs]),
    }

    def gain(chosen: Float[ndarray, " cells"]) -> tuple[float, float]:
        actual = ours.clipped[chosen]
        errors = [numpy.abs(each.predicted[chosen] - actual) for each in (theirs, ours)]
        scores = [r2(each.predicted[chosen], actual) for each in (ours, theirs)]
        return scores[0] - scores[1], float(errors[0].mean() - errors[1].mean())

    found: dict[str, Any] = {}
    whole = gain(numpy.arange(len(ours.runs)))
    for place, kind in enumerate(("r2", "mae_nats")):
        found[kind] = {"gain": rounded(whole[place])}
    for name, keys in clusters.items():
        generator = numpy.random.default_rng(0)
        each = [numpy.flatnonzero(keys == key) for key in sorted(set(keys.tolist()))]
        drawn = [
            gain(
                numpy.concatenate([each[n] for n in generator.integers(len(each), size=len(each))])
            )
            for _ in range(num_resamples)
        ]
        for place, kind in enumerate(("r2", "mae_nats")):
            low, high = numpy.quantile([d[place] for d in drawn], [0.025, 0.975])
            found[kind][f"by {name}"] = [rounded(low), rounded(high)]
    return found


def other_seed(runs: Sequence[BenchmarkRun], judged: dict[str, Cells]) -> dict[str, Any]:
    """How well one seed of a run tells the other, and how well forecasts tell it, on those cells."""
    by_name = {run.finished.run: run for run in runs}
    pairs = [
        (by_name[f"smollm2-135m/{run.task}-{run.record['config_name']}-0"], run)
        for run in runs
        if run.record["seed"] == 1
    ]
    names = {first.finished.run for first, _ in pairs}

    def values(run: BenchmarkRun) -> list[float]:
        losses = run.losses()
        return [float(numpy.clip(losses[c], -COLLAPSE_NATS, COLLAPSE_NATS)) for c in sorted(losses)]

    first, second = (numpy.concatenate([values(pair[n]) for pair in pairs]) for n in (0, 1))

    def on_those(cells: Cells) -> dict[str, float | None]:
        own = numpy.array([run in names for run in cells.runs])
        return {
            "r2": r2(cells.predicted[own], cells.clipped[own]),
            "spearman": spearman(cells.predicted[own], cells.clipped[own]),
        }

    return {
        "num_pairs": len(pairs),
        "r2": rounded((r2(first, second) + r2(second, first)) / 2),
        "correlation": rounded(numpy.corrcoef(first, second)[0, 1]),
        "spearman": spearman(first, second),
        "mae_nats": rounded(numpy.abs(first - second).mean()),
        "held out by task, on the same cells": {n: on_those(c) for n, c in judged.items()},
    }


def outside(runs: Sequence[BenchmarkRun], name: str, split: str) -> dict[str, Any]:
    """A rival that the product does not carry: a line in its feature, fitted without the group."""
    group = SPLITS[split]
    known = [
        run
        for run in runs
        if run.record["seed"] == 0 and run.record["rivals"].get(name) is not None
    ]
    predicted, actual = [], []
    for left in sorted({group(run) for run in known}):
        x, y = _rival_cells([run for run in known if group(run) != left], name)
        slope, level = numpy.polyfit(x, y, 1)
        new, came = _rival_cells([run for run in known if group(run) == left], name)
        predicted += (level + slope * new).clip(-COLLAPSE_NATS, COLLAPSE_NATS).tolist()
        actual += came.tolist()
    p, a = numpy.array(predicted), numpy.array(actual)
    return {"r2": r2(p, a), "spearman": spearman(p, a)}


def _rival_cells(
    runs: Sequence[BenchmarkRun], name: str
) -> tuple[Float[ndarray, " cells"], Float[ndarray, " cells"]]:
    pairs = [
        (run.rival(name, capability), loss)
        for run in runs
        for capability, loss in run.losses().items()
    ]
    x, y = numpy.array(pairs).T
    # Magnitudes spread over decades; inner products have a sign.
    scaled = x if name == "gradient_inner_product" else numpy.log10(numpy.maximum(x, 1e-12))
    return scaled, y.clip(-COLLAPSE_NATS, COLLAPSE_NATS)


def transfer(model: str) -> dict[str, Any]:
    """Judge on one model what was fitted to runs of the others.

    Args:
        model: The one that no run is fitted to.

    Returns:
        Figures; the intervals are those for an unseen model.
    """
    others = [
        run
        for other in ("smollm2-135m", *OTHER_MODELS)
        if other != model
        for run in read_runs(other)
    ]
    judged = [run for run in read_runs(model) if run.record["seed"] == 0]
    found: dict[str, Any] = {"num_runs": len(judged)}
    for entry in ENTRIES:
        if entry.name.startswith(("driftline", "truncated")):
            rows = predictions(others, judged, entry, unseen_model=True)
            found[entry.name] = figures(cells_of(rows))
    return found


def outside_benchmark(runs: Sequence[BenchmarkRun]) -> dict[str, Any]:
    """Judge on runs of another length, batch and suite what was fitted to the benchmark.

    Args:
        runs: Of the benchmark; those on a task of the same kind are left out.

    Returns:
        Figures, for a fifth of the run.
    """
    tolerances = runs[0].record["tolerances"]
    found: dict[str, Any] = {"num_runs": len(outside_runs())}
    for entry in (
        Entry("driftline 0.2", "driftline", "0.2"),
        Entry("truncated 0.2", "truncated", "0.2"),
    ):
        rows: list[Row] = []
        for outside_run in outside_runs():
            others = [run for run in runs if run.task != outside_run.task]
            record = {
                "tolerances": {**dict.fromkeys(outside_run.final_losses, REAL_LOSS), **tolerances}
            }
            rows += predictions(others, [BenchmarkRun(outside_run, record)], entry)
        found[entry.name] = figures(cells_of(rows))
    return found


def item_precision(runs: Sequence[BenchmarkRun], *, num: int = 3) -> dict[str, float]:
    """Whether the items that a fifth of the run hurt most are among those that its end hurts most.

    Args:
        runs: Of the benchmark.
        num: Items that are named.

    Returns:
        Of the cells that lose more than their tolerance: the mean share of the named items that lie in
        the worst quarter at the end, and what chance would give.
    """
    shares = []
    for run in runs:
        for capability, tolerance in run.record["tolerances"].items():
            along = list(run.record["legs"]["planned"]["losses"][capability].values())
            fifth, end = numpy.array(along[-2]), numpy.array(along[-1])
            if run.record["seed"] == 0 and end.mean() > tolerance:
                worst = set(numpy.argsort(-end)[: len(end) // 4].tolist())
                named = numpy.argsort(-fifth)[:num].tolist()
                shares.append(len(worst & set(named)) / num)
    return {
        "cells": len(shares),
        "in_worst_quarter": rounded(float(numpy.mean(shares))),
        "chance": 0.25,
    }


def _partitions(runs: Sequence[BenchmarkRun]) -> dict[str, Callable[[str, str], str]]:
    by_name = {run.finished.run: run for run in runs}
    return {
        "capability": lambda _run, capability: capability,
        "task": lambda run, _capability: by_name[run].task,
        "config": lambda run, _capability: str(by_name[run].record["config_name"]),
    }


def _parts(cells: Cells, of: Callable[[str, str], str]) -> dict[str, dict[str, float]]:
    keys = numpy.array([of(r, c) for r, c in zip(cells.runs, cells.capabilities, strict=True)])
    errors, covered = numpy.abs(cells.predicted - cells.clipped), inside(cells)
    return {
        key: {
            "mean_change_nats": rounded(cells.clipped[keys == key].mean()),
            "mae_nats": rounded(errors[keys == key].mean()),
            "coverage": rounded(covered[keys == key].mean()),
        }
        for key in sorted(set(keys.tolist()))
    }


def _cost_shares(runs: Sequence[BenchmarkRun]) -> dict[str, dict[str, float]]:
    """The probe's share of the planned run's training CPU time, measured; and of its steps."""
    shares = {probe: list(_shares(runs, looks)) for probe, looks in PROBES.items()}
    return {
        probe: {
            "cpu_median": rounded(numpy.median([cpu for cpu, _ in found])),
            "cpu_most": rounded(max(cpu for cpu, _ in found)),
            "steps_median": rounded(numpy.median([steps for _, steps in found])),
        }
        for probe, found in shares.items()
    }


def _shares(runs: Sequence[BenchmarkRun], looks: Sequence[Look]) -> Iterator[tuple[float, float]]:
    for run in runs:
        planned = run.record["legs"]["planned"]
        steps = [int(step) for step in planned["summed_learning_rate"]]
        early = [look for look in looks if look.startswith("early")]
        place = {"early_5": 0, "early_10": 1, "early_20": 2}
        share = steps[place[early[-1]]] / steps[-1] if early else 0.0
        cpu, of_steps = share, share
        if "replica_10" in looks:
            replica = run.record["legs"]["replica_10"]
            # Broken down, or taken up by another process that found it trained.
            if not (replica.get("training_cpu_seconds") and planned["training_cpu_seconds"]):
                continue
            cpu += replica["training_cpu_seconds"] / planned["training_cpu_seconds"]
            of_steps += replica["share"]
        yield cpu, of_steps


if __name__ == "__main__":
    try:
        main()
    except RunError as error:
        raise SystemExit(str(error)) from error
