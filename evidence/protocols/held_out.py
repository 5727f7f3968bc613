"""Does a plan gain more than each tuned method, at equal compute, on tasks that nothing was chosen on?

    python -m evidence.protocols.held_out --data FOLDER --model FOLDER

The first comparison, on arithmetic word problems (`ft_gsm8k_train`) and code to instructions
(`ft_gpteacher_codegen`), was set before any run was made. After three runs, before any result was read, runs per method
were cut from nine to six and rows from 1,280 to 800, for time:

- Defaults and levers of `plan` were chosen on Spanish pairs, Shakespeare and MedQuAD.
- Kept: four capabilities of the suite `core`, 80 items of each, half of which choose. Four times the suite's
  tolerances, since so few items bound a loss no closer.
- Methods: full fine-tuning and LoRA over six learning rates; L2-SP, KL to the base and self-generated replay over
  three rates by two strengths. Each run is 40 steps of 4 examples, and is read at the four scales of `plan`.
- Equal compute: the plan starts from full fine-tuning at 1e-4 and may spend what the six runs of full
  fine-tuning cost with their looks. The further forward pass of KL and the writing of replayed text are not counted.
- One rule for all: among all looks of a method the largest merit (the gain, less a tenth of it for each tolerance of the worst loss)
  whose upper bounds are within the tolerances, corrected for the number of looks (the plan's for its own).
  The best single method is the one with the largest merit there.
- Compared: the gain on held-out rows that chose nothing, plan over method, row by row; the interval
  (90 %) is of a bootstrap over rows. The front: the area of `judge.hypervolume` up to one tolerance, on what chooses.
- The claim "10 % above the best single method" is shown on a task if the interval lies above 1.10, and refuted if below.

One JSON a method and task in `held_out/`; what is there is not made again. `judge_held_out.py` reads them.

Added after both plans had been judged: `plan_again`, a plan by a search that keeps nothing back for scaling parts while
no point is within the tolerances, and then tries a lower rate. On the first task the plan had ended with the base, most of its budget unspent.

The second comparison, set before any run of it was made, judges that search on two fresh tasks: the right endings of everyday
scenes (`probe_hellaswag_val`, the scene as the prompt) and passages of novels (`probe_lambada_openai`, as text). No run,
default, fit or test has used these files; the other candidates have too few rows (`probe_humaneval_py_cpp_js`,
`probe_winograd_wsc`) or texts far beyond 64 tokens (`probe_boolq_val`). Model, capabilities, items, tolerances,
methods, steps, budget and rule are those above. The five methods of both tasks are made first, the two plans last, each
once. Until the plans begin, the search may be changed by what it does on the earlier two tasks, and by nothing that the fresh ones say;
the records of the methods are not read before. A change after that is not judged on these tasks. At the times of the
first comparison all of it takes half an hour of one core, so nothing was reduced.

Changed after one method of one fresh task had run, whose record was deleted unread: a plan has since the first comparison
left out of its bounds what the base is not shown to have by the items that choose (`PlanRuler.deciding`); the methods now do so too, or the rule
would not be one for all. `code-plan_again.json` was made with that rule and the methods of its task without, so that it
compares nothing; `math-plan_again.json` is older than that rule. The machine being shared, the plans were
begun before the last methods had ended; the search was not changed from then on, and no record was read before all were there.
"""

import argparse
import json
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from driftline.analyses import PlanRequest, plan
from driftline.analyses.comparison import nothing_to_lose
from driftline.analyses.planning import SCALES, PlanRuler, ProtocolEvaluation, best_of
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
from driftline.provenance import package_versions
from driftline.results import Plan

from .held_out_tasks import (
    ALPHA,
    EARLIER,
    FRESH,
    METHODS,
    NUM_STEPS,
    PLAIN_RATE,
    SEED,
    TASKS,
    Draw,
    Task,
    read_task,
)
from .run import write_record

HERE = Path(__file__).parent / "held_out"
RUNS = (
    ("code", "plan_again"),
    *((task, method) for task in EARLIER for method in (*METHODS, "plan")),
    ("math", "plan_again"),
    *((task, method) for task in FRESH for method in METHODS),
    *((task, "plan") for task in FRESH),
)
"""What is made, in this order: the plans of the fresh tasks last."""
_DIGITS = 5


def trained(task: Task, draw: Draw, name: str, work: Path) -> Trajectory:
    """Train one run.

    Args:
        task: What is learnt.
        draw: Of the method.
        name: Of the run.
        work: Scratch.

    Returns:
        The run, with its last step kept.
    """
    config = task.config(name, draw.config)
    planned = plan_training(task.opened, config, task.parts.train)
    levers = Levers.from_values(dict(draw.levers), origin=name)
    trajectory = Trajectory(
        task.opened, config, task.parts.train, work, (planned.num_steps,), planned, levers=levers
    )
    trajectory.ensure_trained()
    return trajectory


def looks_of(trajectory: Trajectory, name: str) -> Iterator[tuple[float, Point]]:
    """Stand a trained run at every scale.

    Args:
        trajectory: Trained.
        name: Of the run.

    Yields:
        Scale and point.
    """
    direction = HeldDirection(trajectory.direction(trajectory.kept_steps[-1]))
    for scale in SCALES:
        yield scale, Point(f"{name} {scale:g}", (Term(direction, scale),))


def choosing(task: Task, engine: LocalEngine) -> PlanRuler:
    """Return the ruler of the items that choose; as in a plan, what the base is not shown to have decides nothing."""
    ruler = task.choosing
    table = engine.evaluate((BASE,), ruler.watched)
    lacking = [c.name for c in ruler.deciding if nothing_to_lose(c, table) is not None]
    return replace(ruler, lacking=frozenset(lacking))


def swept(task: Task, method: str, work: Path) -> dict[str, Any]:
    """Run a method over its draws, and read its best look on what chose nothing.

    Args:
        task: What is learnt.
        method: A key of `METHODS`.
        work: Scratch.

    Returns:
        The record.
    """
    began = time.process_time()
    seen: list[tuple[ProtocolEvaluation, Point, Draw]] = []
    num_trained, num_scored = 0, 0.0
    with ResultStore(work / "scores.sqlite") as store:
        engine = LocalEngine(task.opened, store)
        ruler = choosing(task, engine)
        for number, draw in enumerate(METHODS[method]):
            trajectory = trained(task, draw, f"{method} {number}", work / f"{number}")
            for scale, point in looks_of(trajectory, f"{method} {number}"):
                table = engine.evaluate((BASE, point), ruler.watched)
                look = ruler.look(table, point, trial=number, step=NUM_STEPS, scale=scale)
                seen.append((look, point, draw))
            num_trained += trajectory.num_tokens_trained()
            print(time.strftime("%H:%M:%S"), task.name, method, number, flush=True)
        num_scored = len(seen) * engine.num_tokens(ruler.watched)
        table = engine.evaluate((BASE,), ruler.watched)
        # The base always meets the bounds: no method needs to do worse.
        base = ruler.look(table, BASE, trial=None, step=0, scale=0.0)
        best = best_of([base, *(s[0] for s in seen)])
        chosen = next(((p, d) for look, p, d in seen if look is best), (BASE, None))
        reported = reading(task, engine, chosen[0])
    return {
        "task": task.name,
        "method": method,
        "tokens": num_trained + num_scored / 4,
        "deciding": [capability.name for capability in ruler.deciding],
        "looks": [look_row(look) for look, _, _ in seen],
        "chosen": None if chosen[1] is None else {**look_row(best), **dict(chosen[1].levers), **dict(chosen[1].config)},
        **reported,
        "cpu_seconds": round(time.process_time() - began, 1),
    }  # fmt: skip


def look_row(look: ProtocolEvaluation) -> dict[str, Any]:
    """One look on the items that choose."""
    return {
        "trial": look.trial,
        "scale": look.scale,
        "gain": round(look.gain, _DIGITS),
        "worst": round(look.worst_loss, _DIGITS),
        "largest_bound": round(look.violation + 1, _DIGITS),
    }


def reading(task: Task, engine: LocalEngine, point: Point) -> dict[str, Any]:
    """A point on the rows and items that chose nothing.

    Args:
        task: What is looked at.
        engine: Scores.
        point: Which.

    Returns:
        The gain of every row, and every item's loss in tolerances.
    """
    kept, target = [halves.report for halves in task.halves], task.parts.target.report
    table = engine.evaluate((BASE, point), (*kept, target))
    gains = -table.item_losses(point, target, base=BASE)
    losses = {c.name: table.item_losses(point, c, base=BASE) / c.tolerance for c in kept}
    return {
        "gains": [round(float(gain), _DIGITS) for gain in gains],
        "losses": {name: [round(float(v), _DIGITS) for v in values] for name, values in losses.items()},
    }  # fmt: skip


def planned(task: Task, work: Path) -> dict[str, Any]:
    """Plan with the compute of the six runs of full fine-tuning, and read what was chosen.

    Args:
        task: What is to be learnt and kept.
        work: Scratch.

    Returns:
        The record.
    """
    full = json.loads((HERE / f"{task.name}-full.json").read_text())
    request = PlanRequest(
        task.opened,
        task.data,
        (task.suite,),
        task.config("plan", {"learning_rate": PLAIN_RATE}),
        budget_tokens=full["tokens"],
        alpha=ALPHA,
        seed=SEED,
    )
    began = time.process_time()
    with RunFolder.open(work / "plan", task.name, outputs=(), force=False) as folder:
        found = plan(request, folder)
        seconds = round(time.process_time() - began, 1)
        with ResultStore(folder.store) as store:
            reported = reading(
                task, LocalEngine(task.opened, store), chosen_point(task, found, work)
            )
    document = json.loads(found.to_json())
    return {
        "task": task.name,
        "method": "plan",
        "tokens": document["budget"]["used_tokens"],
        "looks": [
            {
                "trial": look["trial"],
                "scale": look["scale"],
                "parts": look["parts"],
                "gain": round(look["target_gain"], _DIGITS),
                "worst": round(look["worst_loss"], _DIGITS),
            }
            for look in document["looks"]
        ],
        "chosen": document["protocol"],
        "verdict": document["verdict"],
        "reasons": document["reasons"],
        "trials": [[t["number"], t["purpose"], t["state"]] for t in document["trials"]],
        **reported,
        "cpu_seconds": seconds,
    }


def chosen_point(task: Task, found: Plan, work: Path) -> Point:
    """What `train` makes of a plan's protocol, trained again; the base where there is none."""
    protocol = found.protocol
    if protocol is None:
        return BASE
    config = TrainingConfig(task.name, protocol.config, "")
    trajectory = Trajectory(
        task.opened,
        config,
        task.parts.train,
        work / "chosen",
        (protocol.num_steps,),
        plan_training(task.opened, config, task.parts.train),
        levers=Levers.from_values(dict(protocol.levers), origin="plan"),
    )
    trajectory.ensure_trained()
    return Point("plan", (Term(HeldDirection(trajectory.direction(protocol.num_steps)), 1.0),))


def main() -> None:
    """Make what is missing, task by task."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with ft_ and probe_ files")
    parser.add_argument("--model", required=True)
    parser.add_argument("--work", type=Path, default=Path("build/held-out"))
    parser.add_argument("--only", nargs="*", default=[], help="methods; all if none is named")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), help="tasks (default: all)")
    arguments = parser.parse_args()
    opened = open_model(arguments.model)
    HERE.mkdir(exist_ok=True)
    for name, method in RUNS:
        path, work = HERE / f"{name}-{method}.json", arguments.work / f"{name}-{method}"
        if path.exists() or (arguments.only and method not in arguments.only):
            continue
        if name not in arguments.tasks:
            continue
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        random.seed(SEED)
        task = read_task(name, opened, arguments.data, work)
        record = planned(task, work) if method.startswith("plan") else swept(task, method, work)
        common = {
            "model": Path(arguments.model).name,
            "base": opened.digest,
            "data": task.data.digest,
            "packages": package_versions(),
        }
        write_record(path, {**record, **common})
        print(time.strftime("%H:%M:%S"), path.name, record["cpu_seconds"], flush=True)
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
