"""Make the runs of the benchmark that are missing.

    python -m evidence.realistic.run --data FOLDER --model FOLDER [--only NAME ...]

One Parquet file a run in `runs/MODEL/`. Several processes may share the work: each run is claimed by a
file in the scratch folder. A killed run is made again; what it trained is taken up.
"""

import argparse
import json
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy
from numpy import ndarray

from driftline.capabilities import Capability, Cloze, Item, Passage, read_suite
from driftline.engine import LocalEngine, ResultStore
from driftline.errors import RunError
from driftline.models import (
    BASE,
    LanguageModel,
    Point,
    Term,
    TrainingConfig,
    TrainingData,
    Trajectory,
    numerics,
    open_model,
    plan_training,
    read_training_data,
)
from driftline.provenance import package_versions

from ..forgetting.run import claimed
from ..tasks import _example
from .grid import (
    CONFIGS,
    EVALUATED_STEPS,
    NUM_STEPS,
    NUM_TARGET_ITEMS,
    QUICK_STARTS,
    QUICK_STEPS,
    ROW_TOKENS,
    ROWS_PER_STEP,
    TASKS,
    WARMUP_STEPS,
    Run,
    Task,
    runs,
)
from .records import Reading, write_record

HERE = Path(__file__).parent
TARGETS = ("target_trained", "target_held_out")
MAX_TARGET_TOKENS = 120
"""Of a prompt's end and of an answer's start each, so that both fit into the smallest context."""


def main() -> None:
    """Make what is missing, one run after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with ft_ and lm_ files")
    parser.add_argument("--model", required=True, help="a folder, or smollm2-135m")
    parser.add_argument("--work", type=Path, default=Path("build/realistic"))
    parser.add_argument("--out", type=Path, default=HERE / "runs")
    parser.add_argument("--suite", nargs="*", default=["core"])
    parser.add_argument("--only", nargs="*")
    arguments = parser.parse_args()
    name = Path(arguments.model).name
    work, out = arguments.work / name, arguments.out / name
    for folder in (work, out):
        folder.mkdir(parents=True, exist_ok=True)
    opened = open_model(arguments.model)
    capabilities = watched_capabilities(opened, arguments.suite)
    for run in runs(name):
        path = out / f"{run.name}.parquet"
        if path.exists() or (arguments.only and run.name not in arguments.only):
            continue
        with claimed(work / f"{run.name}.claim") as mine:
            if mine and not path.exists():
                print(time.strftime("%H:%M:%S"), run.name, flush=True)
                make_run(opened, run, capabilities, arguments.data, work, path)


def watched_capabilities(opened: LanguageModel, suites: Sequence[str]) -> tuple[Capability, ...]:
    """List the capabilities of some suites that this model can be asked.

    Args:
        opened: The base; one without a chat template is not asked what needs one.
        suites: Names or files.

    Returns:
        Whole capabilities, with all items.
    """
    has_template = opened.tokenizer.chat_template is not None
    return tuple(
        capability
        for name in suites
        for capability in read_suite(name).capabilities
        if has_template or not any(getattr(i, "messages", None) for i in capability.items)
    )


def make_run(
    opened: LanguageModel,
    run: Run,
    capabilities: Sequence[Capability],
    folder: Path,
    work: Path,
    path: Path,
) -> None:
    """Train one run and its quick starts, score all capabilities along each, and write the record.

    Args:
        opened: The base model.
        run: Which run.
        capabilities: What is watched.
        folder: Where the data files are.
        work: Scratch.
        path: The record.
    """
    started, own = time.monotonic(), work / run.name
    own.mkdir(exist_ok=True)
    data, held_out = task_rows(TASKS[run.task], folder, own)
    watched = (*capabilities, *target_capabilities(opened, data, held_out))
    readings: list[Reading] = []
    legs: dict[str, Any] = {}
    with ResultStore(work / "results-base.sqlite") as store:
        readings += score(LocalEngine(opened, store), "run", [BASE], watched)
    with ResultStore(work / f"results-{run.name}.sqlite") as store:
        engine = LocalEngine(opened, store)
        for leg, trajectory in legs_of(opened, run, data, own):
            legs[leg] = train(trajectory)
            if "failed" in legs[leg]:
                continue
            points = [step_point(trajectory, step) for step in trajectory.kept_steps]
            began = time.process_time()
            try:
                readings += score(engine, leg, points, watched)
            except RunError as error:
                legs[leg]["failed"] = str(error)
                continue
            legs[leg]["scoring_cpu_seconds"] = round(time.process_time() - began, 1)
        settings = numerics(opened, engine.options).model_dump()
    facts = {
        "schema": "driftline/realistic-run/1",
        "run": run.name,
        "task": run.task,
        "config_name": run.config,
        "region": CONFIGS[run.config].region,
        "seed": run.seed,
        "learning_rate": CONFIGS[run.config].learning_rate,
        "base": opened.provenance().model_dump(),
        "data": data.provenance().model_dump(),
        "config": training_values(run),
        "numerics": settings,
        "packages": package_versions(),
        "legs": legs,
        "capabilities": {
            c.name: {"digest": c.digest, "metric": c.metric, "tolerance": c.tolerance}
            for c in capabilities
        },
        "wall_seconds": round(time.monotonic() - started, 1),
    }
    write_record(path, facts, readings)
    (work / f"results-{run.name}.sqlite").unlink()
    shutil.rmtree(own)


def score(
    engine: LocalEngine, leg: str, points: Sequence[Point], watched: Sequence[Capability]
) -> list[Reading]:
    """Score all capabilities at some points of a leg."""
    table = engine.evaluate(points, watched)
    return [
        reading
        for point in points
        for capability in watched
        for reading in readings_of(
            leg, step_of(point), capability, table.item_metrics(point, capability)
        )
    ]


def task_rows(task: Task, folder: Path, work: Path) -> tuple[TrainingData, TrainingData]:
    """Sample the rows of a task: those that are trained on, and others that are not.

    Args:
        task: Which task.
        folder: Where the data files are.
        work: Where the samples are written.

    Returns:
        Training data and held-out data.
    """
    with (folder / f"{task.file}.jsonl").open(encoding="utf-8") as file:
        rows = [_example(json.loads(line)) for line in file]
    rows = [row for row in rows if all(text.strip() for text in row.values())]
    random.Random(0).shuffle(rows)
    num_held_out = 2 * NUM_TARGET_ITEMS
    held_out, trained = rows[:num_held_out], rows[num_held_out : num_held_out + task.num_rows]
    if task.shuffled:
        for part in (held_out, trained):
            completions = [row["completion"] for row in part]
            for row, other in zip(part, completions[-1:] + completions[:-1], strict=True):
                row["completion"] = other
    found = []
    for name, part in (("trained", trained), ("held-out", held_out)):
        path = work / f"{task.file}-{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
        found.append(read_training_data(path))
    return found[0], found[1]


def target_capabilities(
    opened: LanguageModel, trained: TrainingData, held_out: TrainingData
) -> tuple[Capability, Capability]:
    """The task itself as two capabilities: on rows that are trained on, and on rows that are not."""
    found = []
    for name, data in zip(TARGETS, (trained, held_out), strict=True):
        rows = islice(data.examples, NUM_TARGET_ITEMS)
        items = tuple(_target_item(opened, i, row) for i, row in enumerate(rows))
        scorer: Literal["perplexity", "cloze"] = (
            "perplexity" if isinstance(items[0], Passage) else "cloze"
        )
        found.append(Capability(name, scorer, "nll_nats", 1e9, items))
    return found[0], found[1]


def _target_item(opened: LanguageModel, index: int, row: Any) -> Item:  # noqa: ANN401 - a row of the data
    if "text" in row:
        return Passage(id=str(index), text=_start(opened, row["text"]))
    prompt, completion = row["prompt"], row["completion"]
    return Cloze(
        id=str(index),
        prompt=_start(opened, prompt[::-1], reverse=True),
        completion=_start(opened, completion),
    )


def _start(opened: LanguageModel, text: str, reverse: bool = False) -> str:
    """Cut a text to its first tokens; a reversed one to its last, the right way round."""
    text = text[: 6 * MAX_TARGET_TOKENS]
    while True:
        shown = text[::-1] if reverse else text
        if len(opened.tokenizer(shown)["input_ids"]) <= MAX_TARGET_TOKENS:
            return shown
        text = text[: len(text) * 9 // 10]


def training_values(run: Run) -> dict[str, Any]:
    """The run's config in TRL's field names."""
    config = CONFIGS[run.config]
    return {
        "learning_rate": config.learning_rate,
        "max_steps": NUM_STEPS,
        "per_device_train_batch_size": ROWS_PER_STEP,
        "gradient_accumulation_steps": 1,
        "max_length": ROW_TOKENS,
        "packing": True,
        "packing_strategy": "wrapped",
        "lr_scheduler_type": "cosine",
        "warmup_steps": WARMUP_STEPS,
        "weight_decay": 0.0,
        "activation_checkpointing": False,
        "seed": run.seed,
        **config.more,
    }


def legs_of(
    opened: LanguageModel, run: Run, data: TrainingData, work: Path
) -> Iterator[tuple[str, Trajectory]]:
    """The run itself, then its quick starts; none of them trained yet."""
    values = training_values(run)
    plan_config = TrainingConfig(run.name, values, run.name)
    yield "run", _trajectory(opened, plan_config, data, work, EVALUATED_STEPS)
    for factor, steps in QUICK_STARTS.items():
        quick = {
            **values,
            "learning_rate": factor * values["learning_rate"],
            "max_steps": QUICK_STEPS,
            "lr_scheduler_type": "constant_with_warmup",
            "warmup_steps": 2,
        }
        config = TrainingConfig(run.name, quick, run.name)
        yield f"quick-{factor:g}", _trajectory(opened, config, data, work, steps)


def _trajectory(
    opened: LanguageModel,
    config: TrainingConfig,
    data: TrainingData,
    work: Path,
    kept: tuple[int, ...],
) -> Trajectory:
    return Trajectory(opened, config, data, work, kept, plan_training(opened, config, data))


def train(trajectory: Trajectory) -> dict[str, Any]:
    """Train a leg; facts about it, with the reason where it failed."""
    rates = trajectory.plan.learning_rates
    facts: dict[str, Any] = {
        "num_steps": trajectory.plan.num_steps,
        "learning_rates": [round(rate, 12) for rate in rates],
        "summed_learning_rate": {
            str(step): trajectory.plan.summed_learning_rate(step) for step in trajectory.kept_steps
        },
    }
    began = time.process_time()
    try:
        trajectory.ensure_trained()
    except RunError as error:
        return {**facts, "failed": str(error)}
    return {
        **facts,
        "tokens_trained": trajectory.num_tokens_trained(),
        "training_cpu_seconds": round(time.process_time() - began, 1),
    }


def step_point(trajectory: Trajectory, step: int) -> Point:
    """The weights after a step."""
    return Point(f"step {step}", (Term(trajectory.direction(step), 1.0),))


def step_of(point: Point) -> int:
    """The step whose weights a point stands for; 0 of the base."""
    return 0 if point is BASE else int(point.label.split()[-1])


def readings_of(
    leg: str, step: int, capability: Capability, metrics: Sequence[dict[str, float]]
) -> Iterator[Reading]:
    """The quantities that are kept of one capability at one point."""

    def column(name: str) -> ndarray:
        return numpy.array([item[name] for item in metrics])

    if capability.scorer in ("cloze", "perplexity"):
        yield Reading(leg, step, capability.name, "nll", column("nll_nats"))
        return
    probability = numpy.clip(column("probability"), 1e-12, 1 - 1e-12)
    yield Reading(leg, step, capability.name, "margin", column("margin_nats"))
    yield Reading(
        leg, step, capability.name, "log_odds", numpy.log(probability) - numpy.log1p(-probability)
    )


if __name__ == "__main__":
    main()
