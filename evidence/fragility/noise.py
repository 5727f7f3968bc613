"""What modules cost by moving at all: the Fisher information against real random movement.

    python -m evidence.fragility.noise       # a few minutes; writes results/noise.json

Reference, for each module inside the layers of SmolLM2-135M, alone: its weights moved by independent
normal amounts, all modules by the same root mean square, and D_KL(base || moved) measured at the same
texts of the suite. The estimate is r^2 / 2 * tr F from four draws of labels.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy
import scipy.stats
import torch

from driftline.analyses import Effort
from driftline.analyses.fragility import suite_texts
from driftline.capabilities import read_suite
from driftline.measures import kl_divergence_nats
from driftline.models import (
    LanguageModel,
    LogProbs,
    PackedRows,
    ScoringOptions,
    encode_packed,
    fisher_traces,
    observe,
    open_model,
)
from driftline.provenance import package_versions

HERE = Path(__file__).parent
FLOAT32 = ScoringOptions(bfloat16=False)
RMS = 3e-3
"""About what a hundred steps at 1e-4 may move a weight by."""
NUM_SEEDS = 2


def main() -> None:
    """Measure both, compare, write."""
    opened, effort = open_model("smollm2-135m"), Effort()
    suite = read_suite("core-0.1")
    packed = encode_packed(
        opened,
        suite_texts(suite.capabilities, effort, seed=0),
        row_tokens=effort.anchor_row_tokens,
        num_rows=effort.num_anchor_rows,
    )
    started = time.process_time()
    traces = fisher_traces(opened, packed, FLOAT32, num_draws=effort.num_fisher_draws)
    cheap = time.process_time() - started
    started = time.process_time()
    modules = sorted({module_of(w.name) for w in opened.weights if w.layer is not None})
    before = log_probs(opened, packed)
    measured = {module: reference(opened, packed, before, module) for module in modules}
    dear = time.process_time() - started
    opened.check_unchanged()
    rows = [
        {
            "module": module,
            "num_parameters": num_parameters(opened, module),
            "estimate_nats": float(f"{RMS**2 / 2 * traces[module].mean():.4g}"),
            "measured_nats": float(f"{measured[module]:.4g}"),
        }
        for module in modules
    ]
    result: dict[str, Any] = {
        "base": opened.provenance().model_dump(),
        "suite": suite.provenance().model_dump(),
        "packages": package_versions(),
        "root_mean_square": RMS,
        "num_tokens": sum(map(len, packed.rows)),
        **compare(rows),
        "cpu_seconds": {"estimate": round(cheap, 1), "reference": round(dear, 1)},
        "modules": rows,
    }
    (HERE / "results" / "noise.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k != "modules"}, indent=1))


def module_of(weight: str) -> str:
    """The module that a weight belongs to."""
    return weight.rpartition(".")[0]


def num_parameters(opened: LanguageModel, module: str) -> int:
    """Of a module's own weights."""
    return sum(w.num_elements for w in opened.weights if module_of(w.name) == module)


def reference(opened: LanguageModel, packed: PackedRows, before: LogProbs, module: str) -> float:
    """The mean divergence over a few random movements of one module, put back bit for bit."""
    found = []
    weight = opened.model.get_submodule(module).weight
    assert isinstance(weight, torch.Tensor)
    kept = weight.detach().clone()
    try:
        for seed in range(NUM_SEEDS):
            generator = torch.Generator().manual_seed(seed)
            with torch.no_grad():
                weight.copy_(kept + RMS * torch.randn(kept.shape, generator=generator))
            found.append(kl_divergence_nats(before, log_probs(opened, packed)))
    finally:
        with torch.no_grad():
            weight.copy_(kept)
    return float(numpy.mean(found))


def log_probs(opened: LanguageModel, packed: PackedRows) -> LogProbs:
    """What the model says next, where it stands."""
    return observe(opened, packed, FLOAT32, layers=(), on_states=lambda _states: None)


def compare(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rank correlations, of the costs and of the costs per parameter.

    Args:
        rows: One a module.

    Returns:
        Spearman, and the ratio of estimate to measurement.
    """
    sizes, estimate, measured = (
        numpy.array([row[key] for row in rows], dtype=float)
        for key in ("num_parameters", "estimate_nats", "measured_nats")
    )
    ratio = estimate / measured
    return {
        "num_modules": len(rows),
        "spearman": _spearman(estimate, measured),
        "spearman_per_parameter": _spearman(estimate / sizes, measured / sizes),
        "median_ratio": round(float(numpy.median(ratio)), 3),
        "ratio_5_to_95_percent": [round(float(q), 3) for q in numpy.quantile(ratio, [0.05, 0.95])],
    }


def _spearman(first: numpy.ndarray, second: numpy.ndarray) -> float:
    return round(float(scipy.stats.spearmanr(first, second).statistic), 3)


if __name__ == "__main__":
    main()
