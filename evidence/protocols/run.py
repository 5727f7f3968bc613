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

from driftline.analyses.items import Halves, split_items
from driftline.analyses.planning import ProtocolCandidate, hold_out, plan_space
from driftline.analyses.search import Cell, depths, list_cells, weight_scales
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
from .field import levers_of, random_draw
from .methods import (
    BATCH,
    DEPTH_LINES,
    EARLY_STEPS,
    METHODS,
    NUM_STEPS,
    PLAIN_RATE,
    RANDOM,
    REPLAYED,
    SCALES,
    SEEDS,
    TASKS,
    TOLERANCES,
    Method,
)

HERE = Path(__file__).parent
NUM_EXAMPLES = 800
NUM_CHOOSING = 32
"""Items of each capability that choose, at most; all others report."""
_DIGITS = 5
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
            replace(c, tolerance=TOLERANCES * c.tolerance) for c in whole.capabilities
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
    last = HeldDirection(trajectory.direction(trajectory.kept_steps[-1]))
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
        Half to name to mean and bound, in tolerances; the target's gain in nats.
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
            tolerance = capability.tolerance
            losses[capability.name] = {
                "mean": round(mean / tolerance, _DIGITS),
                "bound": round(bound / tolerance, _DIGITS),
            }
        gain = -float(table.item_losses(point, task.target[index], base=BASE).mean())
        found[half] = {"losses": losses, "gain": round(gain, _DIGITS)}
    return found


def protocol(task: Task, method: str, rate: float) -> ProtocolCandidate:
    """What one run trains.

    Args:
        task: What is learnt.
        method: A key of `METHODS`.
        rate: Peak learning rate; of a random search, which draw.

    Returns:
        Its config and levers.
    """
    if method == RANDOM:
        space = plan_space(task.opened, config_of(task, METHODS["full"], PLAIN_RATE), task.train)
        return random_draw(space, task.seed, int(rate))
    config = config_of(task, METHODS[method], rate)
    levers = levers_of(METHODS[method], task.opened, str(task.replayed))
    return ProtocolCandidate({}, config, levers, plan_training(task.opened, config, task.train))


def make_run(task: Task, method: str, rate: float, work: Path) -> dict[str, Any]:
    """Train one run and look at it.

    Args:
        task: What is learnt.
        method: A key of `METHODS`.
        rate: Peak learning rate; of a random search, which draw.
        work: Scratch.

    Returns:
        The record.
    """
    _, config, levers, planned = protocol(task, method, rate)
    is_early = method == "full"
    last = planned.num_steps
    trajectory = Trajectory(
        task.opened,
        config,
        task.train,
        work,
        (*EARLY_STEPS, last) if is_early else (last,),
        planned,
        levers=levers,
    )
    record: dict[str, Any] = {
        "task": task.name,
        "method": method,
        "rate": rate,
        "seed": task.seed,
        "tolerances": {halves.search.name: halves.search.tolerance for halves in task.capabilities},
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


@dataclass(frozen=True)
class Field:
    """The field of one model: where its records go, and what they are made from."""

    opened: LanguageModel
    data: Path
    """Folder with the public sets."""
    work: Path
    """Scratch of this model."""

    @property
    def runs(self) -> Path:
        """The folder of its records."""
        return HERE / "runs" / self.work.name

    def ensure(self, task_name: str, seed: int, method: str, rate: float) -> bool:
        """Make one record, unless it is there or another process makes it.

        Args:
            task_name: A key of `TASKS`.
            seed: Of the run.
            method: A key of `METHODS`.
            rate: One of its rates.

        Returns:
            Whether it was made now.
        """
        run = f"{task_name}-{method}-{rate:g}-{seed}"
        path, work = self.runs / f"{run}.json", self.work / run
        self.runs.mkdir(parents=True, exist_ok=True)
        self.work.mkdir(parents=True, exist_ok=True)
        with claimed(self.work / f"{run}.claim") as mine:
            if not mine or path.exists():
                return False
            print(time.strftime("%H:%M:%S"), run, flush=True)
            task = read_task(task_name, seed, self.opened, self.data, work)
            write_record(path, make_run(task, method, rate, work / "run"))
            shutil.rmtree(work)
        return True


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a record, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(record) + "\n")
    partial.replace(path)


def field_parser(description: str | None) -> argparse.ArgumentParser:
    """The options that runs and plans share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with ft_, lm_, probe_ files"
    )
    parser.add_argument("--model", default="build/models/stories15m")
    parser.add_argument("--work", type=Path, default=Path("build/protocols"))
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    return parser


def main() -> None:
    """Make what is missing, seed by seed, so that a broken-off field is a whole one of fewer seeds."""
    parser = field_parser(__doc__)
    trained = [name for name, method in METHODS.items() if not method.is_stopped_early]
    parser.add_argument("--only", nargs="*", choices=trained, default=trained)
    arguments = parser.parse_args()
    work = arguments.work / Path(arguments.model).name
    field = Field(open_model(arguments.model), arguments.data, work)
    for seed in arguments.seeds:
        for method in arguments.only:
            for task_name in arguments.tasks:
                for rate in METHODS[method].rates:
                    field.ensure(task_name, seed, method, rate)


if __name__ == "__main__":
    main()
