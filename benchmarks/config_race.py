"""How often a comparison of configs drops the one to choose, and how often it drops a ruinous one.

    python -m benchmarks.config_race --part simulated --out benchmarks/results/config_race.json
    python -m benchmarks.config_race --part held_out --out benchmarks/results/config_race.json

`simulated` draws forecasts of planned runs whose true losses are known. `held_out` replays the rule on the
runs of `evidence/forgetting`, each forecast by a fit that has not seen its task.

The config to choose is the one that gains most among those within the tolerance; gains are taken to rise
with the worst loss, so it is the one nearest to the tolerance from below. Where none is within, it is
the one with the smallest worst loss. Parts that are in the file already are replaced.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy
import scipy.stats
from numpy import ndarray

from driftline.analyses.selection._config_race import (
    DROPPED_BELOW,
    PredictedLoss,
    draw_worst_losses,
    drop_pvalues,
)

SPREADS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Standard deviations of a forecast's error, in tolerances."""
SIZES = ((2, 1), (4, 3), (8, 1), (8, 9))
"""Configs and required capabilities."""
NUM_RUNS = 1000
LEVEL = 0.9
RUINOUS_BY = 4.0
"""Spreads beyond the tolerance, and beyond the best, from which a config counts as ruinous."""
Losses = ndarray
Truth = Callable[[numpy.random.Generator, int, int, float], Losses]


def edge(_generator: numpy.random.Generator, num: int, width: int, _spread: float) -> Losses:
    """One config lies on the tolerance in every capability; the others lose nothing."""
    losses = numpy.zeros((num, width))
    losses[-1] = 1.0
    return losses


def all_on_edge(_generator: numpy.random.Generator, num: int, width: int, _spread: float) -> Losses:
    """Every config lies on the tolerance in every capability."""
    return numpy.ones((num, width))


def all_equal_beyond(
    _generator: numpy.random.Generator, num: int, width: int, spread: float
) -> Losses:
    """No config is within the tolerance, and all are alike in every capability."""
    return numpy.full((num, width), 1.0 + 10 * spread)


def doubling(_generator: numpy.random.Generator, num: int, width: int, _spread: float) -> Losses:
    """Losses double from config to config, as over a grid of learning rates; capabilities differ."""
    worst = 2.0 ** (numpy.arange(num) - num // 2)
    return worst[:, None] * numpy.linspace(1.0, 0.3, width)


def scattered(generator: numpy.random.Generator, num: int, width: int, _spread: float) -> Losses:
    """Losses of configs and capabilities are log-normal around the tolerance."""
    configs = generator.normal(0.0, 1.5, (num, 1))
    drawn: Losses = numpy.exp(configs + generator.normal(-0.5, 0.5, (num, width)))
    return drawn


TRUTHS: dict[str, Truth] = {
    "edge": edge,
    "all on edge": all_on_edge,
    "all equal beyond": all_equal_beyond,
    "doubling": doubling,
    "scattered": scattered,
}


def to_choose(losses: Losses) -> int:
    """The config to choose: nearest below the tolerance, or else with the smallest worst loss.

    Args:
        losses: True ones, in tolerances: configs x capabilities.

    Returns:
        Its index.
    """
    worst = losses.max(axis=1)
    within = numpy.flatnonzero(worst <= 1.0)
    return int(worst.argmin()) if len(within) == 0 else int(within[worst[within].argmax()])


def predicted(means: Losses, spreads: Losses) -> dict[str, list[PredictedLoss]]:
    """Forecasts with intervals of `LEVEL`."""
    half = spreads * scipy.stats.norm.ppf((1 + LEVEL) / 2)
    return {
        str(index): [
            PredictedLoss(float(m), float(m - h), float(m + h), LEVEL)
            for m, h in zip(row, halves, strict=True)
        ]
        for index, (row, halves) in enumerate(zip(means, half, strict=True))
    }


def dropped(losses: Mapping[str, list[PredictedLoss]], *, seed: int) -> set[int]:
    """The configs that the rule drops."""
    generators = numpy.random.default_rng(seed).spawn(len(losses))
    drawn = {
        name: draw_worst_losses(own, generator=generator)
        for (name, own), generator in zip(losses.items(), generators, strict=True)
    }
    return {int(n) for n, p in drop_pvalues(losses, drawn).items() if p < DROPPED_BELOW}


def dropped_by_draws(losses: Mapping[str, list[PredictedLoss]], *, seed: int) -> set[int]:
    """The rule before: the draws of the worst losses alone, at 0.1, against the leader."""
    generators = numpy.random.default_rng(seed).spawn(len(losses))
    drawn = {
        name: draw_worst_losses(own, generator=generator)
        for (name, own), generator in zip(losses.items(), generators, strict=True)
    }
    leader = min(drawn, key=lambda name: float(drawn[name].mean()))
    return {
        int(n)
        for n, worst in drawn.items()
        if n != leader and float((worst <= drawn[leader]).mean()) < 0.1
    }


def simulated() -> list[dict[str, Any]]:
    """Errors of forecasts: their own, half shared by all configs of the task, or with heavier tails.

    Returns:
        A row a scenario.
    """
    return [
        scenario(name, size, spread, errors, num_runs=NUM_RUNS)
        for name in TRUTHS
        for size in SIZES
        for spread in SPREADS
        for errors in ERRORS
    ]


def scenario(
    name: str, size: tuple[int, int], spread: float, errors: str, *, num_runs: int
) -> dict[str, Any]:
    """Simulate one scenario.

    Args:
        name: Of `TRUTHS`.
        size: Configs and capabilities.
        spread: Standard deviation of the error, in tolerances.
        errors: Of `ERRORS`.
        num_runs: How often.

    Returns:
        Shares of runs that drop the config to choose, and of ruinous configs that are dropped.
    """
    key = [list(TRUTHS).index(name), SIZES.index(size), SPREADS.index(spread), list(ERRORS).index(errors)]
    generator = numpy.random.default_rng(key)
    wrong = before = num_ruinous = caught = 0
    for run in range(num_runs):
        truth = TRUTHS[name](generator, *size, spread)
        best, worst = to_choose(truth), truth.max(axis=1)
        found = predicted(
            truth + spread * ERRORS[errors](generator, size), numpy.full(size, spread)
        )
        out = dropped(found, seed=run)
        wrong += best in out
        before += best in dropped_by_draws(found, seed=run)
        ruinous = numpy.flatnonzero(worst > max(1.0, worst[best]) + RUINOUS_BY * spread)
        num_ruinous += len(ruinous)
        caught += len(out & set(ruinous.tolist()))
    return {
        "truth": name,
        "configs": size[0],
        "capabilities": size[1],
        "spread": spread,
        "errors": errors,
        "best_dropped": wrong / num_runs,
        "best_dropped_by_draws": before / num_runs,
        "ruinous_dropped": caught / num_ruinous if num_ruinous else None,
        "runs": num_runs,
    }


def own(generator: numpy.random.Generator, size: tuple[int, int]) -> ndarray:
    """Normal errors, each by itself."""
    return generator.standard_normal(size)


def half_shared(generator: numpy.random.Generator, size: tuple[int, int]) -> ndarray:
    """Normal errors; half of the variance is shared by all configs."""
    shared = generator.standard_normal((1, size[1]))
    return (shared + generator.standard_normal(size)) / 2**0.5


def heavy(generator: numpy.random.Generator, size: tuple[int, int]) -> ndarray:
    """Errors of Student's t with 4 degrees of freedom, whose 90 % interval is that of a normal."""
    scale = scipy.stats.norm.ppf(0.95) / scipy.stats.t.ppf(0.95, 4)
    return generator.standard_t(4, size) * scale


ERRORS: dict[str, Callable[[numpy.random.Generator, tuple[int, int]], ndarray]] = {
    "own": own,
    "half shared": half_shared,
    "heavy tails": heavy,
}
