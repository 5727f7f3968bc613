"""What the monitor costs: processor time, wall time and peak memory, of a run with it and one without.

    python -m benchmarks.monitor_cost --model smollm2-135m --out benchmarks/results/monitor_cost.json

Each run is a process of its own, forked once everything is imported, with one thread. Processor time is
what counts, so that other work on the machine does not; the clock's is beside it. What the monitor
spends is timed in its own callbacks, since steps differ from each other by more than a glance costs; what
is left of a watched step is compared with a step of the other run. A run long enough for several checks
at the default cadence takes forty times as long as they do, so its share is put together from a step, a
check, a glance, and the start.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from trl import SFTConfig, SFTTrainer

from driftline.capabilities import Capability, Suite, read_suite
from driftline.models import open_model
from driftline.monitor import affordable_cadence
from driftline.training import MonitorSettings, StabilityMonitor, read_log

NUM_STEPS, EVERY, GLANCE_EVERY, MAX_LENGTH, BATCH = 8, 4, 2, 128, 4
OVERHEAD = MonitorSettings().overhead
TEXT = "The shop opens at nine and nobody had seen the key that hung beside the old door. " * 12


class _Clock(transformers.TrainerCallback):  # type: ignore[misc]
    """Processor and wall seconds of each step, from its beginning to its end."""

    def __init__(self) -> None:
        self.seconds: list[tuple[float, float]] = []
        self._began = (0.0, 0.0)

    def on_step_begin(self, *_args: Any, **_kwargs: Any) -> None:  # noqa: ANN401
        """Start."""
        self._began = (time.process_time(), time.perf_counter())

    def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:  # noqa: ANN401
        """Stop."""
        now, began = (time.process_time(), time.perf_counter()), self._began
        self.seconds.append((now[0] - began[0], now[1] - began[1]))


CALLBACKS = ("on_step_begin", "on_pre_optimizer_step", "on_optimizer_step", "on_step_end")


def timed(monitor: StabilityMonitor) -> tuple[list[list[float]], list[float]]:
    """Let a monitor's callbacks be timed.

    Args:
        monitor: Before training.

    Returns:
        Processor and wall seconds of each step, and of the start; filled as training goes.
    """
    steps: list[list[float]] = []
    start = [0.0, 0.0]

    def watch(name: str) -> None:
        call: Callable[..., object] = getattr(monitor, name)

        def calling(*args: object, **kwargs: object) -> object:
            if name == "on_step_begin":
                steps.append([0.0, 0.0])
            into = start if name == "on_train_begin" else steps[-1]
            began = (time.process_time(), time.perf_counter())
            found = call(*args, **kwargs)
            into[0] += time.process_time() - began[0]
            into[1] += time.perf_counter() - began[1]
            return found

        setattr(monitor, name, calling)

    for name in ("on_train_begin", *CALLBACKS):
        watch(name)
    return steps, start


class _QuietTrainer(SFTTrainer):  # type: ignore[misc]
    """Without telemetry."""

    def _send_telemetry(self) -> None:
        pass


def run(model: str, suite: Suite, out: Path, *, watched: bool) -> None:
    """One run, in this process; its numbers go into a file.

    Args:
        model: A folder.
        suite: What is watched.
        out: The file.
        watched: With the monitor.
    """
    torch.set_num_threads(1)
    opened = open_model(model)
    if opened.tokenizer.chat_template is None:
        kept = [c for c in suite.capabilities if not _has_chat(c)]
        suite = Suite(suite.name, tuple(kept))
    with tempfile.TemporaryDirectory() as folder:
        args = SFTConfig(
            output_dir=folder,
            max_steps=NUM_STEPS,
            per_device_train_batch_size=BATCH,
            max_length=MAX_LENGTH,
            # So low that no glance asks for a check: each is timed by itself.
            learning_rate=1e-7,
            bf16=True,
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            gradient_checkpointing=False,
            logging_steps=1,
        )
        trainer = _QuietTrainer(
            model=opened.model,
            args=args,
            train_dataset=datasets.Dataset.from_list([{"text": TEXT}] * 64),
            processing_class=opened.tokenizer,
        )
        trainer.remove_callback(transformers.PrinterCallback)
        clock = _Clock()
        log: list[Any] = []
        steps: list[list[float]] = []
        start: list[float] = []
        if watched:
            settings = MonitorSettings(
                every_steps=EVERY, glance_every_steps=GLANCE_EVERY, action="log"
            )
            monitor = StabilityMonitor([suite], settings, out=Path(folder) / "monitor")
            steps, start = timed(monitor.attach(trainer))
        # After the monitor at a step's beginning and end, so that its work in between is counted.
        trainer.add_callback(clock)
        trainer.train()
        if watched:
            log = list(read_log(Path(folder) / "monitor" / "monitor.jsonl"))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found = {
            "step_seconds": clock.seconds,
            "monitor_seconds": steps,
            "start_seconds": start,
            "peak_mib": peak,
            "check_tokens": log[0]["check_tokens"] if log else None,
            "glance_tokens": log[0]["glance_tokens"] if log else None,
            "num_checks": sum(event["event"] == "check" for event in log),
        }
    out.write_text(json.dumps(found), encoding="utf-8")


def _has_chat(capability: Capability) -> bool:
    return any(getattr(item, "messages", None) is not None for item in capability.items)


@dataclass(frozen=True)
class Costs:
    """Seconds of one clock; the first step pays for what is made once and is left out."""

    step_off: float
    step_on: float
    """Of the watched run, without what the monitor spends."""
    plain: float
    """What the monitor spends in a step that nothing follows."""
    check: float
    glance: float
    start: float

    @classmethod
    def of(cls, on: dict[str, Any], off: dict[str, Any], clock: int) -> "Costs":
        """Medians of both runs.

        Args:
            on: The watched run.
            off: The other.
            clock: 0: processor; 1: wall.

        Returns:
            The costs.
        """
        spent: dict[str, list[float]] = {"check": [], "glance": [], "plain": []}
        rest = []
        for number, (step, own) in enumerate(
            zip(on["step_seconds"], on["monitor_seconds"], strict=True), start=1
        ):
            kind = "glance" if number % GLANCE_EVERY == 0 else "plain"
            spent["check" if number % EVERY == 0 else kind].append(own[clock])
            rest.append(step[clock] - own[clock])
        return cls(
            step_off=statistics.median(both[clock] for both in off["step_seconds"][1:]),
            step_on=statistics.median(rest[1:]),
            start=on["start_seconds"][clock],
            **{kind: statistics.median(taken) for kind, taken in spent.items()},
        )

    def share(self, num_steps: int, every: int, glance_every: int, num_early: int) -> float:
        """What the monitor adds to a run without it, as a share of that run.

        Args:
            num_steps: Of the run.
            every: Steps between checks.
            glance_every: Between glances.
            num_early: Checks before the regular rhythm.

        Returns:
            A ratio.
        """
        added = (
            self.start
            + num_early * self.check
            + num_steps * (self.plain + self.check / every + self.glance / glance_every)
        )
        share: float = added / (num_steps * self.step_off)
        return share


def main() -> None:
    """Make both runs, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    datasets.disable_progress_bars()
    suite = read_suite("core-0.1")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("off", "on"):
            out = Path(folder) / f"{name}.json"
            process = multiprocessing.get_context("fork").Process(
                target=run, args=(wanted.model, suite, out), kwargs={"watched": name == "on"}
            )
            process.start()
            process.join()
            found[name] = json.loads(out.read_text(encoding="utf-8"))
    wanted.out.write_text(
        json.dumps(document(Path(wanted.model).name, found), indent=1) + "\n", encoding="utf-8"
    )


def document(model: str, found: dict[str, Any]) -> dict[str, Any]:
    """The result.

    Args:
        model: Its name.
        found: Of the runs `on` and `off`.

    Returns:
        What is written; it is printed too, runs left out.
    """
    on, off = found["on"], found["off"]
    args = SFTConfig(
        output_dir=".", per_device_train_batch_size=BATCH, use_cpu=True, report_to="none"
    )
    rows = [{"input_ids": [0] * MAX_LENGTH}]
    costs = {"processor": Costs.of(on, off, 0), "wall": Costs.of(on, off, 1)}
    shares = []
    for num_steps in (500, 1_000, 5_000, 100_000):
        every, glance_every, early = affordable_cadence(
            args,
            rows,
            check_tokens=on["check_tokens"],
            glance_tokens=on["glance_tokens"],
            num_steps=num_steps,
            overhead=OVERHEAD,
        )
        shares.append(
            {"steps": num_steps, "every_steps": every, "glance_every_steps": glance_every}
            | {"early_steps": list(early)}
            | {
                name: each.share(num_steps, every, glance_every, len(early))
                for name, each in costs.items()
            }
        )
    made = {
        "model": model,
        "step_tokens": BATCH * MAX_LENGTH,
        "check_tokens": on["check_tokens"],
        "glance_tokens": on["glance_tokens"],
        "num_checks": on["num_checks"],
        "seconds": {name: asdict(each) for name, each in costs.items()},
        "share_at_default_cadence": shares,
        "share_at_every_step_without_start": {
            name: each.check / each.step_off for name, each in costs.items()
        },
        "peak_mib": {"off": off["peak_mib"], "on": on["peak_mib"]},
        "peak_ratio": on["peak_mib"] / off["peak_mib"],
        "processors": os.cpu_count(),
    }
    print(json.dumps(made, indent=1))
    return {**made, "runs": found}


if __name__ == "__main__":
    main()
