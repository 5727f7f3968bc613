"""Linear drifts of what comes after a look, each fitted without the task that it is judged on.

    python -m evidence.realistic.drifts           # writes drifts.json
    python -m evidence.realistic.drifts --check   # exit code 1 if it would say something else

The forecast takes the measured change as it is. A drift adds a linear combination of columns of the look to it, fitted by
ridge regression (weight 0.5), cells weighted by 1 / (1 + points of the measured change). Losses are in points.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
from jaxtyping import Float
from numpy import ndarray

from driftline.results import Look

from ..harness import agrees
from .cells import BenchmarkRun, benchmark_runs, r2
from .finished import read_records

RESULT = Path(__file__).parent / "drifts.json"
LOOKS: dict[Look, Look] = {
    "early_10": "early_10", "early_20": "early_10", "early_40": "early_20",
}  # fmt: skip
"""Each look, and the one before it."""
DRIFTS: dict[str, tuple[int, ...]] = {
    "D": (0,), "D, D m": (0, 1), "D, D |D|": (0, 2), "mean": (3,), "m": (4,), "m, m^2": (4, 5),
    "D, D |D|, m": (0, 2, 4), "last slope": (6,), "last slope, D |D|": (6, 2), "mean, D |D|": (3, 2),
    "all": (0, 1, 2, 3, 4, 5, 6),
}  # fmt: skip
"""Columns of `_columns`. D is the measured loss, m the root mean square and mean the mean of D over the run."""
SIZES = {"below 1 point": (0.0, 1.0), "1 to 6 points": (1.0, 6.0), "above": (6.0, 99.0)}
_RIDGE = 0.5
_ERROR = 0.02
"""Of `--check`; other processors round otherwise."""


def main() -> None:
    """Write, or check, the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    check, runs = parser.parse_args().check, benchmark_runs(read_records())
    result: dict[str, Any] = {"num_runs": len(runs)}
    result.update((look, judged(runs, look)) for look in LOOKS)
    if check:
        sys.exit(not agrees(json.loads(RESULT.read_text()), result, error=_ERROR))
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def judged(runs: Sequence[BenchmarkRun], look: Look) -> dict[str, Any]:
    """Judge each drift at one look.

    Args:
        runs: Of the benchmark.
        look: The last one that is seen.

    Returns:
        R2 of the loss at the end without and with each drift; mean further loss in points, by the size of the measured one.
    """
    parts = [_columns(run, look) for run in runs]
    columns = numpy.concatenate([part[0] for part in parts])
    further = numpy.concatenate([part[1] for part in parts])
    tasks = numpy.concatenate(
        [[run.task] * len(part[1]) for run, part in zip(runs, parts, strict=True)]
    )
    measured = columns[:, 0]
    actual = measured + further
    sizes = {
        name: further[(numpy.abs(measured) >= low) & (numpy.abs(measured) < high) & (measured > 0)]
        for name, (low, high) in SIZES.items()
    }
    return {
        "without": round(r2(measured, actual), 3),
        "with": {
            name: round(r2(measured + _left_out(columns[:, list(chosen)], further, tasks, measured), actual), 3)
            for name, chosen in DRIFTS.items()
        },
        "mean_further_points": {name: round(float(own.mean()), 2) for name, own in sizes.items()},
    }  # fmt: skip


def _columns(
    run: BenchmarkRun, look: Look
) -> tuple[Float[ndarray, "cells seven"], Float[ndarray, " cells"]]:
    """Lay out a run's capabilities with options, and the further loss of each."""
    own = [c for c in run.finished.probe.capabilities if c.metric == "probability"]
    loss = 100 * numpy.array([c.losses[look] for c in own])
    before = 100 * numpy.array([c.losses[LOOKS[look]] for c in own])
    end = 100 * numpy.array([run.finished.final_losses[c.capability] for c in own])
    typical, ones = math.sqrt(float((loss**2).mean())), numpy.ones(len(own))
    columns = (
        loss, loss * typical / 5, loss * abs(loss) / 5, loss.mean() * ones, typical * ones,
        typical**2 / 5 * ones, loss - before,
    )  # fmt: skip
    return numpy.stack(columns, axis=1), end - loss


def _left_out(
    columns: Float[ndarray, "cells some"],
    further: Float[ndarray, " cells"],
    tasks: ndarray,
    measured: Float[ndarray, " cells"],
) -> Float[ndarray, " cells"]:
    """Predict further losses of each task by a fit to the others."""
    predicted = numpy.zeros(len(further))
    for task in sorted(set(tasks.tolist())):
        seen = tasks != task
        own, weight = columns[seen], 1 / (1 + numpy.abs(measured[seen]))
        squares = (own * weight[:, None]).T @ own + _RIDGE * numpy.eye(own.shape[1])
        fitted = numpy.linalg.solve(squares, (own * weight[:, None]).T @ further[seen])
        predicted[~seen] = columns[~seen] @ fitted
    return predicted


if __name__ == "__main__":
    main()
