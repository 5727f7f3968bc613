"""Judge forecasts of models that the fit has never seen."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from driftline.analyses import FEWEST_RUNS, fit_forecaster

from .calibrate import calibration
from .cells import LOOKS, BenchmarkRun, cells_at
from .figures import figures_without_texts
from .finished import in_probability


def toy_regime(runs: Sequence[BenchmarkRun]) -> dict[str, Any]:
    """Judge fits to runs of SmolLM2-135M in the toy regime: another model, data and length."""
    # Held aside in the product, fitted to here.
    kept = tuple(run.model_copy(update={"held_aside": False}) for run in in_probability())
    every = calibration()
    table = every.model_copy(update={"runs": kept})
    forecaster = fit_forecaster(kept, table)
    found: dict[str, Any] = {}
    for probe, look in LOOKS.items():
        cells = [cell for run in runs for cell in cells_at(_without_texts(run), forecaster, look)]
        found[probe] = {
            key: value
            for key, value in figures_without_texts(cells).items()
            if key in ("r2", "spearman", "coverage_of_what_comes_after", "decided", "runs")
        }
    return found


def models_left_out(runs: Sequence[BenchmarkRun]) -> dict[str, Any]:
    """Judge each model by a fit that has seen none of its runs, where others have enough."""
    every, found = calibration(), {}
    for model in sorted({run.finished.probe.model for run in runs}):
        own = [run for run in runs if run.finished.probe.model == model]
        kept = tuple(run for run in every.runs if run.probe.model != model)
        others = sum(run.finished.probe.model != model for run in runs)
        if others < FEWEST_RUNS:
            continue
        forecaster = fit_forecaster(kept, every.model_copy(update={"runs": kept}))
        found[model] = {
            "num_runs": len(own),
            "fitted_to": others,
            "by_share": {
                probe: figures_without_texts(
                    [
                        cell
                        for run in own
                        for cell in cells_at(_without_texts(run), forecaster, look)
                    ]
                )
                for probe, look in LOOKS.items()
            },
        }
    return found


def _without_texts(run: BenchmarkRun) -> BenchmarkRun:
    probe = run.finished.probe
    own = tuple(c for c in probe.capabilities if c.metric == "probability")
    probe = probe.model_copy(update={"capabilities": own})
    return replace(run, finished=run.finished.model_copy(update={"probe": probe}))
