"""How many unsafe and harmless configs each rule of early dropping drops, on runs that the fit has not seen.

    python -m benchmarks.early_dropping --out benchmarks/results/early_dropping.json

Every run is forecast by a fit without its task, after a tenth, a fifth and three tenths of its steps: the short runs
of SmolLM2-135M (`evidence/forgetting`), and those of `evidence/realistic`. A run is harmless if no capability ends beyond
its tolerance. Nothing is random.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy
import scipy.stats

from driftline.analyses import any_exceeds
from driftline.analyses.forecasting import LEAST_CHANCE, PredictedLoss, probability_broken
from driftline.choices import Probe

_Short = Literal["0.1", "0.2", "0.3"]
PROBES: tuple[_Short, ...] = ("0.1", "0.2", "0.3")
LEVEL = 0.9


class ForecastRun(NamedTuple):
    """One run as it was forecast, and the worst of what came."""

    chances: tuple[float, ...]
    """Probability that each capability is lost."""
    correlation: float
    worst_loss: float
    """In tolerances."""


def _any(run: ForecastRun) -> float:
    return any_exceeds(numpy.array(run.chances), run.correlation)


RULES: dict[str, Callable[[ForecastRun], bool]] = {
    "p < 0.05 of keeping all, Bonferroni": lambda run: (
        len(run.chances) * min(1 - each for each in run.chances) < 0.05
    ),
    "P(any lost) >= 0.95": lambda run: _any(run) >= 0.95,
    "P(any lost) >= 0.99": lambda run: _any(run) >= 0.99,
    "one capability with P >= 0.95": lambda run: max(run.chances) >= 0.95,
    "one capability with P >= 0.9": lambda run: max(run.chances) >= 0.9,
}


def main() -> None:
    """Write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    realistic = _realistic()
    result = {
        "short runs of smollm2-135m": {probe: judged(_short(probe)) for probe in PROBES},
        "realistic runs": {probe: judged(realistic[probe]) for probe in PROBES},
    }
    out.write_text(json.dumps(result, indent=1) + "\n")


def judged(runs: Sequence[ForecastRun]) -> dict[str, Any]:
    """Count what each rule drops.

    Args:
        runs: Forecast at one look.

    Returns:
        Counts by rule, and the largest rate of harmless runs dropped that they are compatible with (95 %; Clopper and
        Pearson 1934).
    """
    unsafe = [run for run in runs if run.worst_loss > 1]
    harmless = [run for run in runs if run.worst_loss <= 1]
    rules = {}
    for name, drops in RULES.items():
        wrong = sum(map(drops, harmless))
        most = scipy.stats.beta.ppf(0.95, wrong + 1, len(harmless) - wrong)
        rules[name] = {
            "unsafe_dropped": sum(map(drops, unsafe)),
            "harmless_dropped": wrong,
            "harmless_dropped_at_most": round(float(most), 3),
        }
    return {"unsafe": len(unsafe), "harmless": len(harmless), "rules": rules}


def _short(probe: _Short) -> list[ForecastRun]:
    from driftline.analyses.forecasting import fit_to, shipped_calibration
    from evidence.forgetting.judge import Entry
    from evidence.forgetting.judge import held_out as forecast
    from evidence.forgetting.table import read_runs

    correlation = fit_to(shipped_calibration(), method="driftline", probe=probe).correlation
    entry = Entry(f"driftline {probe}", "driftline", probe)
    cells = forecast(list(read_runs("smollm2-135m")), entry, "task")
    by_run: Mapping[str, list[int]] = defaultdict(list)
    for index, name in enumerate(cells.runs):
        by_run[name].append(index)
    columns = (cells.predicted, cells.low, cells.high)
    mean, low, high = (each / cells.tolerances for each in columns)
    losses = cells.clipped / cells.tolerances
    return [
        ForecastRun(
            tuple(
                _claimed(probability_broken(PredictedLoss(mean[i], low[i], high[i], LEVEL)))
                for i in places
            ),
            correlation,
            float(losses[places].max()),
        )
        for places in by_run.values()
    ]


def _claimed(chance: float) -> float:
    return min(1 - LEAST_CHANCE, max(LEAST_CHANCE, chance))


def _realistic() -> dict[Probe, list[ForecastRun]]:
    from evidence.realistic.cells import Cell, benchmark_runs, held_out_cells
    from evidence.realistic.finished import read_records

    by_run: Mapping[tuple[Probe, str], list[Cell]] = defaultdict(list)
    runs = benchmark_runs(read_records())
    for _, probe, cell in held_out_cells(runs, lambda run: run.task):
        if cell.metric == "probability" and cell.capability in cell.run.held:
            by_run[probe, cell.run.finished.run].append(cell)
    result: dict[Probe, list[ForecastRun]] = defaultdict(list)
    for (probe, _), cells in by_run.items():
        chances = tuple(cell.probability for cell in cells)
        worst = max(cell.actual / cell.tolerance for cell in cells)
        result[probe].append(ForecastRun(chances, cells[0].correlation, worst))
    return result


if __name__ == "__main__":
    main()
