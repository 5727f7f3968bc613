"""Kill watched runs at random moments, resume them each time, and compare each with one left alone.

    python -m benchmarks.monitor_kill_and_resume --kills 20 \
        --out benchmarks/results/monitor_kill_and_resume.json

A tiny Llama that has learnt the suite's texts is trained at a ruinous rate, saving a checkpoint at every
second step. Each life is a process of its own, forked, and ended with SIGKILL; the next goes on from the
last checkpoint whose files are whole. Runs are begun anew until there were so many kills.
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
from tests.monitor.runs import suite, taught_model, trainer

FIELDS: dict[str, Any] = {
    "learning_rate": 0.02,
    "lr_scheduler_type": "constant",
    "max_steps": 16,
    "save_strategy": "steps",
    "save_steps": 2,
}
KEYS = {
    "check": ("step", "losses", "log_evidence", "unpredictability", "kl_suite_nats"),
    "glance": ("step", "kl_suite_nats"),
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
    settings = MonitorSettings(every_steps=4, glance_every_steps=1, action="log", step_tokens=128)
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


def killed_and_resumed(
    out: Path, generator: random.Random, num_events: int
) -> list[dict[str, Any]]:
    """One run, killed some times at random moments and then left alone.

    A moment is so many events of the log and a fraction of a second later, not a time of the clock,
    so that it falls everywhere in the run however busy the machine is.

    Args:
        out: Where it writes.
        generator: Of the moments.
        num_events: In the log of a run that nobody ends.

    Returns:
        Its lives: exit status, the last checkpoint, and what the log ended with.
    """
    lives: list[dict[str, Any]] = []
    num_kills = generator.randint(1, 4)
    while not lives or lives[-1]["exit"] != 0:
        process = start(out)
        if len(lives) < num_kills:
            _wait(process, out, generator.randint(0, num_events // 2))
            process.join(generator.uniform(0, 0.3))
            if process.is_alive():
                assert process.pid is not None
                os.kill(process.pid, signal.SIGKILL)
        process.join()
        steps = [int(p.name.split("-")[1]) for p in out.glob("checkpoint-*")]
        last = _held(out)[-1:]
        lives.append(
            {
                "exit": process.exitcode,
                "last_checkpoint": max(steps, default=0),
                "log_ends_with": [(r["event"], r["step"]) for r in last],
            }
        )
    return lives


def _wait(process: multiprocessing.process.BaseProcess, out: Path, num_more: int) -> None:
    """Until the log has so many lines more, or the process has ended."""
    log = out / "monitor" / "monitor.jsonl"

    def lines() -> int:
        return log.read_bytes().count(b"\n") if log.exists() else 0

    wanted = lines() + num_more
    while process.is_alive() and lines() < wanted:
        time.sleep(0.01)


def _held(out: Path) -> list[Any]:
    log = out / "monitor" / "monitor.jsonl"
    return list(read_log(log)) if log.exists() else []


def main() -> None:
    """Kill, resume, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    # Learnt once, before any fork.
    taught_model()
    generator = random.Random(wanted.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        process = start(whole)
        process.join()
        assert process.exitcode == 0
        alone, num_kills = events(whole), 0
        runs: list[dict[str, Any]] = []
        while num_kills < wanted.kills:
            cut = Path(folder) / f"cut-{len(runs)}"
            lives = killed_and_resumed(cut, generator, len(_held(whole)))
            num_kills += len(lives) - 1
            again = events(cut)
            runs.append(
                {"lives": lives} | {f"{name}s_equal": alone[name] == again[name] for name in KEYS}
            )
            print(len(runs), num_kills, {k: v for k, v in runs[-1].items() if k != "lives"})
    document = {
        "steps": FIELDS["max_steps"],
        "kills": num_kills,
        "runs": len(runs),
        **{f"{name}s": len(alone[name]) for name in KEYS},
        **{f"all_{name}s_equal": all(run[f"{name}s_equal"] for run in runs) for name in KEYS},
        "each": runs,
    }
    wanted.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print({key: value for key, value in document.items() if key != "each"})


if __name__ == "__main__":
    main()
