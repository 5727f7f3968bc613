"""The monitor on a plain `Trainer` with its own loss: alone, compiled, and launched in two processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from driftline import train
from driftline.errors import ConfigError
from driftline.training import read_log
from tests.monitor.launched_run import NUM_STEPS, evaluations, trainer, watch, weights

ROOT = Path(__file__).parents[2]


def _launch(*command: str) -> subprocess.CompletedProcess[str]:
    """Start two processes on the CPU by `accelerate launch`, which calls that `--multi_gpu`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = [
        sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu",
        "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
        "--main_process_port", str(port),
    ]  # fmt: skip
    path = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [*launcher, *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


def _events(out: Path, name: str):
    return [e for e in read_log(out / "monitor" / "monitor.jsonl") if e["event"] == name]


def _check_watched(out: Path) -> None:
    checks = _events(out, "check")
    assert {2, NUM_STEPS} <= {check["step"] for check in checks}
    assert not _events(out, "check_failed")
    assert all(check["update_relative_norm"] > 0 for check in checks)
    # A loss of its own is no mean over labelled tokens, and the log says so.
    assert all(check["unpredictability"] is None and check["reasons"] for check in checks)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "fields",
    [{}, {"torch_compile": True, "torch_compile_backend": "aot_eager"}],
    ids=["plain", "compiled"],
)
def test_a_trainer_with_its_own_loss_is_the_one_without_the_monitor(tmp_path, fields):
    seen = {}
    for mode in ("off", "on"):
        made = trainer(tmp_path / mode, **fields)
        if mode == "on":
            watch(made, tmp_path / mode)
        made.train()
        seen[mode] = (weights(made), evaluations(made))
    assert len(seen["on"][1]) == 2
    assert seen["on"][1] == seen["off"][1]
    assert all(torch.equal(seen["on"][0][name], held) for name, held in seen["off"][0].items())
    _check_watched(tmp_path / "on")


@pytest.mark.distributed
def test_two_launched_processes_are_watched_and_train_as_without(tmp_path):
    found = {}
    for mode in ("off", "on"):
        done = _launch("-m", "tests.monitor.launched_run", mode, str(tmp_path / mode))
        assert done.returncode == 0, done.stdout + done.stderr
        found[mode] = load_file(tmp_path / mode / "weights.safetensors")
    assert found["on"].keys() == found["off"].keys()
    assert all(torch.equal(found["on"][name], held) for name, held in found["off"].items())
    _check_watched(tmp_path / "on")


@pytest.mark.parametrize("num", [2, 8])
def test_train_refuses_a_launcher_of_several_processes(tmp_path, monkeypatch, num):
    monkeypatch.setenv("WORLD_SIZE", str(num))
    with pytest.raises(ConfigError, match=rf"has started {num}; .* num_processes: {num}"):
        train(tmp_path / "sft.yaml", out=tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(ConfigError, match=r"sft\.yaml"):
        train(tmp_path / "sft.yaml", out=tmp_path)
