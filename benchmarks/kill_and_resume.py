"""Kill a run at random moments, resume it each time, and see what its store and table are worth.

    python -m benchmarks.kill_and_resume --points 200 --kills 20 --out benchmarks/kill_and_resume.json

A process evaluates noise points of a tiny model and is killed with SIGKILL; the next one takes the
run folder up. Every evaluation appends a line to a log as it begins, so that the log and the store
together prove what was evaluated again.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import JsonValue
from torch import Tensor

from driftline.capabilities import Capability, MinimalPair, Passage
from driftline.engine import LocalEngine, ResultStore, RunFolder
from driftline.models import LanguageModel, NoiseDirection, Point, Term, open_model
from tests import tiny

CAPABILITIES = (
    Capability(
        "pairs",
        "minimal_pair",
        "margin_nats",
        0.25,
        tuple(MinimalPair(id=str(i), good=f"{i} cats run.", bad=f"{i} cat run.") for i in range(6)),
    ),
    Capability(
        "texts",
        "perplexity",
        "nll_nats",
        0.25,
        tuple(Passage(id=str(i), text=f"It rained on day {i}.") for i in range(6)),
    ),
)


@dataclass(frozen=True)
class LoggedNoise:
    """Noise that says when it is put in."""

    noise: NoiseDirection
    log: Path
    life: int

    def identity(self) -> JsonValue:
        """That of the noise: whoever logs it, it is the same point."""
        return self.noise.identity()

    def prepare(self) -> None:
        """Append to the log: one write, so that a kill leaves a whole line or none."""
        descriptor = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{self.life} {self.noise.seed}\n".encode())
        os.close(descriptor)

    def delta(self, name: str, base: Tensor) -> Tensor | None:
        """The noise."""
        return self.noise.delta(name, base)


@dataclass(frozen=True)
class Stored:
    """What a store holds."""

    is_damaged: bool
    rows: tuple[tuple[str, str, str, str], ...]
    """Key, point, capability, values."""

    def points(self) -> set[int]:
        """The points that are stored.

        Returns:
            Their seeds.

        Raises:
            RuntimeError: One is stored in part.
        """
        labels = [point for _key, point, _capability, _values in self.rows]
        if any(labels.count(label) != len(CAPABILITIES) for label in labels):
            raise RuntimeError("a point is stored in part")
        return {int(label.split()[1]) for label in labels}


@dataclass(frozen=True)
class Bench:
    """One run that is killed and resumed."""

    opened: LanguageModel
    folder: Path
    log: Path
    num_points: int

    def start(self, life: int) -> multiprocessing.process.BaseProcess:
        """Begin, or take up, the run in a process of its own."""
        # Forked, so that a life does not begin with seconds of imports.
        process = multiprocessing.get_context("fork").Process(target=self._live, args=(life,))
        process.start()
        return process

    def stored(self) -> "Stored":
        """What the store holds, read from a copy, so that looking does not mend."""
        with tempfile.TemporaryDirectory() as copy:
            for file in self.folder.glob("results.sqlite*"):
                if not file.name.endswith("-shm"):
                    shutil.copy(file, copy)
            connection = sqlite3.connect(Path(copy) / "results.sqlite")
            try:
                (state,) = connection.execute("PRAGMA integrity_check").fetchone()
                rows = []
                if connection.execute("SELECT name FROM sqlite_master").fetchall():
                    query = "SELECT key, point, capability, item_values FROM scores ORDER BY key"
                    rows = connection.execute(query).fetchall()
                return Stored(state != "ok", tuple(rows))
            finally:
                connection.close()

    def evaluated(self, life: int) -> list[int]:
        """The points that a life began to evaluate, in order."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [int(line.split()[1]) for line in lines if line.split()[0] == str(life)]

    def _live(self, life: int) -> None:
        points = [
            Point(f"noise {seed}", (Term(LoggedNoise(NoiseDirection(seed), self.log, life), 0.1),))
            for seed in range(self.num_points)
        ]
        with (
            RunFolder.open(self.folder, "bench", outputs=("done",), force=False) as folder,
            ResultStore(folder.store) as store,
        ):
            LocalEngine(self.opened, store).evaluate(points, CAPABILITIES)
        self.opened.check_unchanged()


def measure(opened: LanguageModel, root: Path, num_points: int, num_kills: int) -> dict[str, int]:
    """Run to the end once, then again under kills.

    Args:
        opened: The model.
        root: An empty folder.
        num_points: Of the run.
        num_kills: How often to kill it; fewer if it ends before.

    Returns:
        What happened, in numbers.
    """
    whole = Bench(opened, root / "whole", root / "whole.log", num_points)
    started = time.monotonic()
    _end(whole.start(0))
    seconds_a_point = (time.monotonic() - started) / num_points

    bench = Bench(opened, root / "killed", root / "killed.log", num_points)
    kills, life, unfinished, twice, damaged = 0, 0, 0, 0, 0
    before: set[int] = set()
    while True:
        process = bench.start(life)
        left = num_points - len(before)
        process.join(random.uniform(0, 2 * left * seconds_a_point / (num_kills - kills + 1)))
        killed = process.is_alive() and kills < num_kills
        if killed and process.pid is not None:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            kills += 1
        else:
            _end(process)
        evaluated = bench.evaluated(life)
        twice += len(before & set(evaluated)) + len(evaluated) - len(set(evaluated))
        stored = bench.stored()
        damaged += stored.is_damaged
        before = stored.points()
        unfinished += len(set(evaluated) - before)
        life += 1
        if not killed:
            break
    total = sum(len(bench.evaluated(number)) for number in range(life))
    return {
        "num_points": num_points,
        "num_kills": kills,
        "num_kills_inside_a_point": unfinished,
        "num_evaluations": total,
        "num_evaluations_of_stored_points": twice,
        "num_damaged_stores": damaged,
        "same_table": int(stored.rows == whole.stored().rows),
        "num_stored_scores": len(stored.rows),
    }


def _end(process: multiprocessing.process.BaseProcess) -> None:
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"a run ended with exit code {process.exitcode}")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    # Before anything else: a process with threads must not be forked.
    torch.set_num_threads(1)
    random.seed(arguments.seed)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as root:
        opened = open_model(str(tiny.save(Path(root) / "model")))
        found = measure(opened, Path(root), arguments.points, arguments.kills)
    result = {
        "schema": "driftline/kill-and-resume/1",
        "seed": arguments.seed,
        **found,
        "same_table": bool(found["same_table"]),
        "wall_seconds": round(time.monotonic() - started, 1),
    }
    text = json.dumps(result, indent=2) + "\n"
    print(text, end="")
    if arguments.out is not None:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
