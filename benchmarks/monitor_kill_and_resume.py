"""Kill a watched run at random moments, resume it each time, and compare it with one that was left alone.

    python -m benchmarks.monitor_kill_and_resume --kills 6 \
        --out benchmarks/results/monitor_kill_and_resume.json

A tiny Llama that has learnt the suite's texts is trained at a ruinous rate, saving a checkpoint at every
second step. Each life is a process of its own, forked, and ended with SIGKILL; the next goes on from the
last checkpoint whose files are whole.
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from driftline.training import MonitorSettings, StabilityMonitor, read_log
from tests.training.runs import suite, taught_model, trainer

FIELDS: dict[str, Any] = {
    "learning_rate": 0.02,
    "lr_scheduler_type": "constant",
    "max_steps": 16,
    "save_strategy": "steps",
    "save_steps": 2,
}
KEYS = {
    "check": ("step", "losses", "log_evidence", "curvature", "unpredictability", "kl_suite_nats"),
    "alarm": ("step", "detector", "capabilities", "evidence"),
}


def life(out: Path) -> None:
    """One life of the run: from its last checkpoint to its end, if it is let.

    Args:
        out: Where it writes.
    """
    torch.set_num_threads(1)
    found = sorted(
        (path.parent for path in out.glob("checkpoint-*/trainer_state.json")),
        key=lambda path: int(path.name.removeprefix("checkpoint-")),
    )
    made = trainer(out, **FIELDS)
    settings = MonitorSettings(every_steps=2, action="log", step_tokens=128)
    # Until there is a checkpoint, a new life is a new beginning.
    StabilityMonitor([suite()], settings, force=not found).attach(made)
    made.train(resume_from_checkpoint=str(found[-1]) if found else None)


def start(out: Path) -> multiprocessing.process.BaseProcess:
    """Begin a life.

    Args:
        out: Where it writes.

    Returns:
        Its process.
    """
    process = multiprocessing.get_context("fork").Process(target=life, args=(out,))
    process.start()
    return process


def events(out: Path) -> dict[str, list[Any]]:
    """What is compared of a run's log.

    Args:
        out: Where it wrote.

    Returns:
        By event, the fields that must agree.
    """
    records = read_log(out / "monitor" / "monitor.jsonl")
    return {
        name: [[r[key] for key in keys] for r in records if r["event"] == name]
        for name, keys in KEYS.items()
    }


def main() -> None:
    """Kill, resume, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    # Learnt once, before any fork.
    taught_model()
    generator = random.Random(wanted.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, cut = Path(folder) / "whole", Path(folder) / "cut"
        began = time.monotonic()
        process = start(whole)
        process.join()
        seconds = time.monotonic() - began
        assert process.exitcode == 0
        lives = []
        for _ in range(wanted.kills):
            process = start(cut)
            process.join(generator.uniform(0.3, 0.9) * seconds)
            if process.is_alive():
                assert process.pid is not None
                os.kill(process.pid, signal.SIGKILL)
                process.join()
            steps = [int(p.name.split("-")[1]) for p in cut.glob("checkpoint-*")]
            lives.append({"exit": process.exitcode, "last_checkpoint": max(steps, default=0)})
            if process.exitcode == 0:
                break
        if lives[-1]["exit"] != 0:
            process = start(cut)
            process.join()
            lives.append({"exit": process.exitcode, "last_checkpoint": FIELDS["max_steps"]})
        alone, again = events(whole), events(cut)
        document = {
            "steps": FIELDS["max_steps"],
            "lives": lives,
            "checks": len(alone["check"]),
            "alarms": len(alone["alarm"]),
            "checks_equal": alone["check"] == again["check"],
            "alarms_equal": alone["alarm"] == again["alarm"],
        }
    wanted.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(document)


if __name__ == "__main__":
    main()
