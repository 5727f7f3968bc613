"""The committed results are recomputed in one process, and a change is a failure that is named."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evidence import check, harness
from evidence.repair import judge as repair_judge


def test_checks_that_are_said_to_need_no_torch_load_none():
    names = [f"evidence.{name}" for name in check.WITHOUT_TORCH]
    script = f"import importlib, sys; [importlib.import_module(n) for n in {names}]; "
    script += "print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_a_result_as_committed_passes():
    assert check.run_check("evidence.repair.judge").failure is None


def test_a_result_that_would_change_fails(monkeypatch):
    monkeypatch.setattr(repair_judge, "judged", lambda: {"repairs": []})
    failure = check.run_check("evidence.repair.judge").failure
    assert "result.json is not what the runs say" in failure


@pytest.mark.parametrize(
    ("main", "failure"),
    [
        (lambda: None, None),
        (lambda: 0, None),
        (lambda: 1, "the committed result would change"),
        (lambda: sys.exit(), None),
        (lambda: sys.exit(0), None),
        (lambda: sys.exit(False), None),
        (lambda: sys.exit(True), "the committed result would change"),
        (lambda: sys.exit("other"), "other"),
        (lambda: [sys.stdout.write("FAULT a\n"), sys.exit(1)], "FAULT a"),
        (lambda: {}["key"], "KeyError: 'key'"),
    ],
)
def test_every_way_to_fail_is_heard(monkeypatch, main, failure):
    monkeypatch.setattr(repair_judge, "main", main)
    before = sys.argv
    assert check.run_check("evidence.repair.judge").failure == failure
    assert sys.argv is before


def test_main_runs_what_is_asked_and_exits_with_1_after_a_failure(monkeypatch, capsys):
    ran = []

    def run(module):
        ran.append(module)
        return check.Outcome("it changed" if "monitor" in module else None, 0.5)

    monkeypatch.setattr(check, "run_check", run)
    for arguments, code in (["monitor.judge"], 1), (["repair.judge"], 0), ([], 1):
        monkeypatch.setattr(sys, "argv", ["check", *arguments])
        with pytest.raises(SystemExit) as stopped:
            check.main()
        assert stopped.value.code == code
    assert len(ran) == 2 + len(check.WITHOUT_TORCH) + len(check.WITH_TORCH)
    assert "   0.5 s  monitor.judge: it changed\n" in capsys.readouterr().out


def test_several_processes_say_the_same_in_the_same_order():
    names = ["repair.judge", "certification.judge", "families.run"]
    said = []
    for jobs in "1", "2":
        command = [sys.executable, "-m", "evidence.check", "--jobs", jobs, *names]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        said.append([line.partition(" s  ")[2] for line in done.stdout.splitlines()])
    assert said[0] == said[1] == [f"{name}: as committed" for name in names]


def test_no_process_at_all_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["check", "--jobs", "0"])
    with pytest.raises(SystemExit) as stopped:
        check.main()
    assert stopped.value.code == 2
    assert "--jobs: 0 is too few" in capsys.readouterr().err


def test_an_unknown_check_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["check", "nonsense"])
    with pytest.raises(SystemExit) as stopped:
        check.main()
    assert stopped.value.code == 2
    assert "unknown check nonsense; choose from" in capsys.readouterr().err


def test_only_missing_runs_are_made_and_scratch_is_removed(monkeypatch, tmp_path):
    monkeypatch.setattr(harness, "open_model", lambda name: name)
    runs, made = tmp_path / "runs", []
    runs.mkdir()
    (runs / "there.json").write_text("{}")

    def make(base, name, work):
        work.mkdir(parents=True)
        made.append((base, name))
        return {"run": name}

    harness.make_missing_runs(runs, ["there", "missing"], make, tmp_path / "work")
    assert made == [("smollm2-135m", "missing")]
    assert json.loads((runs / "missing.json").read_text()) == {"run": "missing"}
    assert (runs / "there.json").read_text() == "{}"
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("made", "is_same"),
    [
        ('<path d="M10.2 5"/><text>a 1</text>', True),
        ('<path d="M12.2 5"/><text>a 1</text>', False),
        ('<path d="M10 5"/><text>b 1</text>', False),
        ('<path d="M10 5 6"/><text>a 1</text>', False),
    ],
)
def test_a_picture_is_the_same_within_a_pixel(made, is_same):
    from evidence.forgetting.plots import is_same_picture

    assert is_same_picture('<path d="M10 5"/><text>a 1</text>', made) is is_same


@pytest.mark.parametrize("folder", ["benchmarks", "evidence", "examples", "scripts"])
def test_what_proves_a_claim_stands_on_public_names(folder):
    """A file of the package whose name begins with an underscore may change on any day.

    Simulations of the statistics run the steps of a test apart from each other, so they name them.
    """
    private = re.compile(
        r"^\s*(from|import) driftline[\w.]*(\._\w+| import .*\b_[a-z])", re.MULTILINE
    )
    files = sorted((Path(__file__).parents[1] / folder).rglob("*.py"))
    assert files
    found = [file.name for file in files if private.search(file.read_text(encoding="utf-8"))]
    assert [name for name in found if not name.startswith("certification_")] == []
