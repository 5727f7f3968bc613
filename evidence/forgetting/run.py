"""Make the runs of the benchmark that are missing.

    python -m evidence.forgetting.run --data FOLDER [--model FOLDER] [--only NAME ...]

One JSON a run in `runs/MODEL/`. Several processes may share the work: each run is claimed by a file
in the scratch folder, which goes when the run is done or its process ends.
"""

import argparse
import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from driftline.analyses import target_capability
from driftline.capabilities import Capability, read_suite
from driftline.engine import LocalEngine, ResultStore
from driftline.errors import RunError
from driftline.models import BASE, LanguageModel, Point, Term, Trajectory, numerics, open_model
from driftline.provenance import package_versions

from ..tasks import task_config, task_data
from .grid import BATCH, CONFIGS, NUM_ITEMS, TASKS, Cell, cells
from .rivals import BaseGradients, gradient_features, outcome_features, update_norm
from .trajectories import Leg, legs

HERE = Path(__file__).parent
STRAIGHT = "straight line"
"""The change after a fifth of the steps, prolonged to the planned run's summed learning rate."""
FIFTH = 2
"""The place of the fifth among the kept steps."""


def main() -> None:
    """Make what is missing, one run after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with ft_ and lm_ files")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--work", type=Path, default=Path("build/forgetting"))
    parser.add_argument("--only", nargs="*", default=[cell.name for cell in cells()])
    arguments = parser.parse_args()
    name = Path(arguments.model).name
    work, runs = arguments.work / name, HERE / "runs" / name
    for folder in (work, runs):
        folder.mkdir(parents=True, exist_ok=True)
    opened = open_model(arguments.model)
    capabilities = watched_capabilities()
    gradients = BaseGradients.of(opened, capabilities, work / "gradients")
    for cell in cells():
        path = runs / f"{cell.name}.json"
        if cell.name not in arguments.only or path.exists():
            continue
        with claimed(work / f"{cell.name}.claim") as mine:
            if not mine or path.exists():
                continue
            print(time.strftime("%H:%M:%S"), cell.name, flush=True)
            record = make_run(opened, cell, capabilities, gradients, arguments.data, work)
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(record) + "\n")
            partial.replace(path)
            shutil.rmtree(work / cell.name)


def watched_capabilities() -> tuple[Capability, ...]:
    """A part of the shipped suite; what needs a chat template is left out, not every model has one."""
    sampled = (c.sample(NUM_ITEMS, seed=0) for c in read_suite("core-0.1").capabilities)
    return tuple(c for c in sampled if not any(getattr(i, "messages", None) for i in c.items))


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Claim a piece of work for this process, unless a living one has it.

    Args:
        path: The claim, which holds a process id while the block runs.

    Yields:
        Whether it is ours.
    """
    with contextlib.suppress(FileNotFoundError, ValueError):
        if not Path(f"/proc/{int(path.read_text())}").exists():
            path.unlink()
    try:
        with path.open("x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        yield False
        return
    try:
        yield True
    finally:
        path.unlink()


def make_run(
    opened: LanguageModel,
    cell: Cell,
    capabilities: Sequence[Capability],
    gradients: BaseGradients,
    folder: Path,
    work: Path,
) -> dict[str, Any]:
    """Train one run with its replicas, and score every capability along each.

    Args:
        opened: The base model.
        cell: Which run.
        capabilities: What is watched.
        gradients: Of the capabilities at the base.
        folder: Where the data files are.
        work: Scratch; a killed run takes up there.

    Returns:
        The record, as it is written.
    """
    started = time.monotonic()
    task, config, own = TASKS[cell.task], CONFIGS[cell.config], work / cell.name
    own.mkdir(exist_ok=True)
    data = task_data(task.file, folder, own, characters=task.characters, shuffled=task.shuffled)
    base = task_config(
        cell.name, {**config.more, "seed": cell.seed, "per_device_train_batch_size": BATCH}
    )
    target = target_capability(data, seed=0, opened=opened).sample(NUM_ITEMS, seed=0)
    watched = (*capabilities, target)
    with ResultStore(work / f"results-{cell.name}.sqlite") as store:
        engine = LocalEngine(opened, store)
        made = {
            leg.name: (leg, _leg(engine, leg, watched))
            for leg in legs(opened, config, base, data, own)
        }
        planned = made["planned"][0].trajectory
        # The second seed is there for the noise ceiling alone.
        rivals = {} if cell.seed else _rivals(engine, planned, watched, gradients)
        base_values = engine.evaluate((BASE,), watched)
    (work / f"results-{cell.name}.sqlite").unlink()
    return {
        "schema": "driftline/forgetting-run/1",
        "run": cell.name,
        "task": cell.task,
        "config_name": cell.config,
        "region": config.region,
        "seed": cell.seed,
        "base": opened.provenance().model_dump(),
        "data": data.provenance().model_dump(),
        "config": dict(planned.config.values),
        "frozen": list(planned.frozen),
        "learning_rate": config.learning_rate,
        "num_steps": config.num_steps,
        "numerics": numerics(opened, engine.options).model_dump(),
        "packages": package_versions(),
        "metrics": {c.name: c.metric for c in watched},
        "tolerances": {c.name: c.tolerance for c in capabilities},
        "base_values": {c.name: [round(float(v), 4) for v in base_values.values(BASE, c)] for c in watched},
        "legs": {name: row for name, (_, row) in made.items()},
        "rivals": rivals,
        "wall_seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip


def _rivals(
    engine: LocalEngine,
    planned: Trajectory,
    watched: Sequence[Capability],
    gradients: BaseGradients,
) -> dict[str, Any]:
    opened, *_, target = engine.opened, *watched
    fifth, end = (planned.direction(planned.kept_steps[at]) for at in (FIFTH, -1))
    summed = planned.plan.summed_learning_rate
    ratio = summed(planned.plan.num_steps) / summed(fifth.step)
    line = Point(STRAIGHT, (Term(fifth, ratio),))
    straight = _losses(engine, {STRAIGHT: line}, watched)
    return {
        "straight_line": None
        if straight is None
        else {c: rows[STRAIGHT] for c, rows in straight.items()},
        "update_norm": {
            "fifth": update_norm(opened, fifth),
            "end": update_norm(opened, end),
        },
        **outcome_features(opened, target, end),
        **gradient_features(opened, gradients, fifth),
    }


def _leg(engine: LocalEngine, leg: Leg, watched: Sequence[Capability]) -> dict[str, Any]:
    trajectory, started = leg.trajectory, time.process_time()
    facts: dict[str, Any] = {
        "learning_rate": trajectory.plan.learning_rates and max(trajectory.plan.learning_rates),
        "num_steps": trajectory.plan.num_steps,
        "share": leg.share,
        "summed_learning_rate": {
            s: trajectory.plan.summed_learning_rate(s) for s in trajectory.kept_steps
        },
    }
    try:
        trajectory.ensure_trained()
    except RunError as error:
        return {**facts, "failed": str(error)}
    trained = time.process_time()
    points = {s: Point(f"step {s}", (Term(trajectory.direction(s), 1.0),)) for s in trajectory.kept_steps}  # fmt: skip
    losses = _losses(engine, points, watched)
    return {
        **facts,
        "tokens_trained": trajectory.num_tokens_trained(),
        "training_cpu_seconds": round(trained - started, 1),
        "scoring_cpu_seconds": round(time.process_time() - trained, 1),
        "losses": losses,
        **({} if losses else {"failed": "the scores are not finite"}),
    }


def _losses(
    engine: LocalEngine, points: dict[Any, Point], watched: Sequence[Capability]
) -> dict[str, dict[Any, list[float]]] | None:
    """Loss of every item from the base, by capability and point; None where it is not finite."""
    try:
        table = engine.evaluate((BASE, *points.values()), watched)
    except RunError as error:
        print("   ", error, flush=True)
        return None
    return {
        c.name: {
            key: [round(float(loss), 4) for loss in table.item_losses(point, c, base=BASE)]
            for key, point in points.items()
        }
        for c in watched
    }


if __name__ == "__main__":
    main()
