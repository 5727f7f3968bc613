"""Threads sleep while they wait on a busy machine; what the user has set stays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from driftline.cli import _waiting_threads as waiting

_NAMES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _NAMES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 4)


def _set(tmp_path: Path, text: str) -> dict[str, str]:
    file = tmp_path / "loadavg"
    file.write_text(text)
    waiting.set_waiting(file)
    return {name: os.environ[name] for name in _NAMES if name in os.environ}


@pytest.mark.parametrize(
    ("running", "name"),
    [(1, "GOMP_SPINCOUNT"), (2, "GOMP_SPINCOUNT"), (3, "OMP_WAIT_POLICY"), (9, "OMP_WAIT_POLICY")],
)
def test_threads_sleep_where_half_of_the_cores_are_taken(
    running: int, name: str, tmp_path: Path
) -> None:
    """The reader itself is one of the threads that run: 3 of them are 2 others on 4 cores."""
    assert list(_set(tmp_path, f"0.50 0.40 0.30 {running}/250 4711\n")) == [name]


@pytest.mark.parametrize("name", _NAMES)
def test_settings_of_the_user_stay(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the two is enough: they overrule each other."""
    monkeypatch.setenv(name, "ACTIVE")
    assert _set(tmp_path, "9 9 9 9/250 4711\n") == {name: "ACTIVE"}


@pytest.mark.parametrize("text", ["", "0.5 0.4 0.3\n", "0.5 0.4 0.3 some/250 1\n"])
def test_nothing_is_set_where_threads_are_not_counted(text: str, tmp_path: Path) -> None:
    """Other systems have no such file, or write it in another way."""
    assert _set(tmp_path, text) == {}


def test_nothing_is_set_without_the_file(tmp_path: Path) -> None:
    """As on macOS and Windows."""
    waiting.set_waiting(tmp_path / "none")
    assert not any(name in os.environ for name in _NAMES)


def test_the_command_line_sets_it_before_torch_is_loaded() -> None:
    """A command that imports PyTorch finds one of the settings."""
    code = (
        "import os, sys; from driftline.cli import _app; _app.app = lambda: print("
        "'torch' in sys.modules, any(n in os.environ for n in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')));"
        "sys.argv = ['driftline']; _app.main()"
    )
    environment = {k: v for k, v in os.environ.items() if k not in _NAMES}
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    is_counted = Path("/proc/loadavg").exists()
    assert shown.stdout.split() == ["False", str(is_counted)]
