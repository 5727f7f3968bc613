"""Whether margins that are forecast give honest probabilities, on tasks left out.

python -m evidence.forgetting.link          # writes link.json
python -m evidence.forgetting.link --check  # exit code 1 if it would change

The benchmark keeps every item's loss of margin, at the end of the probe and of the run. With the base's
probabilities (`driftline score`, once) they become probabilities: log-odds fall as margins do, which is
exact for pairs and close for choices. A forecast of the mean margin is taken through the link as
`driftline.analyses` does, with its interval stretched by several factors.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy

from .calibrate import calibration
from .first_edition import fit_forecaster
from .first_rivals import Case
from .odds import log_odds, shifted_means
from .table import BenchmarkRun, read_runs

FOLDER = Path(__file__).parent
RESULT = FOLDER / "link.json"
MODEL = "smollm2-135m"
PAIRS = ("grammar_pairs", "french", "german", "commonsense_pairs")
"""Of two options, so that an item flips where its log-odds change sign."""
FACTORS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5)


def main() -> None:
    """Write, or check, the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    text = json.dumps(judged(), indent=1) + "\n"
    if parser.parse_args().check:
        sys.exit(RESULT.read_text() != text)
    RESULT.write_text(text)


def judged() -> dict[str, Any]:
    """Judge the link with each task left out in turn.

    Returns:
        Errors and coverage over all cells, and the spread over items by size of movement.
    """
    held = json.loads((FOLDER / "base_probabilities.json").read_text())["probabilities"]
    runs, held_runs = read_runs(MODEL), calibration()
    rows, names = [], []
    for task in sorted({run.task for run in runs}):
        others = [run.finished for run in runs if run.task != task]
        forecaster = fit_forecaster(others, held_runs)
        for run in (run for run in runs if run.task == task):
            for reading in run.finished.probe.capabilities:
                if reading.capability in held:
                    case = Case(run.finished.probe, reading)
                    loss = forecaster.predict(case)
                    ends = numpy.array([loss.value, loss.low, loss.high])
                    base = numpy.array(held[reading.capability])
                    rows.append(_cell(run, reading.capability, base, ends))
                    names.append(reading.capability)
    found = numpy.array([row[:5] for row in rows])
    covered = numpy.array([row[5] for row in rows]).mean(axis=0)
    of_pairs = numpy.isin(names, PAIRS) & (numpy.abs(found[:, 0]) < 0.03)
    actual, predicted, probed = found[:, 0], found[:, 1], found[:, 2]
    return {
        "model": MODEL,
        "num_cells": len(rows),
        "r2": _r2(predicted, actual),
        "r2_of_the_probe_as_it_is": _r2(probed, actual),
        "coverage_by_stretch": {
            f"{factor:g}": round(float(share), 3)
            for factor, share in zip(FACTORS, covered, strict=True)
        },
        "flips_of_pairs_that_moved_less_than_3_points": round(float(found[of_pairs, 4].mean()), 3),
        "spread_of_items_in_nats_that_moved_less_than_0.1": _in_nats(runs),
        "spread_over_items": _spreads(actual, found[:, 3]),
    }


def _cell(
    run: BenchmarkRun, capability: str, base: numpy.ndarray, ends: numpy.ndarray
) -> tuple[float, float, float, float, float, list[bool]]:
    """Loss of probability: what came, was forecast, was probed; spread, share of flips, coverage."""
    leg = run.record["legs"]["planned"]
    steps = leg["num_steps"]
    losses = leg["losses"][capability]
    final = numpy.array(losses[str(steps)], dtype=float)
    early = numpy.array(losses[str(round(0.2 * steps))], dtype=float)
    odds, mean = log_odds(base), float(base.mean())
    after = 1 / (1 + numpy.exp(final - odds))
    actual = mean - float(after.mean())

    def linked(at: numpy.ndarray) -> numpy.ndarray:
        return numpy.asarray(mean - shifted_means(odds - early, float(early.mean()) - at))

    value, low, high = ends
    covered = []
    for factor in FACTORS:
        stretched = numpy.array([value - factor * (value - low), value + factor * (high - value)])
        below, above = linked(stretched)
        covered.append(bool(below <= actual <= above))
    probed = float(linked(numpy.array([float(early.mean())]))[0])
    spread = float((base - after).std(ddof=1))
    flips = float(((base > 0.5) != (after > 0.5)).mean())
    return actual, float(linked(ends)[0]), probed, spread, flips, covered


def _in_nats(runs: list[BenchmarkRun]) -> dict[str, float]:
    """Standard deviation of items' changes by metric, median over the cells that moved little."""
    found: dict[str, list[float]] = {}
    for run in runs:
        leg = run.record["legs"]["planned"]
        for reading in run.finished.probe.capabilities:
            losses = numpy.array(leg["losses"][reading.capability][str(leg["num_steps"])], float)
            if abs(float(losses.mean())) < 0.1:
                found.setdefault(reading.metric, []).append(float(losses.std(ddof=1)))
    return {name: round(float(numpy.median(all_)), 3) for name, all_ in sorted(found.items())}


def _r2(predicted: numpy.ndarray, actual: numpy.ndarray) -> float:
    residual = float(((predicted - actual) ** 2).sum())
    return round(1 - residual / float(((actual - actual.mean()) ** 2).sum()), 3)


def _spreads(losses: numpy.ndarray, spreads: numpy.ndarray) -> dict[str, dict[str, float]]:
    """Standard deviation of items' changes, median over the cells that moved so far."""
    found = {}
    for low, high in ((0.0, 0.01), (0.01, 0.03), (0.03, 0.06), (0.06, 0.12), (0.12, 1.0)):
        some = (numpy.abs(losses) >= low) & (numpy.abs(losses) < high)
        found[f"{low:g} to {high:g}"] = {
            "num_cells": int(some.sum()),
            "median": round(float(numpy.median(spreads[some])), 3),
        }
    return found


if __name__ == "__main__":
    main()
