"""Make the runs of the field that are missing: every method, rate, task and seed.

    python -m evidence.protocols.run --data FOLDER --model build/models/stories15m [--only METHOD ...]

One JSON a run in `runs/MODEL/`: the target and every capability at several looks (the end of the run, its
update scaled down, earlier steps), on items that choose and on items that report, which share no source.
Several processes may share the work.
"""

import argparse
import json
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from driftline.analyses._plan_data import hold_out
from driftline.analyses._repair_cells import Cell, depths, list_cells, weight_scales
from driftline.analyses._repair_split import Halves, split_items
from driftline.capabilities import Capability, Suite
from driftline.engine import LocalEngine, ResultStore, Table
from driftline.errors import RunError
from driftline.models import (
    BASE,
    HeldDirection,
    LanguageModel,
    Point,
    Term,
    TrainingConfig,
    TrainingData,
    Trajectory,
    change_norms,
    numerics,
    open_model,
    plan_training,
)
from driftline.provenance import package_versions
from driftline.stats import mean_interval

from ..forgetting.run import claimed
from ..repair.damage import suite
from ..tasks import task_config, task_data
from .field import (
    BATCH,
    DEPTH_LINES,
    EARLY_STEPS,
    METHODS,
    NUM_STEPS,
    REPLAYED,
    SCALES,
    SEEDS,
    TASKS,
    TOLERANCES,
    Method,
    levers_of,
)

HERE = Path(__file__).parent
NUM_EXAMPLES = 800
NUM_CHOOSING = 24
"""Items of each capability that choose; as many report."""
ALPHA = 0.05


@dataclass(frozen=True)
class Task:
    """One task of one base and seed: what is trained on, and what is looked at."""

    name: str
    seed: int
    opened: LanguageModel
    data: TrainingData
    """All rows; a plan parts them by itself, in the same way."""
    train: TrainingData
    replayed: Path
    """A file with general text in the layout of the training data."""
    suite: Suite
    capabilities: tuple[Halves, ...]
    target: Halves

    @property
    def watched(self) -> tuple[Capability, ...]:
        """All that is scored at a look."""
        return tuple(part for halves in (*self.capabilities, self.target) for part in halves)


def read_task(name: str, seed: int, opened: LanguageModel, folder: Path, work: Path) -> Task:
    """Read a task's data, part it, and draw the items, as a plan of that seed does.

    Args:
        name: A key of `TASKS`.
        seed: Of what is held out and of which items choose.
        opened: The base.
        folder: Where the data files are.
        work: Where the sample goes.

    Returns:
        The task.
    """
    file, characters = TASKS[name]
    data = task_data(file, folder, work, characters=characters, num_examples=NUM_EXAMPLES)
    parts = hold_out(data, seed=seed, opened=opened)
    whole = suite(folder)
    chosen = replace(
        whole,
        capabilities=tuple(
            replace(c.sample(2 * NUM_CHOOSING, seed=0), tolerance=TOLERANCES * c.tolerance)
            for c in whole.capabilities
        ),
    )
    replayed = work / "replayed.jsonl"
    rows = _general(folder, data.layout)
    replayed.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Task(
        name,
        seed,
        opened,
        data,
        parts.train,
        replayed,
        chosen,
        tuple(split_items(c, num_search=NUM_CHOOSING, seed=seed) for c in chosen.capabilities),
        parts.target,
    )


def _general(folder: Path, layout: str) -> list[dict[str, Any]]:
    """General text that no item is made of: the suite's passages come from the head of a seeded draw."""
    lines = (folder / f"{REPLAYED}.jsonl").read_text(encoding="utf-8").splitlines()
    used = set(random.Random(0).sample(range(len(lines)), 400))
    rest = [json.loads(line)["text"][:140] for n, line in enumerate(lines) if n not in used]
    texts = random.Random(1).sample(rest, 60)
    if layout == "text":
        return [{"text": text} for text in texts]
    return [{"prompt": "", "completion": text} for text in texts]


def config_of(task: Task, method: Method, rate: float) -> TrainingConfig:
    """The config of one run."""
    shape = {
        "learning_rate": rate,
        "max_steps": NUM_STEPS,
        "per_device_train_batch_size": BATCH,
        "max_length": 64,
        "warmup_steps": NUM_STEPS // 10,
        "seed": task.seed,
        "data_seed": task.seed,
    }
    return task_config(f"{task.name}, seed {task.seed}", {**method.config, **shape})


def looks(trajectory: Trajectory, *, is_stopped_early: bool) -> Iterator[tuple[str, Point]]:
    """Where a finished run is looked at: the end, the end scaled down, and earlier steps.

    Args:
        trajectory: Trained.
        is_stopped_early: Whether earlier steps are looked at.

    Yields:
        Name and point.
    """
    last = HeldDirection(trajectory.direction(NUM_STEPS))
    for scale in SCALES:
        yield f"scale {scale:g}", Point(f"scale {scale:g}", (Term(last, scale),))
    opened = trajectory.opened
    norms = change_norms(opened, last)
    cells = list_cells(opened.weights, {n for n, norm in norms.items() if norm.change > 0})
    names = [weight.name for weight in opened.weights]
    for low, high in DEPTH_LINES:
        scales = weight_scales(cells, _line(cells, low, high), names)
        yield f"depth {low:g} {high:g}", Point("depth", (Term(last, scales),))
    if is_stopped_early:
        for step in EARLY_STEPS:
            point = Point(f"step {step}", (Term(trajectory.direction(step), 1.0),))
            yield f"step {step}", point


def _line(cells: Sequence[Cell], low: float, high: float) -> dict[str, float]:
    return {name: round(low + (high - low) * depth, 4) for name, depth in depths(cells).items()}


def reading(table: Table, point: Point, task: Task) -> dict[str, Any]:
    """Mean loss and one-sided upper bound of everything at one look, for both halves.

    Args:
        table: With the base and the point.
        point: Which.
        task: What is watched.

    Returns:
        Half to name to mean, bound and tolerance, in the capability's unit; the target's gain.
    """
    found: dict[str, Any] = {}
    for half, index in (("choose", 0), ("report", 1)):
        losses = {}
        for halves in task.capabilities:
            capability = halves[index]
            values = table.item_losses(point, capability, base=BASE)
            mean, bound = float(values.mean()), float(values.mean())
            if (values != values[0]).any():
                interval = mean_interval(
                    values, groups=capability.groups(), confidence_level=1 - 2 * ALPHA
                )
                mean, bound = interval.value, interval.high
            losses[capability.name] = {
                "mean": mean,
                "bound": bound,
                "tolerance": capability.tolerance,
            }
        gain = -float(table.item_losses(point, task.target[index], base=BASE).mean())
        found[half] = {"losses": losses, "gain": gain}
    return found


def make_run(task: Task, method: str, rate: float, work: Path) -> dict[str, Any]:
    """Train one run and look at it.

    Args:
        task: What is learnt.
        method: A key of `METHODS`.
        rate: Peak learning rate.
        work: Scratch.

    Returns:
        The record.
    """
    chosen = METHODS[method]
    config = config_of(task, chosen, rate)
    levers = levers_of(chosen, task.opened, str(task.replayed))
    is_early = method == "full"
    trajectory = Trajectory(
        task.opened,
        config,
        task.train,
        work,
        (*EARLY_STEPS, NUM_STEPS) if is_early else (NUM_STEPS,),
        plan_training(task.opened, config, task.train),
        levers=levers,
    )
    record: dict[str, Any] = {
        "task": task.name,
        "method": method,
        "rate": rate,
        "seed": task.seed,
        "config": dict(config.values),
        "levers": {k: v for k, v in levers.to_values().items() if k != "replay_source"},
        "data": task.train.digest,
        "base": task.opened.digest,
        "packages": package_versions(),
    }
    began = time.process_time()
    try:
        trajectory.ensure_trained()
    except RunError as error:
        # A run that diverges is an outcome of its rate.
        return {**record, "failed": str(error), "looks": {}}
    record["cpu_seconds"] = round(time.process_time() - began, 1)
    record["tokens_trained"] = trajectory.num_tokens_trained()
    with ResultStore(work.parent / "store.sqlite") as store:
        engine = LocalEngine(task.opened, store)
        record["numerics"] = numerics(task.opened, engine.options).model_dump(mode="json")
        points = dict(looks(trajectory, is_stopped_early=is_early))
        table = engine.evaluate((BASE, *points.values()), task.watched)
    record["looks"] = {name: reading(table, point, task) for name, point in points.items()}
    return record


def main() -> None:
    """Make what is missing, seed by seed, so that a broken-off field is a whole one of fewer seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with ft_, lm_, probe_ files"
    )
    parser.add_argument("--model", default="build/models/stories15m")
    parser.add_argument("--work", type=Path, default=Path("build/protocols"))
    trained = [name for name, method in METHODS.items() if not method.is_stopped_early]
    parser.add_argument("--only", nargs="*", choices=trained, default=trained)
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    arguments = parser.parse_args()
    opened, name = open_model(arguments.model), Path(arguments.model).name
    runs = HERE / "runs" / name
    runs.mkdir(parents=True, exist_ok=True)
    wanted = [(t, m, r) for m in arguments.only for t in arguments.tasks for r in METHODS[m].rates]
    for seed in arguments.seeds:
        for task_name, method, rate in wanted:
            work, run = arguments.work / name / task_name, f"{task_name}-{method}-{rate:g}-{seed}"
            path = runs / f"{run}.json"
            work.mkdir(parents=True, exist_ok=True)
            with claimed(work / f"{run}.claim") as mine:
                if not mine or path.exists():
                    continue
                print(time.strftime("%H:%M:%S"), run, flush=True)
                task = read_task(task_name, seed, opened, arguments.data, work)
                record = make_run(task, method, rate, work / run)
                partial = path.with_suffix(".partial")
                partial.write_text(json.dumps(record) + "\n")
                partial.replace(path)
                shutil.rmtree(work / run, ignore_errors=True)


if __name__ == "__main__":
    main()
