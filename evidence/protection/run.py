"""Freeze a quarter of the parameters inside the layers, train, and see what is forgotten.

Each arm freezes another quarter: by the fragility map, drawn at random, the bottom layers, all of
attention, or nothing. All train the same config on the same data in the same order, at a constant
learning rate after the warm-up, so that every kept step is the end of a run of its own, and arms can
be compared where the target's loss is the same.

    python -m evidence.protection.run --data FOLDER      # makes the runs that are missing
    python -m evidence.protection.judge                  # result.json

One JSON a run in `runs/`. Data are named by digest and read from the folder, never copied here.
"""

import argparse
import json
import random
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from driftline.analyses import Effort, most_fragile, target_capability
from driftline.analyses.fragility import FragilityMap, fragility_map
from driftline.analyses.probing import Study
from driftline.capabilities import Capability, read_suite
from driftline.engine import LocalEngine, ResultStore
from driftline.models import (
    BASE,
    LanguageModel,
    Point,
    Term,
    TrainingConfig,
    TrainingData,
    Trajectory,
    Weight,
    numerics,
    open_model,
    plan_training,
)
from driftline.provenance import package_versions

from ..tasks import task_config, task_data

HERE = Path(__file__).parent
SHARE = 0.25
"""Of the parameters in the matrices inside the layers."""
PROBE_STEP = 12
KEPT = (24, 32, 40)
NUM_ITEMS = 20
"""Of each capability; the same ones for every arm."""
SEEDS = (0, 1, 2)
TASKS = {"shakespeare": ("lm_tinyshakespeare", 2e-4), "tatoeba": ("ft_tatoeba_en_es", 3e-4)}
ATTENTION = frozenset(("q", "k", "v", "o"))


class Setting:
    """One task and seed: the config, the data, and what each arm freezes."""

    def __init__(
        self, opened: LanguageModel, task: str, seed: int, folder: Path, work: Path
    ) -> None:
        """Read the data and the plan; nothing is trained yet."""
        name, rate = TASKS[task]
        self.opened, self.seed, self.work = opened, seed, work
        work.mkdir(parents=True, exist_ok=True)
        self.data: TrainingData = task_data(name, folder, work)
        self.config: TrainingConfig = task_config(
            f"{task}, seed {seed}",
            {
                "learning_rate": rate,
                "max_steps": KEPT[-1],
                "lr_scheduler_type": "constant_with_warmup",
                "seed": seed,
                "data_seed": seed,
            },
        )
        self.plan = plan_training(opened, self.config, self.data)
        every = read_suite("core-0.1").capabilities
        self.capabilities = tuple(c.sample(NUM_ITEMS, seed=0) for c in every)
        # What is protected is chosen on items that share no group with those that judge it.
        apart = (c.apart_from(judged) for c, judged in zip(every, self.capabilities, strict=True))
        self.mapped = tuple(c for c in apart if c is not None)
        assert len(self.mapped) == len(every)
        self.target = target_capability(self.data, seed=0)
        self.matrices = [w for w in opened.weights if w.is_matrix and w.layer is not None]
        self.budget = SHARE * sum(w.num_elements for w in self.matrices)

    def trajectory(self, kept: tuple[int, ...], frozen: Sequence[str] = ()) -> Trajectory:
        """The run with some modules frozen."""
        folder = self.work / "directions"
        return Trajectory(
            self.opened, self.config, self.data, folder, kept, self.plan, frozen=tuple(frozen)
        )

    def map(self, engine: LocalEngine) -> FragilityMap:
        """The map that `driftline map` would make of this config, from its first steps."""
        probe = self.trajectory((PROBE_STEP,))
        study = Study(engine, self.mapped, self.target, probe, Effort(), self.seed)
        return fragility_map(study)

    def filled(self, order: Sequence[Weight]) -> list[str]:
        """Modules in this order, as many as the budget holds."""
        chosen, left = [], self.budget
        for weight in order:
            if weight.num_elements <= left:
                chosen.append(module_of(weight))
                left -= weight.num_elements
        return chosen


def module_of(weight: Weight) -> str:
    """The module that a weight belongs to."""
    return weight.name.rpartition(".")[0]


def frozen_by_map(setting: Setting, engine: LocalEngine) -> list[str]:
    """What the map says to protect: the most damage per parameter."""
    found = setting.map(engine)
    tolerances = {c.name: c.tolerance for c in setting.capabilities}
    return list(most_fragile(found.rows, SHARE, noise=found.noise, tolerances=tolerances))


def frozen_at_random(setting: Setting, _engine: LocalEngine) -> list[str]:
    """Matrices drawn one by one until a quarter is full; another draw for every seed."""
    return setting.filled(
        random.Random(setting.seed).sample(setting.matrices, len(setting.matrices))
    )


def frozen_bottom(setting: Setting, _engine: LocalEngine) -> list[str]:
    """Layers from the embedding up."""
    return setting.filled(sorted(setting.matrices, key=lambda w: w.layer or 0))


def frozen_attention(setting: Setting, _engine: LocalEngine) -> list[str]:
    """Every q, k, v and o: of this model exactly a quarter."""
    return [module_of(w) for w in setting.matrices if w.role in ATTENTION]


ARMS: dict[str, Callable[[Setting, LocalEngine], list[str]]] = {
    "nothing": lambda _setting, _engine: [],
    "map": frozen_by_map,
    "random": frozen_at_random,
    "bottom": frozen_bottom,
    "attention": frozen_attention,
}


def main() -> None:
    """Make the runs that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data files")
    parser.add_argument("--work", type=Path, default=Path("build/protection"))
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    parser.add_argument("--arms", nargs="*", choices=ARMS, default=list(ARMS))
    arguments = parser.parse_args()
    (HERE / "runs").mkdir(exist_ok=True)
    opened = open_model("smollm2-135m")
    for seed in arguments.seeds:
        for task in arguments.tasks:
            for arm in arguments.arms:
                path = HERE / "runs" / f"{task}-{arm}-{seed}.json"
                if path.exists():
                    continue
                print(time.strftime("%H:%M:%S"), path.stem, flush=True)
                work = arguments.work / path.stem
                setting = Setting(opened, task, seed, arguments.data, work)
                record = make_run(setting, task, arm, arguments.work / f"{task}.sqlite")
                path.write_text(json.dumps(record, indent=1) + "\n")
                shutil.rmtree(work)


def make_run(setting: Setting, task: str, arm: str, scores: Path) -> dict[str, Any]:
    """Train one arm, and score everything along it.

    Args:
        setting: Task and seed.
        task: A key of `TASKS`.
        arm: A key of `ARMS`.
        scores: The store that the arms of a task share, so that the base is scored once.

    Returns:
        The record, as it is written.
    """
    started = time.monotonic()
    opened = setting.opened
    with ResultStore(scores) as store:
        engine = LocalEngine(opened, store)
        frozen = ARMS[arm](setting, engine)
        trajectory = setting.trajectory(KEPT, frozen)
        points = {s: Point(f"step {s}", (Term(trajectory.direction(s), 1.0),)) for s in KEPT}
        watched: tuple[Capability, ...] = (*setting.capabilities, setting.target)
        table = engine.evaluate((BASE, *points.values()), watched)
    opened.check_unchanged()
    sizes = {module_of(w): w.num_elements for w in setting.matrices}
    return {
        "task": task,
        "arm": arm,
        "seed": setting.seed,
        "base": opened.provenance().model_dump(),
        "data": setting.data.provenance().model_dump(),
        "config": setting.config.values,
        "numerics": numerics(opened, engine.options).model_dump(),
        "packages": package_versions(),
        "frozen": frozen,
        "share_frozen": round(sum(sizes.get(m, 0) for m in frozen) / sum(sizes.values()), 4),
        "tokens_trained": trajectory.num_tokens_trained(),
        "wall_seconds": round(time.monotonic() - started, 1),
        "item_losses": {
            c.name: {
                s: [round(float(x), 4) for x in table.item_losses(p, c, base=BASE)]
                for s, p in points.items()
            }
            for c in watched
        },
    }


if __name__ == "__main__":
    main()
