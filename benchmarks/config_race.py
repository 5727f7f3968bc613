"""How often a comparison of configs drops the one to choose, and how many unsafe ones it drops.

    python -m benchmarks.config_race --out benchmarks/results/config_race.json

`simulated` draws forecasts of planned runs whose true losses are known. `held_out` applies the rule to the
runs of `evidence/forgetting`, each forecast by a fit that has not seen its task; `evidence.realistic.judge`
does so with the runs of `evidence/realistic`.

The config to choose is the one that gains most among those within the tolerance; gains are taken to rise
with the worst loss, so it is the one nearest to the tolerance from below, which is the hardest to keep.
Where none is within, it is the one with the smallest worst loss; those runs are counted apart.
"""

import argparse
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import scipy.stats
from numpy import ndarray

from driftline.analyses.forecasting import PredictedLoss, dropped_by, probability_broken

SPREADS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Standard deviations of a forecast's error, in tolerances."""
SIZES = ((2, 1), (4, 3), (8, 1), (8, 9))
"""Configs and required capabilities."""
NUM_RUNS = 2000
LEVEL = 0.9
QUANTILE = float(scipy.stats.norm.ppf((1 + LEVEL) / 2))
RUINOUS_BY = 4.0
"""Standard deviations beyond the tolerance from which a config counts as ruinous."""
Truth = Callable[[numpy.random.Generator, int, int, float], ndarray]
Errors = Callable[[numpy.random.Generator, tuple[int, int]], ndarray]


def edge(_generator: numpy.random.Generator, num: int, width: int, _spread: float) -> ndarray:
    """One config lies on the tolerance in every capability; the others lose nothing."""
    losses = numpy.zeros((num, width))
    losses[-1] = 1.0
    return losses


def all_on_edge(
    _generator: numpy.random.Generator, num: int, width: int, _spread: float
) -> ndarray:
    """Every config lies on the tolerance in every capability."""
    return numpy.ones((num, width))


def doubling(_generator: numpy.random.Generator, num: int, width: int, _spread: float) -> ndarray:
    """Losses double from config to config, as over a grid of learning rates."""
    worst = 2.0 ** (numpy.arange(num) - num // 2)
    return worst[:, None] * numpy.linspace(1.0, 0.3, width)


def scattered(generator: numpy.random.Generator, num: int, width: int, _spread: float) -> ndarray:
    """Losses of configs and capabilities are log-normal around the tolerance."""
    configs = generator.normal(0.0, 1.5, (num, 1))
    drawn: ndarray = numpy.exp(configs + generator.normal(-0.5, 0.5, (num, width)))
    return drawn


def all_beyond(_generator: numpy.random.Generator, num: int, width: int, spread: float) -> ndarray:
    """Every config breaks its tolerance, from 2 standard deviations on in steps of 1."""
    worst = 1.0 + spread * (2 + numpy.arange(num))
    return worst[:, None] * numpy.linspace(1.0, 0.3, width)


TRUTHS: dict[str, Truth] = {
    "edge": edge,
    "all on edge": all_on_edge,
    "doubling": doubling,
    "scattered": scattered,
    "all beyond": all_beyond,
}


def own(generator: numpy.random.Generator, size: tuple[int, int]) -> ndarray:
    """Normal errors, each by itself."""
    return generator.standard_normal(size)


def shared(generator: numpy.random.Generator, size: tuple[int, int]) -> ndarray:
    """Normal errors; half of the variance is shared by all configs and capabilities."""
    return (generator.standard_normal((1, 1)) + generator.standard_normal(size)) / 2**0.5


def heavy(generator: numpy.random.Generator, size: tuple[int, int]) -> ndarray:
    """Errors of Student's t with 4 degrees of freedom, whose 90 % interval is that of a normal."""
    drawn: ndarray = generator.standard_t(4, size) * (QUANTILE / scipy.stats.t.ppf(0.95, 4))
    return drawn


def narrow(generator: numpy.random.Generator, size: tuple[int, int]) -> ndarray:
    """Normal errors, of which intervals of 90 % hold 80 %."""
    return generator.standard_normal(size) * (QUANTILE / scipy.stats.norm.ppf(0.9))


ERRORS: dict[str, Errors] = {
    "own": own,
    "half shared": shared,
    "heavy tails": heavy,
    "narrow intervals": narrow,
}


def main() -> None:
    """Write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    result = {"simulated": simulated(), "held_out": held_out()}
    out.write_text(json.dumps(result, indent=1) + "\n")


def simulated() -> list[dict[str, Any]]:
    """All scenarios.

    Returns:
        A row each.
    """
    every = itertools.product(TRUTHS, SIZES, SPREADS, ERRORS)
    return [scenario(*each, num_runs=NUM_RUNS) for each in every]


def scenario(
    name: str, size: tuple[int, int], spread: float, errors: str, *, num_runs: int
) -> dict[str, Any]:
    """Simulate one scenario.

    Args:
        name: Of `TRUTHS`.
        size: Configs and capabilities.
        spread: Standard deviation of the error that the intervals say, in tolerances.
        errors: Of `ERRORS`.
        num_runs: How often.

    Returns:
        Numbers of comparisons, of those that drop the config to choose, and of ruinous configs.
    """
    key = [
        list(TRUTHS).index(name),
        SIZES.index(size),
        SPREADS.index(spread),
        list(ERRORS).index(errors),
    ]
    generator = numpy.random.default_rng(key)
    half = spread * QUANTILE
    counts = dict.fromkeys(
        (
            "some_within",
            "best_dropped",
            "none_within",
            "safest_dropped",
            "ruinous",
            "ruinous_dropped",
        ),
        0,
    )
    for _ in range(num_runs):
        truth = TRUTHS[name](generator, *size, spread)
        means = truth + spread * ERRORS[errors](generator, size)
        losses = [[PredictedLoss(m, m - half, m + half, LEVEL) for m in row] for row in means]
        out, best = dropped(losses), to_choose(truth)
        worst = truth.max(axis=1)
        is_within = bool(worst[best] <= 1)
        counts["some_within" if is_within else "none_within"] += 1
        counts["best_dropped" if is_within else "safest_dropped"] += best in out
        ruinous = set(numpy.flatnonzero(worst > 1 + RUINOUS_BY * spread).tolist()) - {best}
        counts["ruinous"] += len(ruinous)
        counts["ruinous_dropped"] += len(out & ruinous)
    labels = {"truth": name, "configs": size[0], "capabilities": size[1]}
    return {**labels, "spread": spread, "errors": errors, **counts}


def held_out() -> dict[str, Any]:
    """Apply the rule to finished runs: every pair, every four and all eight configs of one task.

    Returns:
        The share of errors beyond a normal's 95 % point, and the counts by number of configs.
    """
    # Reads the benchmark's runs, which the simulation does not need.
    from evidence.forgetting.judge import Entry
    from evidence.forgetting.judge import held_out as forecast
    from evidence.forgetting.table import read_runs

    runs = {run.finished.run: run for run in read_runs("smollm2-135m")}
    cells = forecast(list(runs.values()), Entry("driftline 0.1", "driftline", "0.1"), "task")
    truth = cells.clipped / cells.tolerances
    mean, low, high = (each / cells.tolerances for each in (cells.predicted, cells.low, cells.high))
    spreads = (high - low) / 2 / QUANTILE
    by_task: dict[str, dict[str, list[int]]] = {}
    for index, name in enumerate(cells.runs):
        by_task.setdefault(runs[name].task, {}).setdefault(name, []).append(index)
    predicted = [PredictedLoss(*each, LEVEL) for each in zip(mean, low, high, strict=True)]
    return {
        "cells": len(truth),
        "median_spread": float(numpy.median(spreads)),
        "too_pessimistic": float(((mean - truth) / spreads > QUANTILE).mean()),
        "sets": [
            {"configs": size, **_replayed(by_task, size, predicted, truth)} for size in (2, 4, 8)
        ],
    }


def _replayed(
    by_task: dict[str, dict[str, list[int]]],
    size: int,
    predicted: Sequence[PredictedLoss],
    truth: ndarray,
) -> dict[str, int]:
    counts = dict.fromkeys(
        (
            "some_within",
            "best_dropped",
            "none_within",
            "safest_dropped",
            "unsafe",
            "unsafe_dropped",
        ),
        0,
    )
    for configs in by_task.values():
        for chosen in itertools.combinations(configs.values(), size):
            true = truth[numpy.array(chosen)]
            out, best = dropped([[predicted[i] for i in each] for each in chosen]), to_choose(true)
            worst = true.max(axis=1)
            is_within = bool(worst[best] <= 1)
            counts["some_within" if is_within else "none_within"] += 1
            counts["best_dropped" if is_within else "safest_dropped"] += best in out
            unsafe = set(numpy.flatnonzero(worst > 1).tolist()) - {best}
            counts["unsafe"] += len(unsafe)
            counts["unsafe_dropped"] += len(out & unsafe)
    return counts


def to_choose(losses: ndarray) -> int:
    """The config to choose: nearest below the tolerance, or else with the smallest worst loss.

    Args:
        losses: True ones, in tolerances: configs x capabilities.

    Returns:
        Its index.
    """
    worst = losses.max(axis=1)
    within = numpy.flatnonzero(worst <= 1.0)
    return int(worst.argmin()) if len(within) == 0 else int(within[worst[within].argmax()])


def dropped(losses: Sequence[Sequence[PredictedLoss]]) -> set[int]:
    """The configs that the rule drops.

    Args:
        losses: Predicted, by config.

    Returns:
        Their indices.
    """
    chances = {str(index): max(map(probability_broken, each)) for index, each in enumerate(losses)}
    return {int(name) for name in dropped_by(chances)}


if __name__ == "__main__":
    main()
