"""How well each quantity measures forgetting: its signal, what seeds share of it, and how early it shows.

    python -m evidence.realistic.quantities [--check]

A *cell* is one capability of one run. Writes `quantities.json`; `--check` fails where the committed file
is not what the committed runs give.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import scipy.special
import scipy.stats
from numpy import ndarray

from .grid import NUM_STEPS
from .records import Record, read_record
from .run import TARGETS

HERE = Path(__file__).parent
RESULT = HERE / "quantities.json"
SIZES = {"small": (0.0, 0.1), "middling": (0.1, 0.5), "ruinous": (0.5, 99.0)}
"""Runs by the root mean square of their capabilities' changes of the mean margin, in nats."""
EARLY_STEPS = (10, 20, 40)
_FIFTH = 20
"""The step of a usual probe."""
_SPLITS = 40
"""Random halves of a capability's items."""


def _sigmoid(scale: float) -> Callable[[Mapping[str, ndarray]], ndarray]:
    return lambda columns: scipy.special.expit(columns["log_odds"] / scale)


QUANTITIES: dict[str, Callable[[Mapping[str, ndarray]], ndarray]] = {
    "probability": _sigmoid(1.0),
    "softer link, half": _sigmoid(2.0),
    "softer link, quarter": _sigmoid(4.0),
    "margin": lambda columns: columns["margin"],
    "accuracy": lambda columns: (columns["margin"] > 0).astype(float),
}
"""Each from the columns of a record; more is better."""


class Cell(NamedTuple):
    """One capability of one run, along the run."""

    run: str
    pair: str
    """Task and config: runs of one pair differ by their seeds alone."""
    seed: int
    capability: str
    changes: dict[int, dict[str, ndarray]]
    """Step to quantity to the change of each item since the base."""


def cells_of(records: Iterable[Record]) -> list[Cell]:
    """Lay out the capabilities of finished runs; targets and texts are left out.

    Args:
        records: Finished runs.

    Returns:
        Cells whose run reached its end.
    """
    cells = []
    for record in records:
        columns: dict[tuple[str, int], dict[str, ndarray]] = defaultdict(dict)
        for reading in record.readings:
            if reading.leg == "run":
                columns[reading.capability, reading.step][reading.quantity] = reading.values
        names = {name for name, step in columns if step == NUM_STEPS and name not in TARGETS}
        for name in sorted(name for name in names if "margin" in columns[name, 0]):
            base = columns[name, 0]
            changes = {
                step: {q: of(values) - of(base) for q, of in QUANTITIES.items()}
                for (other, step), values in columns.items()
                if other == name and step
            }
            facts = record.facts
            pair = f"{facts['task']}-{facts['config_name']}"
            cells.append(Cell(facts["run"], pair, facts["seed"], name, changes))
    return cells


def judge(cells: list[Cell]) -> dict[str, Any]:
    """Compare the quantities.

    Args:
        cells: Of finished runs.

    Returns:
        Figures by quantity.
    """
    sizes = _sizes(cells)
    return {
        "num_runs": len({cell.run for cell in cells}),
        "num_pairs_of_seeds": len(_pairs(cells)) // max(1, len({c.capability for c in cells})),
        "runs_by_size": {size: list(sizes.values()).count(size) for size in SIZES},
        "signal_to_noise": {q: _signal(cells, q, sizes) for q in QUANTITIES},
        "signal_to_noise_by_capability": {q: _by_capability(cells, q) for q in QUANTITIES},
        "seed_against_seed": {q: _seeds(cells, q) for q in QUANTITIES},
        "early_against_end": {q: _early(cells, q) for q in QUANTITIES},
        "error_against_fresh_items": _against_fresh_items(cells),
    }


def _sizes(cells: list[Cell]) -> dict[str, str]:
    """The size of each run's change."""
    moved: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        moved[cell.run].append(float(cell.changes[NUM_STEPS]["margin"].mean()))
    means = {run: float(numpy.sqrt(numpy.mean(numpy.square(each)))) for run, each in moved.items()}
    return {
        run: next(size for size, (low, high) in SIZES.items() if low <= mean < high)
        for run, mean in means.items()
    }


def _t(change: ndarray) -> float:
    """Mean over standard error, without its sign."""
    spread = change.std(ddof=1)
    return 0.0 if spread == 0 else float(abs(change.mean()) / (spread / len(change) ** 0.5))


def _signal(cells: list[Cell], quantity: str, sizes: dict[str, str]) -> dict[str, float | None]:
    """The median of |mean change| / standard error at the end of a run, by size."""
    found: dict[str, float | None] = {}
    for size in SIZES:
        each = [_t(c.changes[NUM_STEPS][quantity]) for c in cells if sizes[c.run] == size]
        found[size] = round(float(numpy.median(each)), 2) if each else None
    return found


def _by_capability(cells: list[Cell], quantity: str) -> dict[str, float]:
    names = sorted({cell.capability for cell in cells})
    return {
        name: round(
            float(
                numpy.median(
                    [_t(c.changes[NUM_STEPS][quantity]) for c in cells if c.capability == name]
                )
            ),
            2,
        )
        for name in names
    }


def _against_fresh_items(cells: list[Cell]) -> dict[str, dict[str, float]]:
    """Compare the measured change of a few items, and of many, with that of items of the same kind.

    Half of a capability's items are fresh. From the other half come a sample of 24, which is what was
    once scored, and all of it. The noise of the fresh half itself is taken out.

    Returns:
        Root mean square errors of the probability at a fifth of the run, in points, by capability.
    """
    generator = numpy.random.default_rng(0)
    found = {}
    for name in sorted({cell.capability for cell in cells}):
        squares: dict[str, list[float]] = {"24 items": [], "half of the suite": []}
        for cell in (cell for cell in cells if cell.capability == name):
            change = 100 * cell.changes[_FIFTH]["probability"]
            for _ in range(_SPLITS):
                order = generator.permutation(len(change))
                fresh, own = order[: len(order) // 2], order[len(order) // 2 :]
                noise = change[fresh].var(ddof=1) / len(fresh)
                for size, some in (("24 items", own[:24]), ("half of the suite", own)):
                    error = change[some].mean() - change[fresh].mean()
                    squares[size].append(float(error**2 - noise))
        found[name] = {
            size: round(max(0.0, float(numpy.mean(each))) ** 0.5, 2)
            for size, each in squares.items()
        }
    return found


def _pairs(cells: list[Cell]) -> list[tuple[Cell, Cell]]:
    """Cells of the first two seeds of one task and config."""
    by_key: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in sorted(cells, key=lambda cell: cell.seed):
        by_key[cell.pair, cell.capability].append(cell)
    return [(each[0], each[1]) for each in by_key.values() if len(each) > 1]


def _seeds(cells: list[Cell], quantity: str) -> dict[str, float] | None:
    """What one seed tells of another, at the end of the run."""
    pairs = _pairs(cells)
    if not pairs:
        return None
    items = [(a.changes[NUM_STEPS][quantity], b.changes[NUM_STEPS][quantity]) for a, b in pairs]
    first, second = (numpy.array([pair[k].mean() for pair in items]) for k in (0, 1))
    difference = first - second
    noise = numpy.array([(a - b).var(ddof=1) / len(a) for a, b in items])
    squared = float(numpy.mean(difference**2))
    spread = float(numpy.concatenate([first, second]).var())
    return {
        "r2": round(1 - squared / spread, 3),
        "spearman": round(float(scipy.stats.spearmanr(first, second).statistic), 3),
        "share_of_squared_difference_from_items": round(float(noise.mean()) / squared, 3),
        "root_mean_squared_difference": round(squared**0.5, 4),
    }


def _early(cells: list[Cell], quantity: str) -> dict[str, float]:
    """Spearman correlation of a quantity's change early in the run with that at its end."""
    end = [float(c.changes[NUM_STEPS][quantity].mean()) for c in cells]
    found = {}
    for step in EARLY_STEPS:
        early = [float(c.changes[step][quantity].mean()) for c in cells]
        found[f"at {step} %"] = round(float(scipy.stats.spearmanr(early, end).statistic), 3)
    return found


def main() -> int:
    """Write the figures, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=HERE / "runs")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    result = {
        folder.name: judge(cells_of(read_record(p) for p in sorted(folder.glob("*.parquet"))))
        for folder in sorted(arguments.runs.iterdir())
        if any(folder.glob("*.parquet"))
    }
    told = json.dumps(result, indent=1) + "\n"
    if arguments.check:
        same = RESULT.read_text() == told
        print("evidence/realistic/quantities:", "as committed" if same else "differs")
        return 0 if same else 1
    RESULT.write_text(told)
    print(told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
