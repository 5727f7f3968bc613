"""Make the plans that are judged against the field.

    python -m evidence.protocols.plans --data FOLDER --model build/models/stories15m

One JSON a plan in `plans/MODEL/`: the document of `driftline plan`, and what it chose read as a run of the
field is. A plan starts from the field's full fine-tuning at its middle rate, and may spend what nine such runs
cost, training and looks together.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy

from driftline.analyses import PlanRequest, plan
from driftline.engine import LocalEngine, ResultStore, RunFolder
from driftline.models import (
    BASE,
    HeldDirection,
    Levers,
    Point,
    Term,
    TrainingConfig,
    Trajectory,
    open_model,
    plan_training,
)
from driftline.results import Plan

from ..forgetting.run import claimed
from .methods import BATCH, DEPTH_LINES, METHODS, NUM_STEPS, PLAIN_RATE, PLANNED_RUNS, SCALES
from .run import (
    HERE,
    NUM_CHOOSING,
    Field,
    Task,
    config_of,
    field_parser,
    read_task,
    reading,
    write_record,
)

NUM_LOOKS = len(SCALES) + len(DEPTH_LINES)


def tokens_of_a_run(task: Task, work: Path) -> float:
    """What one run of the field costs, as a plan counts: trained tokens, and a quarter of those scored.

    Args:
        task: Of the run.
        work: Scratch.

    Returns:
        Tokens, with looks at the items that choose alone.
    """
    config = config_of(task, METHODS["full"], PLAIN_RATE)
    lengths = plan_training(task.opened, config, task.train).example_tokens
    with ResultStore(work / "count.sqlite") as store:
        choosing = [halves.search for halves in (*task.capabilities, task.target)]
        scored = LocalEngine(task.opened, store).num_tokens(choosing)
    return NUM_STEPS * BATCH * float(numpy.mean(lengths)) + NUM_LOOKS * scored / 4


def readings(task: Task, found: Plan, folder: RunFolder) -> dict[str, Any]:
    """What was chosen as `train` would make it, before its update was scaled in any way and after.

    Args:
        task: What was planned for.
        found: The plan; it has a protocol.
        folder: Of the plan, with scores and scratch.

    Returns:
        Name to reading, as in the field.
    """
    protocol = found.protocol
    assert protocol is not None
    opened, points = task.opened, {}
    after = ("interpolation", "interpolated_modules")
    for name, left_out in (("whole", after), ("plan", ())):
        values = {k: v for k, v in protocol.levers.items() if k not in left_out}
        config = TrainingConfig(task.name, protocol.config, "")
        trajectory = Trajectory(
            opened,
            config,
            task.train,
            folder.path / name,
            (protocol.num_steps,),
            plan_training(opened, config, task.train),
            levers=Levers.from_values(values, origin="plan"),
        )
        trajectory.ensure_trained()
        direction = HeldDirection(trajectory.direction(protocol.num_steps))
        points[name] = Point(name, (Term(direction, 1.0),))
    with ResultStore(folder.store) as store:
        table = LocalEngine(opened, store).evaluate((BASE, *points.values()), task.watched)
    return {name: reading(table, point, task) for name, point in points.items()}


def make_plan(task: Task, work: Path) -> dict[str, Any]:
    """Plan one task.

    Args:
        task: What is to be learnt and kept.
        work: Scratch.

    Returns:
        The record.
    """
    request = PlanRequest(
        task.opened,
        task.data,
        (task.suite,),
        config_of(task, METHODS["full"], PLAIN_RATE),
        num_search_items=NUM_CHOOSING,
        budget_tokens=PLANNED_RUNS * tokens_of_a_run(task, work),
        seed=task.seed,
    )
    began = time.process_time()
    with RunFolder.open(work / "plan", task.name, outputs=(), force=False) as folder:
        found = plan(request, folder)
        seconds = round(time.process_time() - began, 1)
        after = None if found.protocol is None else readings(task, found, folder)
    place = f"{Path(task.opened.source).parent}/"
    return {
        "task": task.name,
        "seed": task.seed,
        "cpu_seconds": seconds,
        "plan": json.loads(found.to_json().replace(place, "")),
        "looks": after,
    }


def ensure_plan(field: Field, task_name: str, seed: int) -> bool:
    """Make one plan, unless it is there or another process makes it.

    Args:
        field: Of the model.
        task_name: A key of `TASKS`.
        seed: Of the plan.

    Returns:
        Whether it was made now.
    """
    name = f"{task_name}-{seed}"
    path, work = HERE / "plans" / field.work.name / f"{name}.json", field.work / f"plan-{name}"
    for folder in (path.parent, work):
        folder.mkdir(parents=True, exist_ok=True)
    with claimed(field.work / f"plan-{name}.claim") as mine:
        if not mine or path.exists():
            return False
        print(time.strftime("%H:%M:%S"), "plan", name, flush=True)
        task = read_task(task_name, seed, field.opened, field.data, work)
        write_record(path, make_plan(task, work))
        shutil.rmtree(work)
    return True


def main() -> None:
    """Make what is missing."""
    arguments = field_parser(__doc__).parse_args()
    work = arguments.work / Path(arguments.model).name
    field = Field(open_model(arguments.model), arguments.data, work)
    for seed in arguments.seeds:
        for task_name in arguments.tasks:
            ensure_plan(field, task_name, seed)


if __name__ == "__main__":
    main()
