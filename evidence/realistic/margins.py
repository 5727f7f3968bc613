"""Forecasts item by item, in log odds, against the measured change; each fitted without the task it is judged on.

    python -m evidence.realistic.margins           # writes margins.json
    python -m evidence.realistic.margins --check   # exit code 1 if it would say something else

An item's log odds at the end are those at the look plus `share` times what they moved since the base, that movement cut at a
limit. The loss in points is the fall of the mean probability of the right option. `softer` is the loss through a flatter link.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import scipy.special
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from ..harness import agrees
from .cells import r2
from .finished import columns_of, is_whole, read_records
from .grid import NUM_STEPS
from .records import Record

RESULT = Path(__file__).parent / "margins.json"
SHARES = tuple(round(0.1 * n, 1) for n in range(-4, 21))
"""Further movement over the movement so far, from which each fit chooses."""
LIMITS = {"no limit": math.inf, "3 nats": 3.0, "1.5 nats": 1.5, "0.75 nats": 0.75}
LINKS = (2.0, 4.0)
"""Factors by which a softer link divides log odds."""
_STEPS = {"early_10": 10, "early_20": 20, "early_40": 40}
_ERROR = 0.02
"""Of `--check`; other processors round otherwise."""


class Cell(NamedTuple):
    """Log odds of the items of one capability of one run."""

    task: str
    base: ndarray
    look: ndarray
    end: ndarray


def main() -> None:
    """Write, or check, the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    check, records = parser.parse_args().check, [r for r in read_records() if is_whole(r)]
    result: dict[str, Any] = {"num_runs": len(records)}
    result.update((look, judged(_cells(records, step))) for look, step in _STEPS.items())
    if check:
        sys.exit(not agrees(json.loads(RESULT.read_text()), result, error=_ERROR))
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def judged(cells: Sequence[Cell]) -> dict[str, Any]:
    """Judge every way at one look.

    Args:
        cells: Of that look.

    Returns:
        R2, Spearman's correlation and mean absolute error in points, way by way.
    """
    tasks = numpy.array([cell.task for cell in cells])
    actual = numpy.array([loss(cell.base, cell.end) for cell in cells])
    measured = numpy.array([loss(cell.base, cell.look) for cell in cells])
    ways = {"measured change": measured}
    for name, limit in LIMITS.items():
        by_share = numpy.stack([_predicted(cell, limit) for cell in cells])
        ways[f"items go on, {name}"] = _left_out(by_share, actual, measured, tasks)
    for link in LINKS:
        softer = numpy.array([link * loss(cell.base / link, cell.look / link) for cell in cells])
        by_share = softer[:, None] * (1 + numpy.array(SHARES))
        ways[f"softer by {link:g}"] = _left_out(by_share, actual, measured, tasks)
    return {
        name: {
            "r2": round(r2(way, actual), 3),
            "spearman": round(float(scipy.stats.spearmanr(way, actual).statistic), 3),
            "error_points": round(float(numpy.abs(way - actual).mean()), 2),
        }
        for name, way in ways.items()
    }


def loss(base: ndarray, tuned: ndarray) -> float:
    """Compute the fall of the mean probability of the right option.

    Args:
        base: Log odds of each item.
        tuned: The same of the tuned model.

    Returns:
        Points; above 0 is a loss.
    """
    before, after = scipy.special.expit(base).mean(), scipy.special.expit(tuned).mean()
    return 100 * float(before - after)


def _cells(records: Sequence[Record], step: int) -> list[Cell]:
    return [
        Cell(
            str(record.facts["task"]),
            *(by_step[at]["log_odds"].astype(float) for at in (0, step, NUM_STEPS)),
        )
        for record in records
        for name, by_step in columns_of(record).items()
        if not name.startswith("target") and "log_odds" in by_step[0]
    ]


def _predicted(cell: Cell, limit: float) -> Float[ndarray, " shares"]:
    moved = numpy.clip(cell.look - cell.base, -limit, limit)
    return numpy.array([loss(cell.base, cell.look + share * moved) for share in SHARES])


def _left_out(
    by_share: Float[ndarray, "cells shares"],
    actual: Float[ndarray, " cells"],
    measured: Float[ndarray, " cells"],
    tasks: ndarray,
) -> Float[ndarray, " cells"]:
    """Take the share that is best on the other tasks; large losses weigh less."""
    chosen = numpy.zeros(len(actual))
    errors = (by_share - actual[:, None]) ** 2 / (1 + numpy.abs(measured))[:, None]
    for task in sorted(set(tasks.tolist())):
        own = tasks == task
        chosen[own] = by_share[own, int(errors[~own].sum(axis=0).argmin())]
    return chosen


if __name__ == "__main__":
    main()
