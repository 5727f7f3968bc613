"""What the monitor costs: processor time and peak memory, of a run with it and one without.

    python -m benchmarks.monitor_cost --model build/models/stories15m \
        --out benchmarks/results/monitor_cost.json

Each run is a process of its own, forked once everything is imported. Processor time of this thread is
measured, not the clock, so that other work on the machine does not count. The share at the default
cadence is derived from the cost of a check and of a step, since a run long enough to hold several
such checks takes forty times as long as they do.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from trl import SFTConfig, SFTTrainer

from driftline.capabilities import Capability, Suite, read_suite
from driftline.models import open_model
from driftline.training import MonitorSettings, StabilityMonitor, read_log

NUM_STEPS, EVERY, MAX_LENGTH, BATCH = 9, 3, 128, 4
TEXT = "The shop opens at nine and nobody had seen the key that hung beside the old door. " * 12


class _Clock(transformers.TrainerCallback):  # type: ignore[misc]
    """Processor seconds of each step, from its beginning to its end."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._began = 0.0

    def on_step_begin(self, *_args: Any, **_kwargs: Any) -> None:  # noqa: ANN401
        """Start."""
        self._began = time.process_time()

    def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:  # noqa: ANN401
        """Stop."""
        self.seconds.append(time.process_time() - self._began)


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
            learning_rate=1e-5,
            bf16=False,
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
        before = time.process_time()
        log: list[Any] = []
        if watched:
            settings = MonitorSettings(every_steps=EVERY, action="log")
            monitor = StabilityMonitor([suite], settings, out=Path(folder) / "monitor")
            monitor.attach(trainer)
        # After the monitor at a step's beginning and end, so that its work in between is counted.
        trainer.add_callback(clock)
        trainer.train()
        if watched:
            log = list(read_log(Path(folder) / "monitor" / "monitor.jsonl"))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found = {
            "step_seconds": clock.seconds,
            "train_seconds": time.process_time() - before,
            "peak_mib": peak,
            "check_tokens": log[0]["check_tokens"] if log else None,
        }
    out.write_text(json.dumps(found), encoding="utf-8")


def _has_chat(capability: Capability) -> bool:
    return any(getattr(item, "messages", None) is not None for item in capability.items)


def main() -> None:
    """Make both runs, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    datasets.disable_progress_bars()
    # Cost does not hang on what is required, and a small model knows little.
    core = read_suite("core")
    suite = Suite(core.name, tuple(replace(c, required=False) for c in core.capabilities))
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
    on, off = found["on"], found["off"]
    is_checked = [number % EVERY == 0 for number in range(1, NUM_STEPS + 1)]
    # The first step pays for what is made once.
    step = statistics.median(off["step_seconds"][1:])
    checked = [s for s, due in zip(on["step_seconds"], is_checked, strict=True) if due]
    check = statistics.median(checked) - step
    cadence = -(-on["check_tokens"] // (0.025 * 3 * BATCH * MAX_LENGTH))
    document = {
        "model": Path(wanted.model).name,
        "step_tokens": BATCH * MAX_LENGTH,
        "check_tokens": on["check_tokens"],
        "step_seconds": step,
        "check_seconds": check,
        "start_seconds": on["train_seconds"]
        - sum(on["step_seconds"])
        - (off["train_seconds"] - sum(off["step_seconds"])),
        "default_every_steps": cadence,
        "share_at_default_derived": check / (cadence * step),
        "share_at_every_step_derived": check / step,
        "peak_mib": {"off": off["peak_mib"], "on": on["peak_mib"]},
        "processors": os.cpu_count(),
        "runs": found,
    }
    wanted.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print({key: value for key, value in document.items() if key != "runs"})


if __name__ == "__main__":
    main()
