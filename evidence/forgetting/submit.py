"""Judge somebody else's forecaster on the same splits and cells as ours.

    python -m evidence.forgetting.submit PACKAGE.MODULE:FUNCTION

The function is given the finished runs that it may learn from (`FinishedRun`s: what the probe saw, and what
came), and gives back a function from a `Case` (a planned run as its probe saw it, and one
capability of it) to a `LossForecast`. It is asked anew for every task and every region of configs, of
which it then has seen no run. What it looks at is its cost: say which looks it uses.
"""

import argparse
import importlib
import json
from collections.abc import Callable, Sequence

from driftline.analyses import FinishedRun

from .cells import Cells, cells_of, figures
from .first_edition import LossForecast
from .first_rivals import Case
from .judge import SPLITS
from .table import BenchmarkRun, read_runs

Fit = Callable[[Sequence[FinishedRun]], Callable[[Case], LossForecast]]


def main() -> None:
    """Print the figures of a submission, by split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("function", help="package.module:function")
    module, _, name = parser.parse_args().function.partition(":")
    fit: Fit = getattr(importlib.import_module(module), name)
    runs = read_runs("smollm2-135m")
    print(json.dumps({split: figures(judged(runs, fit, split)) for split in SPLITS}, indent=1))


def judged(runs: Sequence[BenchmarkRun], fit: Fit, split: str) -> Cells:
    """A submission's predictions for every judged run.

    Args:
        runs: Of the benchmark.
        fit: The submission.
        split: What is held out together.

    Returns:
        The cells.
    """
    group, rows = SPLITS[split], []
    for name in sorted({group(run) for run in runs}):
        forecast = fit([run.finished for run in runs if group(run) != name])
        for run in runs:
            if group(run) != name or run.record["seed"] != 0:
                continue
            probe = run.finished.probe
            for reading in probe.capabilities:
                rows.append((run, reading.capability, forecast(Case(probe, reading))))
    return cells_of(rows)


if __name__ == "__main__":
    main()
