"""Two processes with gloo: the numbers of one process, and no trace."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from driftline.training import read_log
from tests.monitor.distributed_run import main

pytestmark = pytest.mark.distributed

TOLERANCE = 2e-3
"""Relative: sums over two processes are taken in another order, and a step's effect is a small difference."""


def _run(mode: str, watch: str, out: Path) -> None:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0",
        "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0",
        "-m", "tests.monitor.distributed_run", mode, watch, str(out),
    ]  # fmt: skip
    root = Path(__file__).parents[2]
    path = f"{root / 'src'}{os.pathsep}{root}"
    done = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _checks(out: Path):
    return [r for r in read_log(out / "monitor" / "monitor.jsonl") if r["event"] == "check"]


def _close(found, wanted, path=""):
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            if key not in ("time", "functional_magnitude", "reasons", "layers"):
                _close(found[key], value, f"{path}/{key}")
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=TOLERANCE, abs=1e-4), path
    else:
        assert found == wanted, path


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("alone")
    main("one", "on", out)
    return out


@pytest.mark.parametrize("mode", ["ddp", "fsdp2"])
def test_two_processes_give_the_numbers_of_one_and_leave_no_trace(tmp_path, alone, mode):
    for watch in ("on", "off"):
        _run(mode, watch, tmp_path / watch)
    wanted, found = _checks(alone), _checks(tmp_path / "on")
    # A glance asks for the first one, in all processes or in none.
    assert [check["step"] for check in found] == [check["step"] for check in wanted] == [1, 2, 4]
    for a, b in zip(found, wanted, strict=True):
        _close(a, b)
        assert a["update_relative_norm"] is not None
        # What a glance asked for was read before the step was taken.
        assert (a["unpredictability"] is None) == a["before_step"]
    on, off = (load_file(tmp_path / watch / "weights.safetensors") for watch in ("on", "off"))
    assert all(torch.equal(on[name], off[name]) for name in off)
    assert off
