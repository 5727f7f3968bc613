"""The fragility map's estimate, and its rivals, against two direct references on SmolLM2-135M.

References, for each of the 211 matrices alone: what the module's share of a real update costs on
top of the base, L(base + share) - L(base), and what taking it back gives,
L(base + update) - L(base + update - share); float32, on the same items as every estimate.

    python -m evidence.fragility.run --task demo
    python -m evidence.fragility.run --task gsm8k --data FOLDER

A killed run goes on where it stopped. One JSON a task in `results/`. Data are named by digest and
read from the folder, never copied here.
"""

import argparse
import copy
import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import torch

from driftline.capabilities import Capability, read_suite
from driftline.engine import LocalEngine, ResultStore
from driftline.engine.evaluation import weighed_items
from driftline.models import (
    BASE,
    LanguageModel,
    NoiseDirection,
    Point,
    SlopeMeter,
    Term,
    Trajectory,
    TrajectoryDirection,
    WeighedSequences,
    at_point,
    change_norms,
    open_model,
    plan_training,
    weights_digest,
)
from driftline.provenance import package_versions
from evidence.first_forecast.run import RUNS
from evidence.fragility.judge import judge
from evidence.fragility.rivals import FLOAT32, changes, fisher_sums, functional_magnitude
from evidence.tasks import task_config, task_data

HERE = Path(__file__).parent
TASKS = {
    "demo": "demo-full-2e-4",
    "gsm8k": "gsm8k-full-1e-4",
    "medquad": "medquad-full-3e-4",
    "tatoeba": "tatoeba-full-1e-4",
}
PROBE_STEPS = 12
CAPABILITIES = (
    "grammar_pairs", "world_facts", "arithmetic", "induction", "code", "commonsense_pairs",
    "english_text",
)  # fmt: skip
"""Those with short items: the references evaluate each 211 times."""
NODES = {"base": 0.0, "gauss 1": 0.2113248654, "midpoint": 0.5, "gauss 2": 0.7886751346, "end": 1.0}
NUM_FISHER_ITEMS = 4
NOISE_NORM, NUM_NOISE_ITEMS = 0.05, 4


@dataclasses.dataclass(frozen=True)
class Setting:
    """One task's update and what is measured along it."""

    opened: LanguageModel
    update: TrajectoryDirection
    matrices: tuple[str, ...]
    capabilities: tuple[Capability, ...]
    work: Path

    def kept(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A stage's result, from disk if an earlier process made it."""
        path = self.work / f"{name.replace(' ', '-')}.json"
        if not path.exists():
            print(time.strftime("%H:%M:%S"), name, flush=True)
            started = time.process_time()
            made = make()
            made.setdefault("cpu_seconds", round(time.process_time() - started, 1))
            path.write_text(json.dumps(made))
        found: dict[str, Any] = json.loads(path.read_text())
        return found


def main() -> None:
    """Measure one task, whatever of it is missing, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=TASKS, default="demo")
    parser.add_argument("--data", type=Path, default=Path(), help="folder with the ft_ files")
    parser.add_argument("--work", type=Path, default=Path("build/fragility"))
    parser.add_argument("--items", type=int, default=5, help="items a capability")
    parser.add_argument("--noise", action="store_true", help="random finite differences too")
    arguments = parser.parse_args()
    work = arguments.work / arguments.task
    work.mkdir(parents=True, exist_ok=True)
    setting, facts = open_setting(arguments.task, arguments.data, work, arguments.items)
    measured = {
        "slopes": {
            f"{name}{suffix}": setting.kept(f"slopes {name}{suffix}", _slopes(setting, t, half))
            for name, t, half, suffix in (
                *((name, t, True, "") for name, t in NODES.items()),
                ("midpoint", 0.5, False, " float32"),
            )
        },
        "rivals": setting.kept("rivals", lambda: _rivals(setting)),
        "forward": setting.kept("forward", lambda: _forward(setting)),
        "revert": setting.kept("revert", lambda: _revert(setting)),
    }
    if arguments.noise:
        measured["noise"] = setting.kept("noise", lambda: _noise(setting))
    setting.opened.check_unchanged()
    result = {**facts, **judge(measured, [c.name for c in setting.capabilities])}
    (HERE / "results").mkdir(exist_ok=True)
    path = HERE / "results" / f"{arguments.task}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["summary"], indent=1))


def open_setting(
    task: str, folder: Path, work: Path, num_items: int
) -> tuple[Setting, dict[str, Any]]:
    """Open the model and train the probe, unless it is on disk.

    Args:
        task: A key of `TASKS`.
        folder: Where the data files are.
        work: Scratch.
        num_items: Items a capability.

    Returns:
        The setting, and what it is determined by.
    """
    name, opened = TASKS[task], open_model("smollm2-135m")
    data_name, differing = RUNS[name]
    data, config = task_data(data_name, folder, work), task_config(name, differing)
    plan = plan_training(opened, config, data)
    trajectory = Trajectory(opened, config, data, work / "directions", (PROBE_STEPS,), plan)
    update = trajectory.direction(PROBE_STEPS)
    norms = change_norms(opened, update)
    every = [c for c in read_suite("core-0.1").capabilities if c.name in CAPABILITIES]
    setting = Setting(
        opened,
        update,
        tuple(norms),
        tuple(c.sample(num_items, seed=0) for c in every),
        work,
    )
    return setting, {
        "task": task,
        "run": name,
        "steps": PROBE_STEPS,
        "base": opened.provenance().model_dump(),
        "data": data.provenance().model_dump(),
        "config": config.values,
        "num_items": {c.name: len(c.items) for c in setting.capabilities},
        "num_threads": torch.get_num_threads(),
        "packages": package_versions(),
    }


def weighed(setting: Setting) -> list[list[WeighedSequences]]:
    """Each capability's items as weighed sequences."""
    with ResultStore(setting.work / "tokens.sqlite") as store:
        engine = LocalEngine(setting.opened, store, FLOAT32)
        return [weighed_items(engine, capability) for capability in setting.capabilities]


def _slopes(setting: Setting, t: float, half: bool) -> Callable[[], dict[str, Any]]:
    def make() -> dict[str, Any]:
        items = weighed(setting)
        started = time.process_time()
        options = dataclasses.replace(FLOAT32, bfloat16=half)
        meter = SlopeMeter(setting.opened, setting.update, options)
        found, num_tokens = {}, 0
        with at_point(setting.opened, Point("node", (Term(setting.update, t),))):
            for capability, own in zip(setting.capabilities, items, strict=True):
                slopes = meter.measure(own)
                found[capability.name] = slopes.slopes.tolist()
                num_tokens += slopes.num_tokens
        return {
            "modules": [module.name for module in meter.modules],
            "relative_norms": [module.relative_norm for module in meter.modules],
            "change_norms": [module.change_norm for module in meter.modules],
            "num_parameters": [module.num_parameters for module in meter.modules],
            "values": found,
            "tokens_forward": num_tokens,
            "tokens_backward": num_tokens,
            "cpu_seconds": round(time.process_time() - started, 1),
        }

    return make


def _rivals(setting: Setting) -> dict[str, Any]:
    change = changes(setting.opened, setting.update, setting.matrices)
    items = weighed(setting)
    found: dict[str, Any] = {"fisher": {}, "functional": {}}
    started = time.process_time()
    num_tokens = 0
    for capability, own in zip(setting.capabilities, items, strict=True):
        sums = fisher_sums(setting.opened, own[:NUM_FISHER_ITEMS], change)
        found["fisher"][capability.name] = dataclasses.asdict(sums)
        num_tokens += sum(len(s.tokens) for i in own[:NUM_FISHER_ITEMS] for s in i.sequences)
    found["fisher_seconds"], found["fisher_tokens"] = time.process_time() - started, num_tokens
    started = time.process_time()
    num_tokens = 0
    for capability, own in zip(setting.capabilities, items, strict=True):
        sequences = [s for item in own for s in item.sequences]
        found["functional"][capability.name] = functional_magnitude(
            setting.opened, sequences, change
        )
        num_tokens += sum(len(s.tokens) for s in sequences)
    found["functional_seconds"] = time.process_time() - started
    found["functional_tokens"] = num_tokens
    return found


def _forward(setting: Setting) -> dict[str, Any]:
    points = [
        Point(f"{name} alone", (Term(setting.update, {name: 1.0}),)) for name in setting.matrices
    ]
    return _reference(setting, setting.opened, points, "forward", setting.capabilities)


def _revert(setting: Setting) -> dict[str, Any]:
    """Points around the tuned model, taken as a base of its own so that passes start late there."""
    tuned = copy.deepcopy(setting.opened.model)
    moved = dict(tuned.named_parameters())
    with torch.no_grad():
        for name, parameter in moved.items():
            change = setting.update.delta(name, parameter)
            if change is not None:
                parameter.add_(change)
    opened = dataclasses.replace(setting.opened, model=tuned, digest=weights_digest(tuned))
    points = [
        Point(f"without {name}", (Term(setting.update, {name: -1.0}),)) for name in setting.matrices
    ]
    found = _reference(setting, opened, points, "revert", setting.capabilities)
    # What taking the share back gives is what the share had cost.
    found["values"] = {
        name: (-numpy.array(values)).tolist() for name, values in found["values"].items()
    }
    return found


def _noise(setting: Setting) -> dict[str, Any]:
    points = [
        Point(f"noise in {name}", (Term(NoiseDirection(0), {name: NOISE_NORM}),))
        for name in setting.matrices
    ]
    few = tuple(
        dataclasses.replace(c, items=c.items[:NUM_NOISE_ITEMS]) for c in setting.capabilities
    )
    return _reference(setting, setting.opened, points, "noise", few)


def _reference(
    setting: Setting,
    opened: LanguageModel,
    points: Sequence[Point],
    name: str,
    capabilities: tuple[Capability, ...],
) -> dict[str, Any]:
    """Losses of every item from the base of a model to each point; stored as they come."""
    clock = setting.work / f"{name}.cpu-seconds"
    before = float(clock.read_text()) if clock.exists() else 0.0
    started = time.process_time()
    with ResultStore(setting.work / f"{name}.sqlite") as store:
        engine = LocalEngine(opened, store, FLOAT32)
        # In parts, so that the time spent outlives a kill.
        ordered = [BASE, *sorted(points, key=engine.scorer.sequences.first_layer)]
        for first in range(0, len(ordered), 20):
            engine.evaluate(ordered[first : first + 20], capabilities)
            clock.write_text(str(before + time.process_time() - started))
        engine.tokens_used = 0
        table = engine.evaluate([BASE, *points], capabilities)
        values = {
            c.name: numpy.stack([table.item_losses(p, c, base=BASE) for p in points], 1).tolist()
            for c in capabilities
        }
        return {
            "values": values,
            "modules": [matrix.removesuffix(".weight") for matrix in setting.matrices],
            "tokens_forward": engine.tokens_used,
            "tokens_run": _tokens_run(engine, points, capabilities),
            "cpu_seconds": round(float(clock.read_text()), 1),
        }


def _tokens_run(
    engine: LocalEngine, points: Sequence[Point], capabilities: Sequence[Capability]
) -> float:
    """Tokens in whole passes: a pass that starts at a layer counts by the layers that it runs."""
    num_layers = engine.opened.model.config.num_hidden_layers
    whole = engine.num_tokens(capabilities)
    shares = [1 - engine.scorer.sequences.first_layer(p) / num_layers for p in points]
    return float(whole * (1 + sum(shares)))


if __name__ == "__main__":
    main()
