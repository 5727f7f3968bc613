"""Two choices of the forecast, tried on the benchmark: what the probe is, and the noise of items.

python -m evidence.realistic.trials           # writes trials.json
python -m evidence.realistic.trials --check   # exit code 1 if it would say something else

`probes` compares the start of the run with quick starts of equal length, each taken as it is. `items` splits every
capability's items into random halves: a forecast from one half, by a fit without the task, is held against what came
on the other, whose own noise is counted. Its intervals are made with and without the noise of the items measured.
`few_items` does the same from 26, 50, 100 and 150 items.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import scipy.special
from numpy import ndarray

from driftline.analyses import Case, Forecaster, fit_forecaster, seen_by

from ..harness import agrees
from .calibrate import calibration
from .cells import r2, toy_groups
from .finished import Columns, columns_of, finished_run, is_whole, read_records
from .grid import NUM_STEPS
from .records import Record

RESULT = Path(__file__).parent / "trials.json"
LEGS = {"start of the run": "run", "quick start": "quick-1", "quick start at 1.5 x": "quick-1.5"}
_UNITS: dict[str, Callable[[ndarray], ndarray]] = {
    "points": scipy.special.expit,
    "nats": lambda odds: odds,
}
STEP = 20
LOOKS = ("early_5", "early_10", "early_20", "early_30", "early_40")
_REPEATS = 4
"""Random parts of each run."""
NUM_ITEMS = (26, 50, 100, 150)
_ERROR = 0.02
"""Of `--check`; other processors round otherwise."""


def main() -> None:
    """Write, or check, the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check, records = parser.parse_args().check, [r for r in read_records() if is_whole(r)]
    result = {"num_runs": len(records), "probes": probes(records), **items(records)}
    if check:
        sys.exit(not agrees(json.loads(RESULT.read_text()), result, error=_ERROR))
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def probes(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Compare probes of 20 steps, each taken as the forecast of the end.

    Args:
        records: Of finished runs.

    Returns:
        R2 in points and in nats of the log-odds, by probe.
    """
    found = {}
    for name, leg in LEGS.items():
        pairs: dict[str, list[tuple[float, float]]] = {"points": [], "nats": []}
        for record in records:
            run, own = columns_of(record), columns_of(record, leg)
            for capability, along in run.items():
                if "log_odds" in along[0]:
                    for unit, of in _UNITS.items():
                        base, early, end = (
                            of(at["log_odds"]).mean()
                            for at in (along[0], own[capability][STEP], along[NUM_STEPS])
                        )
                        pairs[unit].append((base - early, base - end))
        found[name] = {
            f"r2_{unit}": round(r2(*numpy.array(each).T), 3) for unit, each in pairs.items()
        }
    return found


def items(records: Sequence[Record]) -> dict[str, Any]:
    """Count how often 90 % intervals from some items hold what came on the others.

    Args:
        records: Of finished runs.

    Returns:
        Of halves, coverage with and without the noise of items; of few items, coverage and width.
    """
    every, group = calibration(), toy_groups(lambda run: run.task)
    own = {finished_run(record).run: record.facts["task"] for record in records}
    halves: list[_Held] = []
    few: dict[int, list[_Held]] = {num: [] for num in NUM_ITEMS}
    generator = numpy.random.default_rng(0)
    for task in sorted(set(own.values())):
        kept = tuple(r for r in every.runs if (own[r.run] if r.run in own else group(r)) != task)
        forecaster = fit_forecaster(kept, every.model_copy(update={"runs": kept}))
        for record in (r for r in records if r.facts["task"] == task):
            for _ in range(_REPEATS):
                halves += _hold(record, forecaster, generator, None)
                for num, found in few.items():
                    found += _hold(record, forecaster, generator, num)
    return {
        "items": {
            "num_intervals": len(halves),
            "coverage_with_noise_of_items": _mean(each.with_noise for each in halves),
            "coverage_without": _mean(each.without for each in halves),
        },
        "few_items": {
            str(num): {
                "coverage": _mean(each.with_noise for each in found),
                "median_width_points": round(
                    100 * float(numpy.median([each.width for each in found])), 1
                ),
            }
            for num, found in few.items()
        },
    }


class _Held(NamedTuple):
    """One interval, and whether it held what came on other items."""

    with_noise: bool
    without: bool
    width: float


def _hold(
    record: Record, forecaster: Forecaster, generator: numpy.random.Generator, num: int | None
) -> Iterator[_Held]:
    """Hold forecasts from so many items, or half of them, against the others, at every look."""
    first, other = {}, {}
    for name, along in sorted(columns_of(record).items()):
        order = generator.permutation(len(next(iter(along[0].values()))))
        end = len(order) // 2 if num is None else num
        first[name], other[name] = _part(along, order[:end]), _part(along, order[end:])
    run = finished_run(record, first)
    for number in range(1, len(LOOKS) + 1):
        probe = seen_by(run.probe, LOOKS[:number])  # type: ignore[arg-type]
        for reading in probe.capabilities:
            if "log_odds" not in other[reading.capability][0]:
                continue
            came = _losses_of(other[reading.capability])
            noise = float(came.std(ddof=1)) / math.sqrt(len(came))
            made = forecaster.predict(Case(probe, reading))
            seen, bare = (
                replace(made, standard_error=math.hypot(measured, noise))
                for measured in (made.standard_error, 0.0)
            )
            yield _Held(
                bool(seen.low <= came.mean() <= seen.high),
                bool(bare.low <= came.mean() <= bare.high),
                made.high - made.low,
            )


def _losses_of(along: Columns) -> ndarray:
    base, end = (scipy.special.expit(along[step]["log_odds"]) for step in (0, NUM_STEPS))
    losses: ndarray = base - end
    return losses


def _mean(held: Iterable[bool]) -> float:
    return round(float(numpy.mean(list(held))), 3)


def _part(along: Columns, chosen: ndarray) -> Columns:
    return {
        step: {quantity: values[chosen] for quantity, values in at.items()}
        for step, at in along.items()
    }


if __name__ == "__main__":
    main()
