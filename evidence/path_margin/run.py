"""Real runs of SmolLM2-135M, scored densely, with accelerated replicas of each.

A replica with acceleration a trains the same config with a times the learning rate in one a-th of
the steps, so that the summed learning rate at its end is the same; its step s stands for the true
run's step a * s.

    python -m evidence.path_margin.run --data FOLDER       # skips runs that are there

One JSON a run in `runs/`. Data are named by digest and read from the folder, never copied here.
"""

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driftline.analyses import target_capability
from driftline.capabilities import Capability, read_suite
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
NUM_STEPS = 60
# acceleration: the steps that are scored; those of the true run lie closest where most happens.
SCORED: dict[int, tuple[int, ...]] = {
    1: (3, 6, 9, 12, 18, 24, 32, 40, 50, 60),
    5: (3, 6, 9, 12),
    10: (2, 4, 6),
}


@dataclass(frozen=True)
class Planned:
    """One run: its data, and what differs from the demo's config."""

    data: str
    learning_rate: float
    more: dict[str, Any] = field(default_factory=dict)


RUNS = {
    "gsm8k-full-1e-4": Planned("ft_gsm8k_train", 1e-4),
    "tatoeba-full-1e-4": Planned("ft_tatoeba_en_es", 1e-4),
    "demo-full-2e-4": Planned("demo", 2e-4),
    "gsm8k-lora-1e-3": Planned("ft_gsm8k_train", 1e-3, LORA),
    "tatoeba-lora-1e-3": Planned("ft_tatoeba_en_es", 1e-3, LORA),
    "gsm8k-full-3e-4": Planned("ft_gsm8k_train", 3e-4),
    "tatoeba-full-3e-4": Planned("ft_tatoeba_en_es", 3e-4),
    "demo-full-5e-5": Planned("demo", 5e-5),
    "demo-lora-1e-3": Planned("demo", 1e-3, LORA),
}


def main() -> None:
    """Make the runs that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the ft_ files")
    parser.add_argument("--work", type=Path, default=Path("build/path_margin"))
    parser.add_argument("--only", nargs="*", choices=RUNS, default=list(RUNS))
    arguments = parser.parse_args()

    def make(base: LanguageModel, name: str, work: Path) -> dict[str, Any]:
        return make_run(base, name, arguments.data, work)

    make_missing_runs(HERE / "runs", arguments.only, make, arguments.work)


def make_run(opened: LanguageModel, name: str, folder: Path, work: Path) -> dict[str, Any]:
    """Train a run and its replicas, and score every capability along each.

    Args:
        opened: The base model.
        name: A key of `RUNS`.
        folder: Where the data files are.
        work: Scratch; a killed run takes up there.

    Returns:
        The record, as it is written.
    """
    started = time.monotonic()
    planned = RUNS[name]
    data = task_data(planned.data, folder, work)
    suite = read_suite("core-0.1")
    capabilities = (*suite.capabilities, target_capability(data, seed=0))
    record: dict[str, Any] = {
        "run": name,
        "base": opened.provenance().model_dump(),
        "data": data.provenance().model_dump(),
        "suite": suite.provenance().model_dump(),
        "numerics": None,
        "packages": package_versions(),
        "metrics": {c.name: c.metric for c in capabilities},
        "trajectories": {},
    }
    for acceleration, scored in SCORED.items():
        changes = {
            **planned.more,
            "learning_rate": planned.learning_rate * acceleration,
            "max_steps": NUM_STEPS // acceleration,
            "warmup_steps": max(1, 6 // acceleration),
        }
        config = task_config(name, changes)
        plan = plan_training(opened, config, data)
        own = work / f"x{acceleration}"
        trajectory = Trajectory(opened, config, data, own / "directions", scored, plan)
        points = {s: Point(f"step {s}", (Term(trajectory.direction(s), 1.0),)) for s in scored}
        own.mkdir(parents=True, exist_ok=True)
        with ResultStore(own / "results.sqlite") as store:
            engine = LocalEngine(opened, store)
            losses = _losses(engine, points, capabilities)
        record["numerics"] = numerics(opened, engine.options).model_dump()
        record["trajectories"][acceleration] = {
            "config": dict(config.values),
            "tokens_trained": trajectory.num_tokens_trained(),
            "summed_learning_rate": {s: plan.summed_learning_rate(s) for s in scored},
            "item_losses": losses,
        }
    record["wall_seconds"] = round(time.monotonic() - started, 1)
    return record


def _losses(
    engine: LocalEngine, points: dict[int, Point], capabilities: tuple[Capability, ...]
) -> dict[str, dict[int, list[float]]]:
    """Loss of every item from the base to every point, by capability and step."""
    table = engine.evaluate((BASE, *points.values()), capabilities)
    return {
        c.name: {
            step: [round(float(loss), 4) for loss in table.item_losses(point, c, base=BASE)]
            for step, point in points.items()
        }
        for c in capabilities
    }


if __name__ == "__main__":
    main()
