"""Does a plan gain more than each tuned method, at equal compute, on tasks that nothing was chosen on?

    python -m evidence.protocols.held_out --data FOLDER --model FOLDER

Set before any run was made. After three runs, before any result was read, runs per method were cut from nine to six and
rows from 1,280 to 800, for time:

- Tasks: arithmetic word problems (`ft_gsm8k_train`) and code to instructions (`ft_gpteacher_codegen`). Defaults and
  levers of `plan` were chosen on Spanish pairs, Shakespeare and MedQuAD.
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
no point is within the tolerances. On the first task the plan had ended with the base, most of its budget unspent.
"""

import argparse
import json
import random
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from driftline.analyses import PlanRequest, plan
from driftline.analyses.items import Halves, split_items
from driftline.analyses.planning import (
    SCALES,
    PlanData,
    PlanRuler,
    ProtocolEvaluation,
    best_of,
    hold_out,
)
from driftline.capabilities import Suite, read_suite
from driftline.engine import LocalEngine, ResultStore, RunFolder, Table
from driftline.models import (
    BASE,
    HeldDirection,
    LanguageModel,
    Levers,
    Point,
    Term,
    TrainingConfig,
    TrainingData,
    Trajectory,
    open_model,
    plan_training,
)
from driftline.provenance import package_versions
from driftline.results import Plan

from ..tasks import LORA, task_config, task_data
from .run import write_record

HERE = Path(__file__).parent / "held_out"
TASKS = {"math": ("ft_gsm8k_train", (0, 400)), "code": ("ft_gpteacher_codegen", (0, 300))}
KEPT = ("grammar_pairs", "induction", "commonsense_pairs", "english_text")
NUM_ITEMS, TOLERANCES = 80, 4.0
NUM_STEPS, BATCH, MAX_LENGTH, NUM_EXAMPLES = 40, 4, 64, 800
ALPHA, SEED = 0.05, 0
RATES = (3e-5, 5e-5, 8e-5, 1.3e-4, 2e-4, 3e-4)
FEW_RATES = (3e-5, 1e-4, 3e-4)
PLAIN_RATE = 1e-4
AGAIN = ("math",)
"""Tasks on which the changed search was tried."""
_DIGITS = 5


@dataclass(frozen=True)
class Draw:
    """One run of a method: what its config and levers have beside the plain ones."""

    config: Mapping[str, Any]
    levers: Mapping[str, Any]


def _over_strengths(lever: str, strengths: tuple[float, ...]) -> tuple[Draw, ...]:
    return tuple(
        Draw({"learning_rate": rate}, {lever: strength})
        for rate in FEW_RATES
        for strength in strengths
    )


METHODS = {
    "full": tuple(Draw({"learning_rate": rate}, {}) for rate in RATES),
    "lora": tuple(
        Draw({**LORA, "lora_target_modules": "all-linear", "learning_rate": 10 * rate}, {})
        for rate in RATES
    ),
    "l2_sp": _over_strengths("l2_to_base", (30.0, 100.0)),
    "kl_to_base": _over_strengths("kl_to_base", (0.1, 0.5)),
    "replay_self": _over_strengths("replay_share", (0.05, 0.1)),
}


@dataclass(frozen=True)
class Task:
    """One task: what is trained on, and what is looked at."""

    name: str
    opened: LanguageModel
    data: TrainingData
    """All rows; a plan parts them by itself, in the same way."""
    parts: PlanData
    suite: Suite
    halves: tuple[Halves, ...]

    @property
    def choosing(self) -> PlanRuler:
        """Reads looks on the items that choose, corrected for the looks of a sweep."""
        return PlanRuler(
            tuple(halves.search for halves in self.halves),
            self.parts.target.search,
            ALPHA,
            num_candidates=len(SCALES) * len(RATES),
        )

    def config(self, name: str, changes: Mapping[str, Any]) -> TrainingConfig:
        """The config of a run."""
        shape = {
            "max_steps": NUM_STEPS,
            "per_device_train_batch_size": BATCH,
            "max_length": MAX_LENGTH,
            "warmup_steps": NUM_STEPS // 10,
            "seed": SEED,
            "data_seed": SEED,
        }
        return task_config(f"{self.name} {name}", {**shape, **changes})


def read_task(name: str, opened: LanguageModel, folder: Path, work: Path) -> Task:
    """Read a task's data, part it, and draw the items.

    Args:
        name: A key of `TASKS`.
        opened: The base.
        folder: Where the data files are.
        work: Where the sample goes.

    Returns:
        The task.
    """
    file, characters = TASKS[name]
    data = task_data(file, folder, work, characters=characters, num_examples=NUM_EXAMPLES)
    core = {c.name: c for c in read_suite("core").capabilities}
    kept = tuple(
        replace(
            core[c].sample(NUM_ITEMS, seed=SEED),
            tolerance=TOLERANCES * core[c].tolerance,
            required=True,
        )
        for c in KEPT
    )
    halves = tuple(split_items(c, num_search=NUM_ITEMS // 2, seed=SEED) for c in kept)
    parts = hold_out(data, seed=SEED, opened=opened)
    return Task(name, opened, data, parts, Suite("four of core", kept), halves)


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


def swept(task: Task, method: str, work: Path) -> dict[str, Any]:
    """Run a method over its draws, and read its best look on what chose nothing.

    Args:
        task: What is learnt.
        method: A key of `METHODS`.
        work: Scratch.

    Returns:
        The record.
    """
    began, ruler = time.process_time(), task.choosing
    seen: list[tuple[ProtocolEvaluation, Point, Draw]] = []
    num_trained, num_scored = 0, 0.0
    with ResultStore(work / "scores.sqlite") as store:
        engine = LocalEngine(task.opened, store)
        for number, draw in enumerate(METHODS[method]):
            trajectory = trained(task, draw, f"{method} {number}", work / f"{number}")
            for scale, point in looks_of(trajectory, f"{method} {number}"):
                table = engine.evaluate((BASE, point), ruler.watched)
                look = ruler.look(table, point, trial=number, step=NUM_STEPS, scale=scale)
                seen.append((look, point, draw))
            num_trained += trajectory.num_tokens_trained()
            print(time.strftime("%H:%M:%S"), task.name, method, number, flush=True)
        num_scored = len(seen) * engine.num_tokens(ruler.watched)
        best = best_of(
            [base_look(task, engine.evaluate((BASE,), ruler.watched)), *(s[0] for s in seen)]
        )
        chosen = next(((p, d) for look, p, d in seen if look is best), (BASE, None))
        reported = reading(task, engine, chosen[0])
    return {
        "task": task.name,
        "method": method,
        "tokens": num_trained + num_scored / 4,
        "looks": [look_row(look) for look, _, _ in seen],
        "chosen": None if chosen[1] is None else {**look_row(best), **dict(chosen[1].levers), **dict(chosen[1].config)},
        **reported,
        "cpu_seconds": round(time.process_time() - began, 1),
    }  # fmt: skip


def base_look(task: Task, table: Table) -> ProtocolEvaluation:
    """The base, which always meets the bounds: no method needs to do worse."""
    return task.choosing.look(table, BASE, trial=None, step=0, scale=0.0)


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
    parser.add_argument("--data", type=Path, required=True, help="folder with ft_ files")
    parser.add_argument("--model", required=True)
    parser.add_argument("--work", type=Path, default=Path("build/held-out"))
    arguments = parser.parse_args()
    opened = open_model(arguments.model)
    HERE.mkdir(exist_ok=True)
    for name in TASKS:
        for method in (*METHODS, "plan", *(("plan_again",) if name in AGAIN else ())):
            path, work = HERE / f"{name}-{method}.json", arguments.work / f"{name}-{method}"
            if path.exists():
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
