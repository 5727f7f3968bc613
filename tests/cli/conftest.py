"""A planned run as a user has it: a model, data, a config and a suite in files."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Planned:
    """The files of one planned run."""

    model: str
    data: Path
    config: Path
    suite: str
    out: Path

    def arguments(self, command: str = "forecast") -> list[str]:
        return [
            command, self.model, "--data", str(self.data), "--config", str(self.config),
            "--suite", self.suite, "--out", str(self.out),
        ]  # fmt: skip

    def with_(self, **changes: object) -> "Planned":
        return replace(self, **changes)


@pytest.fixture
def planned(tmp_path: Path, model_folder: Path) -> Planned:
    data = tmp_path / "data.jsonl"
    examples = [{"prompt": f"{i} + {i} =", "completion": f" {2 * i}"} for i in range(24)]
    data.write_text("".join(json.dumps(example) + "\n" for example in examples))
    config = tmp_path / "config.yaml"
    config.write_text(
        "learning_rate: 1.0e-3\nmax_steps: 10\nper_device_train_batch_size: 4\nmax_length: 64\n"
        "activation_checkpointing: false\nseed: 0\n"
    )
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        """
schema: driftline/suite/1
capabilities:
  - name: pairs
    scorer: minimal_pair
    metric: margin_nats
    tolerance: 0.25
    items:
      - {id: a, good: "The cat runs.", bad: "The cat run."}
      - {id: b, good: "The dogs run.", bad: "The dogs runs."}
      - {id: c, good: "She is here.", bad: "She are here."}
  - name: text
    scorer: perplexity
    metric: nll_nats
    tolerance: 0.1
    items:
      - {id: a, text: "It rained all day."}
      - {id: b, text: "The shop opens at nine."}
      - {id: c, text: "Nobody had seen the key."}
"""
    )
    return Planned(str(model_folder), data, config, str(suite), tmp_path / "out")


Run = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process: (exit code, stdout, stderr)."""
    from driftline.cli import main

    def run_main(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["driftline", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        code = stopped.value.code
        return (0 if code is None else int(code)), captured.out, captured.err

    return run_main


@pytest.fixture
def start() -> Callable[..., "subprocess.Popen[str]"]:
    """Start the command line in a process of its own."""

    def start_process(*arguments: str, **options: object) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", "from driftline.cli import main; main()", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            **options,
        )

    return start_process
