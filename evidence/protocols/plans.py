"""Make the plans that are judged against the field, and random searches of the same space and budget.

    python -m evidence.protocols.plans --data FOLDER --model build/models/stories15m

One JSON a plan in `plans/MODEL/`: the document of `driftline plan`. A plan starts from the same config
as the field's full fine-tuning at its middle rate, and may spend what six runs of it cost, training and looks together.
"""

import argparse
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from driftline.analyses import PlanRequest, plan
from driftline.analyses._plan_trials import early_step
from driftline.analyses._repair_cells import list_cells
from driftline.analyses._repair_looks import Ruler
from driftline.analyses._repair_search import RepairSearch, search_repair
from driftline.engine import LocalEngine, ResultStore, RunFolder
from driftline.models import (
    BASE,
    HeldDirection,
    Levers,
    Point,
    Term,
    TrainingConfig,
    Trajectory,
    TunedModel,
    change_norms,
    open_model,
    plan_training,
)
from driftline.results import Plan

from .field import DEPTH_LINES, FULL_RATES, METHODS, PLANNED_RUNS, SCALES, SEEDS, TASKS
from .run import ALPHA, NUM_CHOOSING, Task, config_of, read_task, reading

HERE = Path(__file__).parent
NUM_LOOKS = len(SCALES) + len(DEPTH_LINES)


def tokens_of_a_run(task: Task, work: Path) -> float:
    """What one run of the field costs, as a plan counts: trained tokens, and a quarter of those scored.

    Args:
        task: Of the run.
        work: Scratch.

    Returns:
        Tokens, with looks at the items that choose alone.
    """
    runs = HERE / "runs" / Path(task.opened.source).name
    record = json.loads((runs / f"{task.name}-full-{FULL_RATES[1]:g}-{task.seed}.json").read_text())
    with ResultStore(work / "count.sqlite") as store:
        choosing = [halves.search for halves in (*task.capabilities, task.target)]
        scored = LocalEngine(task.opened, store).num_tokens(choosing)
    return float(record["tokens_trained"] + NUM_LOOKS * scored / 4)


def scaled_by_parts(task: Task, found: Plan, folder: RunFolder) -> dict[str, Any]:
    """What repair makes of the chosen protocol: its update scaled part by part, on the same items.

    Args:
        task: What was planned for.
        found: The plan; it has a protocol.
        folder: Of the plan, with the change of weights that was chosen.

    Returns:
        Readings of the chosen point and of the scaled one, as in the field, and what the search took.
    """
    protocol = found.protocol
    assert protocol is not None
    opened = task.opened
    levers = Levers.from_values(
        {k: v for k, v in protocol.levers.items() if k != "interpolation"}, origin="plan"
    )
    config = TrainingConfig(task.name, protocol.config, "")
    plan_of_run = plan_training(opened, config, task.train)
    early = early_step(plan_of_run)
    kept = (early, protocol.num_steps) if early else (protocol.num_steps,)
    trajectory = Trajectory(
        opened, config, task.train, folder.directions, kept, plan_of_run, levers=levers
    )
    direction = HeldDirection(trajectory.direction(protocol.num_steps))
    tuned = Point("tuned", (Term(direction, 1.0),))
    norms = change_norms(opened, direction)
    cells = list_cells(opened.weights, {n for n, norm in norms.items() if norm.change > 0})
    squared = {c.name: sum(norms[w].change ** 2 for w in c.weights if w in norms) for c in cells}
    began = time.process_time()
    with ResultStore(folder.store) as store:
        engine = LocalEngine(opened, store)
        choosing = tuple(halves.search for halves in task.capabilities)
        ruler = Ruler(choosing, task.target.search, tuned, ALPHA, None)
        # Only the point of the tuned model is asked for by a search.
        search = RepairSearch(engine, cast(TunedModel, _Tuned(tuned)), ruler, cells, squared)
        best = search_repair(search)
        chosen = Point("chosen", (Term(direction, found.chosen.scale),))
        points = {"plan": chosen, "parts": search.point(best.candidate)}
        table = engine.evaluate((BASE, *points.values()), task.watched)
    return {
        **{name: reading(table, point, task) for name, point in points.items()},
        "family": best.candidate.family,
        "num_looks": len(search.looks),
        "cpu_seconds": round(time.process_time() - began, 1),
        "scales": dict(best.candidate.scales),
        "front": [
            {"gain": look.gain, "worst": max(loss.mean for loss in look.losses.values())}
            for look in search.looks
        ],
    }


@dataclass(frozen=True)
class _Tuned:
    point: Point


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with ft_, lm_, probe_ files"
    )
    parser.add_argument("--model", default="build/models/stories15m")
    parser.add_argument("--work", type=Path, default=Path("build/protocols"))
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    arguments = parser.parse_args()
    opened, name = open_model(arguments.model), Path(arguments.model).name
    plans = HERE / "plans" / name
    plans.mkdir(parents=True, exist_ok=True)
    for seed in arguments.seeds:
        for task_name in arguments.tasks:
            path = plans / f"{task_name}-{seed}.json"
            if path.exists():
                continue
            print(time.strftime("%H:%M:%S"), path.stem, flush=True)
            work = arguments.work / name / task_name
            task = read_task(task_name, seed, opened, arguments.data, work)
            config = config_of(task, METHODS["full"], FULL_RATES[1])
            request = PlanRequest(
                opened,
                task.data,
                (task.suite,),
                config,
                num_search_items=NUM_CHOOSING,
                budget_tokens=PLANNED_RUNS * tokens_of_a_run(task, work),
                seed=seed,
            )
            began = time.process_time()
            own = work / f"plan-{seed}"
            with RunFolder.open(own, path.stem, outputs=(), force=False) as folder:
                found = plan(request, folder)
                seconds = round(time.process_time() - began, 1)
                after = None if found.protocol is None else scaled_by_parts(task, found, folder)
            document = {
                "task": task_name,
                "seed": seed,
                "cpu_seconds": seconds,
                "plan": json.loads(found.to_json().replace(f"{Path(arguments.model).parent}/", "")),
                "looks": after,
            }
            path.write_text(json.dumps(document) + "\n")
            shutil.rmtree(own)


if __name__ == "__main__":
    main()
