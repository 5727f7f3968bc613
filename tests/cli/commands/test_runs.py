"""`driftline runs`: what it lists, shows and prunes, for people and as JSON."""

import json

import pytest

from driftline.engine import ResultStore, RunFolder
from driftline.engine.storage._store import StoredScores

OUTPUTS = ("report.html", "report.json")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A working folder with a finished and an unfinished run in it."""
    monkeypatch.chdir(tmp_path)
    for name, is_finished in (("done", True), ("open", False)):
        path = tmp_path / "driftline-runs" / name
        with RunFolder.open(
            path, name, outputs=OUTPUTS, force=False, command="margin", model="tiny"
        ) as folder:
            with ResultStore(folder.store) as store:
                for point, capability in (("base", "rain"), ("base", "snow"), ("noise 0", "rain")):
                    scores = StoredScores({"nll_nats": (1.0,) * 12}, 30)
                    store.put(f"{point}{capability}", scores, point=point, capability=capability)
            if is_finished:
                folder.write_outputs(dict.fromkeys(OUTPUTS, "{}"))
    return tmp_path / "driftline-runs"


def test_runs_are_listed(run, root):
    for arguments in ((), ("list",)):
        code, out, _err = run("runs", *arguments)
        assert code == 0
        header, *rows = out.splitlines()
        assert header.split() == [
            "run", "command", "state", "points", "size", "last", "change", "model",
        ]  # fmt: skip
        by_name = {row.split()[0]: row.split() for row in rows}
        assert by_name["done"][1:4] == ["margin", "finished", "2"]
        assert by_name["open"][1:4] == ["margin", "unfinished", "2"]
    code, out, _err = run("runs", "list", "--json")
    assert json.loads(out)["schema"] == "driftline/runs/1"
    code, out, _err = run("runs", "list", "--root", "elsewhere")
    assert (code, out) == (0, "no runs under elsewhere\n")


@pytest.mark.parametrize("name", ["open", "driftline-runs/open"])
def test_a_run_is_shown_point_by_point(run, root, name):
    code, out, _err = run("runs", "show", name)
    assert code == 0
    assert "1 rain, 2 snow" in out
    assert out.splitlines()[-2:] == ["base       12    12", "noise 0    12     -"]
    code, out, _err = run("runs", "show", name, "--json")
    assert len(json.loads(out)["scores"]) == 3


def test_a_run_that_is_not_there_is_bad_input(run, root):
    code, out, err = run("runs", "show", "gone")
    assert (code, out) == (2, "")
    assert "driftline-runs/gone: is not a run of Driftline" in err


def test_pruning_needs_a_rule_and_a_yes(run, root):
    for arguments, message in (
        ((), "say which"),
        (("--unfinished",), "1 runs are chosen; add --yes"),
    ):
        code, out, err = run("runs", "prune", *arguments)
        assert (code, out) == (2, "")
        assert message in err
    assert {path.name for path in root.iterdir()} == {"done", "open"}


def test_pruning_removes_what_is_chosen(run, root):
    code, out, _err = run("runs", "prune", "--unfinished", "--yes", "--json")
    pruned = json.loads(out)
    assert code == 0
    assert [entry["path"] for entry in pruned["removed"]] == ["driftline-runs/open"]
    assert {path.name for path in root.iterdir()} == {"done"}
    code, out, _err = run("runs", "prune", "--older-than", "0", "--yes")
    assert code == 0
    assert out.startswith("1 runs removed, ")
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(("answer", "left"), [("n\n", {"done", "open"}), ("y\n", {"done"})])
def test_on_a_terminal_it_asks(run, root, monkeypatch, answer, left):
    import io

    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin", terminal)
    _code, out, _err = run("runs", "prune", "--unfinished")
    assert "open" in out
    assert {path.name for path in root.iterdir()} == left


def test_a_run_in_use_is_left_alone(run, root):
    with RunFolder.open(root / "open", "open", outputs=OUTPUTS, force=False):
        code, out, _err = run("runs", "show", "open")
        assert "in use by process" in out
        code, out, _err = run("runs", "prune", "--unfinished", "--yes")
    assert code == 0
    assert "left alone, in use or changed: driftline-runs/open" in out
    assert (root / "open").exists()
