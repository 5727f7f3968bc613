"""Who computes: the options, and a run that is begun on Ray and ended here."""

import importlib.util
import json
import os
import signal
import sqlite3
import time

import pytest


@pytest.mark.parametrize(
    "option", ["--address=auto", "--workers=2", "--gpus-per-worker=1", "--threads-per-worker=1"]
)
def test_an_option_of_rays_needs_ray(run, planned, option):
    code, out, err = run(*planned.arguments(), option)
    assert (code, out) == (2, "")
    name, _, value = option.partition("=")
    assert f"{name} {value}" in err.replace("1.0", "1")
    assert "add --engine ray" in err


@pytest.mark.parametrize("command", ["assess", "margin", "map", "forecast"])
def test_without_ray_the_extra_is_named(run, planned, monkeypatch, command):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == "ray" else found(name, *more),
    )
    code, out, err = run(*planned.arguments(command), "--engine", "ray")
    assert (code, out) == (2, "")
    assert "pip install 'driftline[ray]'" in err


def without_times(document):
    document["cost"].pop("wall_seconds")
    document["provenance"].pop("created")
    return document


def num_rows(path):
    if not path.exists():
        return 0
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
    try:
        return connection.execute("SELECT COUNT(*) FROM scores").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def children_of(session):
    """Processes that came from one session, Ray's among them."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                found += [entry] if session.encode() in file.read() else []
        except OSError:
            continue
    return found


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks for processes in /proc")
@pytest.mark.usefixtures("ctrl_c_arrives")
@pytest.mark.ray
def test_a_run_that_is_stopped_on_ray_goes_on_here(start, run, planned, tmp_path, monkeypatch):
    # Ray's processes are told by a variable that they inherit.
    mark = f"DRIFTLINE_TEST_SESSION={os.getpid()}-{time.monotonic_ns()}"
    monkeypatch.setenv(*mark.split("="))
    ray = ("--engine", "ray", "--workers", "1", "--threads-per-worker", "1")
    process = start(*planned.arguments("margin"), "--json", *ray, start_new_session=True)
    monkeypatch.delenv("DRIFTLINE_TEST_SESSION")
    store, deadline = planned.out / "results.sqlite", time.monotonic() + 300
    while (
        (stored := num_rows(store)) < 3 and process.poll() is None and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    assert process.poll() is None, process.stderr.read()

    # A second process on the same folder is told at once; the first waits for it meanwhile.
    os.kill(process.pid, signal.SIGSTOP)
    code, _out, err = run(*planned.arguments("margin"))
    assert code == 2
    assert f"{planned.out}: is in use by process {process.pid} on " in err

    # Ctrl-C goes to the whole group, Ray's processes included.
    os.killpg(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGCONT)
    out, err = process.communicate(timeout=240)
    assert process.returncode not in (0, 1, 2, 3, 4), err
    assert out == ""
    assert "the same command resumes from" in err
    assert "Traceback" not in err
    deadline = time.monotonic() + 60
    while children_of(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert children_of(mark) == []

    code, out, err = run(*planned.arguments("margin"), "--json")
    assert code in (0, 1, 3), err
    whole = planned.with_(out=tmp_path / "whole")
    _code, expected, _err = run(*whole.arguments("margin"), "--json")
    assert without_times(json.loads(out)) == without_times(json.loads(expected))
    assert 3 <= stored < num_rows(store) == num_rows(whole.out / "results.sqlite")
