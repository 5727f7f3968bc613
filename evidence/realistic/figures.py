"""Figures of forecasts on runs that the fit has not seen: errors, intervals, probabilities, verdicts."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy
import scipy.stats
from numpy import ndarray

from driftline.analyses import (
    EARLIEST_SAFE,
    any_exceeds,
    capability_verdict,
    dropped_by,
    is_measured_lost,
)
from driftline.choices import Probe

from .cells import Cell, columns, r2, spearman

RISK = 0.1
BANDS: tuple[Probe, ...] = ("0.1", "0.2", "0.4", "0.6")
"""Looks of `--until decided`, among which the risk is divided."""
SIZES = {"below 1 point": (0.0, 0.01), "1 to 3 points": (0.01, 0.03), "above": (0.03, 9.0)}
_RESAMPLES = 2000


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
        "r2": rounded(r2(predicted, actual)),
        "spearman": rounded(spearman(predicted, actual)),
        "intervals_95": _by_tasks(own),
        "rmse_points": rounded(100 * float(numpy.sqrt(((predicted - actual) ** 2).mean()))),
        "texts": {
            "r2": rounded(r2(*columns(texts))),
            "spearman": rounded(spearman(*columns(texts))),
        },
        "coverage_of_what_comes_after": _coverage(own),
        "coverage_by_forecast_size": _coverage(own, by=lambda cell: cell.forecast.value),
        "share_lost": rounded(lost.mean()),
        "brier_skill": _skill(probability, lost),
        "reliability_by_fifths": _reliability(probability, lost),
        "decided": decided_cells(probability, lost, RISK),
        "runs": decided_runs(own, RISK),
        "any_lost": any_lost(own),
        "pairs_ordered_right": _pairs(own),
        "worst_named_first": _worst_named(own),
    }


def figures_without_texts(cells: Sequence[Cell]) -> dict[str, Any]:
    """Judge cells of capabilities with options alone.

    Args:
        cells: Of all runs.

    Returns:
        Figures.
    """
    predicted, actual = columns(cells)
    probability = numpy.array([cell.probability for cell in cells])
    lost = numpy.array([cell.is_lost for cell in cells])
    return {
        "r2": rounded(r2(predicted, actual)),
        "r2_interval_95": _r2_by_tasks(cells),
        "spearman": rounded(spearman(predicted, actual)),
        "coverage_of_what_comes_after": _coverage(cells),
        "decided": decided_cells(probability, lost, RISK),
        "runs": decided_runs(cells, RISK),
    }


def target_figures(cells: Sequence[Cell]) -> dict[str, Any]:
    """Judge forecasts of the runs' own tasks, in nats per token.

    Args:
        cells: At one look, one a run.

    Returns:
        Figures; the truncated run forecasts the change that is measured at the look.
    """
    predicted, actual = columns(cells)
    measured = numpy.array([cell.measured for cell in cells])
    return {
        "num_runs": len(cells),
        "num_worse_at_the_end": int((actual > 0).sum()),
        "r2": rounded(r2(predicted, actual)),
        "r2_interval_95": _r2_by_tasks(cells),
        "truncated_r2": rounded(r2(measured, actual)),
        "mean_error_nats": rounded(numpy.abs(predicted - actual).mean()),
        "truncated_mean_error_nats": rounded(numpy.abs(measured - actual).mean()),
        "coverage_of_what_comes_after": _coverage(cells)["all"],
    }


def interval_by_tasks(
    tasks: Sequence[str], figure: Callable[[ndarray], float]
) -> list[float] | None:
    """Resample tasks: runs of one task share their data, so they are one draw.

    Args:
        tasks: Task of each thing that the figure is of.
        figure: Computes the figure from the places of some of them.

    Returns:
        Ends of the 95 % interval, None of fewer than four tasks: the expanded percentile interval of Hesterberg (2015, "What
        Teachers Should Know About the Bootstrap", section 5.4), as plain quantiles of so few draws are too narrow. Simulated for means of
        six draws it holds the truth in 93 % of cases (normal) or 88 % (exponential), the plain one in 85 %. The fits are not made anew.
    """
    names = sorted(set(tasks))
    if len(names) < 4:
        return None
    places = {name: numpy.flatnonzero(numpy.array(tasks) == name) for name in names}
    generator = numpy.random.default_rng(0)
    drawn = [
        figure(numpy.concatenate([places[name] for name in generator.choice(names, len(names))]))
        for _ in range(_RESAMPLES)
    ]
    num = len(names)
    wide = numpy.sqrt(num / (num - 1)) * scipy.stats.t.ppf(0.975, num - 1)
    tail = scipy.stats.norm.sf(wide)
    return [rounded(q) for q in numpy.quantile(drawn, (tail, 1 - tail))]


def _r2_by_tasks(cells: Sequence[Cell]) -> list[float] | None:
    predicted, actual = columns(cells)
    return interval_by_tasks(
        [cell.run.task for cell in cells], lambda some: r2(predicted[some], actual[some])
    )


def _by_tasks(cells: Sequence[Cell]) -> dict[str, list[float] | None]:
    predicted, actual = columns(cells)
    decided = numpy.array([not RISK < cell.probability < 1 - RISK for cell in cells])
    tasks = [cell.run.task for cell in cells]
    return {
        "r2": _r2_by_tasks(cells),
        "spearman": interval_by_tasks(tasks, lambda some: spearman(predicted[some], actual[some])),
        "decided": interval_by_tasks(tasks, lambda some: float(decided[some].mean())),
    }


def _coverage(
    cells: Sequence[Cell], by: Callable[[Cell], float] = lambda cell: cell.actual
) -> dict[str, Any]:
    """Share of 90 % intervals that hold the end on the same items, so without noise of items.

    By the size of what came, a large one is one that was larger than forecast more often than not; by
    the size of the forecast, which is all that is known at the time, no such choice is made.

    Args:
        cells: At one look.
        by: Size of a cell.

    Returns:
        Of all, and by size.
    """
    found: dict[str, Any] = {}
    inside, sizes = [], []
    for cell in cells:
        bare = replace(cell.forecast, standard_error=0.0)
        inside.append(bare.low <= cell.actual <= bare.high)
        sizes.append(abs(by(cell)))
    held, size = numpy.array(inside), numpy.array(sizes)
    found["all"] = rounded(held.mean())
    for name, (low, high) in SIZES.items():
        chosen = (size >= low) & (size < high)
        found[name] = rounded(held[chosen].mean()) if chosen.any() else None
    return found


def _skill(probability: ndarray, lost: ndarray) -> float | None:
    base = float(lost.mean())
    if not 0 < base < 1:
        return None
    return rounded(1 - float(((probability - lost) ** 2).mean()) / (base * (1 - base)))


def _reliability(probability: ndarray, lost: ndarray, *, parts: int = 5) -> list[dict[str, float]]:
    order = numpy.argsort(probability, kind="stable")
    return [
        {
            "predicted": rounded(probability[part].mean()),
            "came": rounded(lost[part].mean()),
            "num": len(part),
        }
        for part in numpy.array_split(order, parts)
    ]


def decided_cells(probability: ndarray, lost: ndarray, risk: float) -> dict[str, float | None]:
    """Count cells with a probability at or beyond an end of the risk.

    Args:
        probability: Of a loss beyond the tolerance.
        lost: Whether it came.
        risk: Accepted probability.

    Returns:
        Share of the cells, and share of these that is wrong.
    """
    low, high = probability <= risk, probability >= 1 - risk
    decided = low | high
    wrong = (low & lost) | (high & ~lost)
    return {
        "share": rounded(decided.mean()),
        "wrong": rounded(wrong[decided].mean()) if decided.any() else None,
    }


def _verdict(cells: Sequence[Cell], risk: float, unsafe_risk: float | None = None) -> str:
    """Judge a run by the capabilities that its base has, as the product does."""
    unsafe_risk = risk if unsafe_risk is None else unsafe_risk
    for cell in cells:
        measured = is_measured_lost(
            cell.measured,
            cell.forecast.standard_error,
            cell.tolerance,
            level=unsafe_risk / len(cells),
        )
        verdict = capability_verdict(
            cell.probability, risk, measured_lost=measured, unsafe_risk=unsafe_risk
        )
        if verdict == "lost":
            return "unsafe"
    each = numpy.array([cell.probability for cell in cells])
    chance = any_exceeds(each, cells[0].correlation)
    if chance >= 1 - unsafe_risk:
        return "unsafe"
    is_early = cells[0].share < EARLIEST_SAFE
    return "safe" if chance <= risk and not is_early else "at_risk"


def _by_run(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.metric == "probability" and cell.capability in cell.run.held:
            found[cell.run.finished.run].append(cell)
    return found


def decided_runs(cells: Sequence[Cell], risk: float) -> dict[str, Any]:
    """Count runs with a verdict, and those where it is wrong.

    Args:
        cells: Of all runs, at one look.
        risk: Accepted probability of any loss.

    Returns:
        Counts.
    """
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


def any_lost(cells: Sequence[Cell]) -> dict[str, Any]:
    """Judge the probability that a run loses any capability that its base has, and who would drop out early.

    Args:
        cells: Of all runs, at one look.

    Returns:
        Reliability by thirds of the runs; counts of runs that a comparison of configs would drop.
    """
    by_run = list(_by_run(cells).values())
    chances = numpy.array(
        [
            any_exceeds(numpy.array([c.probability for c in own]), own[0].correlation)
            for own in by_run
        ]
    )
    lost = numpy.array([any(c.is_lost for c in own) for own in by_run])
    worst = [{"own": max(c.probability for c in own), "another": 0.0} for own in by_run]
    dropped = numpy.array(["own" in dropped_by(each) for each in worst])
    return {
        "brier_skill": _skill(chances, lost),
        "reliability_by_thirds": _reliability(chances, lost, parts=3),
        "unsafe_dropped": int((dropped & lost).sum()),
        "harmless": int((~lost).sum()),
        "harmless_dropped": int((dropped & ~lost).sum()),
    }


def until_decided(by_probe: dict[Probe, Sequence[Cell]]) -> dict[str, Any]:
    """Judge runs look by look, each at its part of the risk, until the first verdict.

    Args:
        by_probe: Cells of each deciding look.

    Returns:
        How many were decided, how many of them wrongly, and how much of the unsafe ones was trained.
    """
    looks = {probe: _by_run(cells) for probe, cells in by_probe.items()}
    late = [probe for probe in looks if float(probe) >= EARLIEST_SAFE]
    names = sorted(next(iter(looks.values())))
    decided, wrong, wrongly_unsafe, trained = 0, 0, 0, []
    shares: dict[str, int] = dict.fromkeys(looks, 0)
    for name in names:
        lost = any(cell.is_lost for cell in looks[BANDS[0]][name])
        ended = 1.0
        for probe, own in looks.items():
            verdict = _verdict(own[name], RISK / len(late), RISK / len(looks))
            if verdict != "at_risk":
                decided, wrong = decided + 1, wrong + ((verdict == "safe") == lost)
                wrongly_unsafe += verdict == "unsafe" and not lost
                shares[probe] += 1
                ended = float(probe) if verdict == "unsafe" else 1.0
                break
        if lost:
            trained.append(ended)
    return {
        "num_runs": len(names),
        "decided": decided,
        "wrong": wrong,
        "harmless": len(names) - len(trained),
        "harmless_called_unsafe": wrongly_unsafe,
        "decided_by_share": shares,
        "num_unsafe": len(trained),
        "mean_share_of_an_unsafe_run_that_is_trained": rounded(numpy.mean(trained))
        if trained
        else None,
    }


def _pairs(cells: Sequence[Cell]) -> dict[str, float | int | None]:
    """Order configs of one task whose ends differ by more than the tolerance in a capability."""
    groups: dict[tuple[str, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.run.finished.probe.model, cell.run.task, cell.capability].append(cell)
    right = [
        (a.forecast.value > b.forecast.value) == (a.actual > b.actual)
        for own in groups.values()
        for a, b in combinations(own, 2)
        if a.run.config != b.run.config and abs(a.actual - b.actual) > a.tolerance
    ]
    return {"num_pairs": len(right), "share": rounded(numpy.mean(right)) if right else None}


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


def rounded(number: Any) -> float:  # noqa: ANN401 - whatever numpy gives
    """Round to the three digits that results hold."""
    return round(float(number), 3)
