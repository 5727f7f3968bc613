"""The lock of a run folder: one process at a time, and no crash that locks a folder for good."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from driftline.engine.storage import _lock as module
from driftline.engine.storage._lock import FolderLock
from driftline.errors import OutputError

# What another process does, without the seconds that importing Driftline takes.
HOLDER = """
import fcntl, json, os, sys, time
file = open(sys.argv[1], "w+")
fcntl.flock(file, fcntl.LOCK_EX)
json.dump({"pid": os.getpid(), "host": "far-away", "since": "2030-01-01T00:00:00+00:00"}, file)
file.flush()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "driftline-run.lock"


@pytest.fixture
def lock(path):
    made = FolderLock(path)
    yield made
    made.release()


@pytest.fixture
def holder(path):
    """Another process that has the lock."""
    path.parent.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def try_elsewhere(path):
    """Whether another process could take the lock now."""
    code = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)
    return done.returncode == 0


def test_it_is_held_until_it_is_released(lock, path):
    lock.acquire()
    assert not try_elsewhere(path)
    written = json.loads(path.read_text())
    assert (written["pid"], written["host"]) == (os.getpid(), socket.gethostname())
    assert lock.owner().model_dump() == written
    lock.release()
    assert not path.exists()
    assert lock.owner() is None


def test_a_second_process_is_told_at_once_who_has_it(lock, path, holder):
    started = time.monotonic()
    with pytest.raises(OutputError) as refused:
        lock.acquire()
    assert time.monotonic() - started < 5
    expected = f"{path.parent}: is in use by process {holder.pid} on far-away (since 2030-01-01T"
    assert str(refused.value).startswith(expected)
    assert lock.owner().pid == holder.pid
    assert json.loads(path.read_text())["pid"] == holder.pid


def test_whoever_only_looks_is_outwaited(lock, path, monkeypatch):
    tries = [False, False, True]
    monkeypatch.setattr(FolderLock, "_try", lambda *_: tries.pop(0))
    lock.acquire()
    assert tries == []


def test_a_killed_owner_leaves_no_lock(lock, path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert path.exists()
    assert lock.owner() is None
    lock.acquire()
    assert json.loads(path.read_text())["pid"] == os.getpid()


def test_one_process_may_hold_it_twice(lock, path):
    lock.acquire()
    again = FolderLock(path.parent / ".." / "run" / path.name)
    again.acquire()
    lock.release()
    assert path.exists()
    again.release()
    assert not path.exists()
    again.release()


def test_a_lock_that_was_removed_while_it_was_taken_does_not_count(lock, path, monkeypatch):
    whole = module._lock
    calls = []

    def removed_before(descriptor):
        if not calls:
            path.unlink()
        calls.append(descriptor)
        whole(descriptor)

    monkeypatch.setattr(module, "_lock", removed_before)
    lock.acquire()
    assert len(calls) == 2
    assert not try_elsewhere(path)


def test_a_file_system_without_locks_is_named(lock, path, monkeypatch):
    def refuse(_descriptor):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(module, "_lock", refuse)
    with pytest.raises(OutputError, match=r"run: its file system cannot lock files .No locks"):
        lock.acquire()


def test_an_owner_that_cannot_be_read_is_unknown(lock, path, holder):
    path.write_text("{")
    with pytest.raises(OutputError, match="in use by process unknown on an unknown machine"):
        lock.acquire()
    assert lock.owner().pid is None
