"""Finished fine-tuning runs of SmolLM2-135M, scored on the way and at the end.

Each run is the planned one to its last step, through the same trainer and the same scoring that an
assessment uses; so what an assessment sees after a fifth of it can be held against what came.

    python -m evidence.first_forecast.run --data FOLDER       # skips runs that are there

One JSON a run in `runs/`. Data are named by digest and read from the folder, never copied here.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from driftline.analyses import target_capability
from driftline.capabilities import read_suite
from driftline.engine import LocalEngine, ResultStore
from driftline.models import (
    BASE,
    LanguageModel,
    Point,
    Term,
    Trajectory,
    numerics,
    plan_training,
)
from driftline.provenance import package_versions

from ..harness import make_missing_runs
from ..tasks import LORA, task_config, task_data

HERE = Path(__file__).parent
STEPS = (3, 6, 12, 60)

# name: (data file, what differs from the demo's config)
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "demo-full-2e-4": ("demo", {}),
    "gsm8k-full-1e-4": ("ft_gsm8k_train", {"learning_rate": 1e-4}),
    "medquad-full-3e-4": ("ft_medquad_medical_qa", {"learning_rate": 3e-4}),
    "tatoeba-lora-1e-3": ("ft_tatoeba_en_es", {**LORA, "learning_rate": 1e-3}),
    "shakespeare-full-2e-4": ("lm_tinyshakespeare", {"learning_rate": 2e-4}),
    "demo-full-5e-5": ("demo", {"learning_rate": 5e-5}),
    "codegen-full-1e-4": ("ft_gpteacher_codegen", {"learning_rate": 1e-4}),
    "gsm8k-lora-1e-3": ("ft_gsm8k_train", {**LORA, "learning_rate": 1e-3}),
    "medquad-full-3e-5": ("ft_medquad_medical_qa", {"learning_rate": 3e-5}),
    "demo-lora-1e-3": ("demo", {**LORA, "learning_rate": 1e-3}),
    "roleplay-full-2e-4": ("ft_gpteacher_roleplay", {"learning_rate": 2e-4}),
    "tatoeba-full-1e-4": ("ft_tatoeba_en_es", {"learning_rate": 1e-4}),
    "codegen-lora-5e-4": ("ft_gpteacher_codegen", {**LORA, "learning_rate": 5e-4}),
}


def main() -> None:
    """Make the runs that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with the ft_ and lm_ files"
    )
    parser.add_argument("--work", type=Path, default=Path("build/first_forecast"))
    arguments = parser.parse_args()

    def make(base: LanguageModel, name: str, work: Path) -> dict[str, Any]:
        return make_run(base, name, arguments.data, work)

    make_missing_runs(HERE / "runs", RUNS, make, arguments.work)


def make_run(opened: LanguageModel, name: str, folder: Path, work: Path) -> dict[str, Any]:
    """Train one run to its end and score every capability at the kept steps.

    Args:
        opened: The base model.
        name: A key of `RUNS`.
        folder: Where the data files are.
        work: Scratch; a killed run takes up there.

    Returns:
        The record, as it is written.
    """
    started = time.monotonic()
    data_name, changes = RUNS[name]
    work.mkdir(parents=True, exist_ok=True)
    data = task_data(data_name, folder, work)
    config = task_config(name, changes)
    plan = plan_training(opened, config, data)
    trajectory = Trajectory(opened, config, data, work / "directions", STEPS, plan)
    capabilities = (*read_suite("core-0.1").capabilities, target_capability(data, seed=0))
    store = ResultStore(work / "results.sqlite")
    engine = LocalEngine(opened, store)
    points = {s: Point(f"step {s}", (Term(trajectory.direction(s), 1.0),)) for s in STEPS}
    table = engine.evaluate((BASE, *points.values()), capabilities)
    store.close()
    return {
        "run": name,
        "base": opened.provenance().model_dump(),
        "data": data.provenance().model_dump(),
        "config": config.values,
        "numerics": numerics(opened, engine.options).model_dump(),
        "packages": package_versions(),
        "wall_seconds": round(time.monotonic() - started, 1),
        "tokens_trained": trajectory.num_tokens_trained(),
        "summed_learning_rate": {s: plan.summed_learning_rate(s) for s in STEPS},
        "capabilities": [
            {
                "capability": c.name,
                "metric": c.metric,
                "base_value": float(table.values(BASE, c).mean()),
                "loss": {
                    s: float(table.item_losses(p, c, base=BASE).mean()) for s, p in points.items()
                },
                "item_losses_at_end": [
                    round(float(loss), 4) for loss in table.item_losses(points[60], c, base=BASE)
                ],
            }
            for c in capabilities
        ],
    }


if __name__ == "__main__":
    main()
