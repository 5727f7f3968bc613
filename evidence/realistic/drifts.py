"""Laws of what comes after a look, each fitted without the task that it is judged on.

    python -m evidence.realistic.drifts           # writes drifts.json
    python -m evidence.realistic.drifts --check   # exit code 1 if it would say something else

Judged are the capabilities that the base is shown to have. Every law has the same spread and saturation, fitted by maximum
likelihood (t with 4 degrees of freedom); they differ in the mean alone. The law that ships was chosen here, on all tasks but on
the runs of `CHOSEN_ON`; runs that were made later are judged on their own.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import scipy.optimize
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from driftline.results import Look

from ..harness import agrees
from .cells import BenchmarkRun, benchmark_runs, r2, spearman
from .finished import read_records

RESULT = Path(__file__).parent / "drifts.json"
CHOSEN_ON = 31
"""Runs that there were when the law was chosen."""
LOOKS: tuple[Look, ...] = ("early_10", "early_20", "early_40")
HOME = "stories15m-cut"
"""The model of most runs."""
SIZES = {"below 1 point": (-99.0, 1.0), "1 to 6 points": (1.0, 6.0), "above": (6.0, 99.0)}
_PRIOR = numpy.array([0.0, 0.0, -4.0, -1.0, -3.0])
_PRIOR_SPREADS = numpy.array([1.0, 0.5, 1.0, 1.0, 1.0])
_T = scipy.stats.t(4)
_ERROR = 0.02
"""Of `--check`; other processors round otherwise."""


class Cells(NamedTuple):
    """Capabilities at one look of each run, as columns; losses are probabilities."""

    loss: Float[ndarray, " cells"]
    typical: Float[ndarray, " cells"]
    """Root mean square loss of the run."""
    mean: Float[ndarray, " cells"]
    """Mean loss of the run."""
    scatter: Float[ndarray, " cells"]
    """Mean square of `item_spread` over the run."""
    item_spread: Float[ndarray, " cells"]
    """Standard deviation of the losses of single items."""
    share: Float[ndarray, " cells"]
    further: Float[ndarray, " cells"]
    task: ndarray
    look: ndarray
    model: ndarray
    is_later: ndarray
    """The run was made after the law was chosen."""

    def part(self, chosen: ndarray) -> "Cells":
        """Select some cells."""
        return Cells(*(column[chosen] for column in self))


GROWTHS: Mapping[str, Callable[[Cells], Float[ndarray, " cells"]] | None] = {
    "none": None,
    "its own loss": lambda cells: cells.loss,
    "the mean loss of the run": lambda cells: cells.mean,
    "the typical loss of the run": lambda cells: cells.typical,
    "the mean square movement of its own items": lambda cells: cells.item_spread**2,
    "the mean square movement of the run's items": lambda cells: cells.scatter,
}
"""What losses grow in proportion to, while little is lost."""


def main() -> None:
    """Write, or check, the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    check, runs = parser.parse_args().check, benchmark_runs(read_records())
    cells = table(runs)
    result = {
        "num_runs": len(runs),
        "chosen_on": CHOSEN_ON,
        "mean_further_points": {look: _by_size(cells.part(cells.look == look)) for look in LOOKS},
        "carried_over": carried_over(cells),
        "laws": {
            name: {
                healing: judged(cells, growth, heals=healing == "with healing")
                for healing in ("without healing", "with healing")
            }
            for name, growth in GROWTHS.items()
        },
    }
    if check:
        sys.exit(not agrees(json.loads(RESULT.read_text()), result, error=_ERROR))
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def table(runs: Sequence[BenchmarkRun]) -> Cells:
    """Lay out the capabilities that the base is shown to have, at every look.

    Args:
        runs: Of the benchmark.

    Returns:
        The cells.
    """
    later = {run.finished.run for run in runs} - _first_runs()
    rows = [row for run in runs for look in LOOKS for row in _rows(run, look, later)]
    return Cells(*(numpy.array(column) for column in zip(*rows, strict=True)))


def _first_runs() -> set[str]:
    path = Path(__file__).parent / "chosen_on.txt"
    return set(path.read_text(encoding="utf-8").splitlines())


def _rows(run: BenchmarkRun, look: Look, later: set[str]) -> list[tuple[Any, ...]]:
    own = [c for c in run.finished.probe.capabilities if c.capability in run.held]
    loss = numpy.array([c.losses[look] for c in own])
    errors = numpy.array([(c.standard_errors or {})[look] for c in own])
    spread = errors * numpy.sqrt([c.num_items or 1 for c in own])
    typical, scatter = float(numpy.sqrt((loss**2).mean())), float((spread**2).mean())
    return [
        (
            loss[n], typical, loss.mean(), scatter, spread[n], run.finished.probe.clock[look],
            run.finished.final_losses[c.capability] - loss[n], run.task, look, run.finished.probe.model,
            run.finished.run in later,
        )
        for n, c in enumerate(own)
    ]  # fmt: skip


def judged(
    cells: Cells, growth: Callable[[Cells], Float[ndarray, " cells"]] | None, *, heals: bool
) -> dict[str, Any]:
    """Judge one law on tasks left out.

    Args:
        cells: Of all looks.
        growth: What losses grow in proportion to; None for nothing.
        heals: A part of large losses heals.

    Returns:
        R2 and Spearman of the loss at the end by look, of all runs and of those made after the law was chosen; mean log density.
    """
    mean, scale = numpy.zeros(len(cells.loss)), numpy.ones(len(cells.loss))
    for task in sorted(set(cells.task.tolist())):
        own = cells.task == task
        fitted = _fit(cells.part(~own), growth, heals=heals)
        mean[own], scale[own] = _after(fitted, cells.part(own), growth, heals=heals)
    predicted, actual = cells.loss + mean, cells.loss + cells.further
    density = _T.logpdf((cells.further - mean) / scale) - numpy.log(scale)
    found: dict[str, Any] = {"log_density": round(float(density.mean()), 3)}
    for look in LOOKS:
        at = cells.look == look
        found[look] = {
            "r2": round(r2(predicted[at], actual[at]), 3),
            "spearman": round(spearman(predicted[at], actual[at]), 3),
        }
        if (new := at & cells.is_later).any():
            found[look]["r2_of_later_runs"] = round(r2(predicted[new], actual[new]), 3)
    return found


def carried_over(cells: Cells) -> dict[str, Any]:
    """Judge the law of one model on the runs of the others, which it was not fitted to.

    Args:
        cells: Of all looks.

    Returns:
        R2 of the loss at the end of these runs by look, with the law and of the measured change alone.
    """
    growth = GROWTHS["the mean square movement of the run's items"]
    here = cells.model == HOME
    fitted, other = _fit(cells.part(here), growth, heals=True), cells.part(~here)
    mean, _ = _after(fitted, other, growth, heals=True)
    actual = other.loss + other.further
    return {
        look: {
            "num_cells": int((other.look == look).sum()),
            "with": round(
                r2((other.loss + mean)[other.look == look], actual[other.look == look]), 3
            ),
            "without": round(r2(other.loss[other.look == look], actual[other.look == look]), 3),
        }
        for look in LOOKS
    }


def _after(
    parameters: Float[ndarray, " five"],
    cells: Cells,
    growth: Callable[[Cells], Float[ndarray, " cells"]] | None,
    *,
    heals: bool,
) -> tuple[Float[ndarray, " cells"], Float[ndarray, " cells"]]:
    rate, healing = parameters[:2]
    saturation, own, item = numpy.exp(parameters[2:].clip(-50, 50))
    free = 1 / (1 + cells.typical / saturation)
    grown = 0.0 if growth is None else free * rate * numpy.log(1 / cells.share) * growth(cells)
    healed = heals * (1 - free) * healing * (1 - cells.share) * cells.loss
    variance = (own * cells.loss) ** 2 + (item * cells.item_spread) ** 2
    rest = (1 - cells.share) / cells.share
    return grown - healed, numpy.sqrt(free * rest * variance) + 1e-6


def _fit(
    cells: Cells, growth: Callable[[Cells], Float[ndarray, " cells"]] | None, *, heals: bool
) -> Float[ndarray, " five"]:
    size = 1.0 if growth is None else float(numpy.median(numpy.abs(growth(cells))))
    spreads = _PRIOR_SPREADS.copy()
    spreads[0] *= float(numpy.median(cells.typical)) / size

    def cost(units: Float[ndarray, " five"]) -> float:
        mean, scale = _after(_PRIOR + units * spreads, cells, growth, heals=heals)
        density = _T.logpdf((cells.further - mean) / scale) - numpy.log(scale)
        return 0.5 * float((units**2).sum()) - float(density.sum())

    start = numpy.array([0.1, 0.1, 0.0, 0.0, 0.0])
    found = scipy.optimize.minimize(cost, start, method="L-BFGS-B").x
    parameters: Float[ndarray, " five"] = _PRIOR + found * spreads
    return parameters


def _by_size(cells: Cells) -> dict[str, float]:
    points = 100 * cells.loss
    return {
        name: round(100 * float(cells.further[(points >= low) & (points < high)].mean()), 2)
        for name, (low, high) in SIZES.items()
    }


if __name__ == "__main__":
    main()
