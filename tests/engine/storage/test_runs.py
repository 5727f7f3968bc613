"""Run folders listed, shown and pruned: right states, no file of anybody else's touched."""

import json
import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from driftline.engine import (
    PruneRule,
    ResultStore,
    RunFolder,
    choose_runs,
    list_runs,
    prune_runs,
    show_run,
)
from driftline.engine.storage import _runs as module
from driftline.engine.storage._store import StoredScores
from driftline.errors import InputError, OutputError

OUTPUTS = ("report.html", "report.json")
SCORES = StoredScores({"nll_nats": (1.0, 2.0, 3.0)}, 30)


def make(path, *, is_finished=False, days_old=0.0, command="assess"):
    """A run folder with two points, as a run leaves it."""
    with RunFolder.open(
        path, str(path), outputs=OUTPUTS, force=False, command=command, model="tiny"
    ) as folder:
        with ResultStore(folder.store) as store:
            for point, capability in (("base", "rain"), ("base", "snow"), ("noise", "rain")):
                store.put(f"{point} {capability}", SCORES, point=point, capability=capability)
        folder.directions.mkdir()
        (folder.directions / "update.safetensors").write_bytes(b"0" * 1000)
        if is_finished:
            folder.write_outputs(dict.fromkeys(OUTPUTS, "{}"))
    moment = time.time() - days_old * 86400
    for file in (*path.rglob("*"), path):
        os.utime(file, (moment, moment))
    return folder


@pytest.fixture
def root(tmp_path):
    return tmp_path / "driftline-runs"


def names(runs):
    return [run.path.rpartition("/")[2] for run in runs]


def test_runs_are_listed_the_newest_first(root):
    make(root / "old", is_finished=True, days_old=3)
    make(root / "new", command="margin")
    (root / "thesis").mkdir()
    (root / "notes.txt").write_text("mine")
    found = list_runs(root)
    assert names(found.runs) == ["new", "old"]
    new, old = found.runs
    assert (new.command, new.model, new.state) == ("margin", "tiny", "unfinished")
    assert (new.num_points, new.num_scores, new.owner) == (2, 3, None)
    assert new.num_bytes > 1000 + (root / "new" / "results.sqlite").stat().st_size
    assert old.state == "finished"
    assert old.num_bytes < new.num_bytes
    assert datetime.now(UTC) - datetime.fromisoformat(old.changed) > timedelta(days=2.9)
    assert type(found).from_json(found.to_json()) == found


def test_where_there_is_no_folder_there_are_no_runs(root):
    assert list_runs(root).runs == ()


def test_a_root_that_is_a_file_is_named(root):
    root.write_text("mine")
    with pytest.raises(InputError, match="driftline-runs: is a file"):
        list_runs(root)


def test_a_run_that_is_open_is_in_use(root):
    make(root / "run")
    with RunFolder.open(root / "run", str(root / "run"), outputs=OUTPUTS, force=False):
        (run,) = list_runs(root).runs
    assert (run.state, run.owner.pid) == ("in use", os.getpid())
    assert list_runs(root).runs[0].state == "unfinished"


def test_a_run_of_an_earlier_version_is_listed(root):
    folder = make(root / "run", is_finished=True)
    folder.marker_file.write_text('{"request": "sha256:0"}\n')
    (run,) = list_runs(root).runs
    assert (run.command, run.model, run.state) == (None, None, "finished")


def test_a_damaged_store_is_told(root):
    folder = make(root / "run")
    folder.store.write_bytes(b"x" * 5000)
    (run,) = list_runs(root).runs
    assert (run.state, run.num_points, run.num_scores) == ("damaged", None, None)
    with pytest.raises(OutputError, match="not a result store"):
        show_run(root / "run")


def test_a_run_is_shown_with_its_scores(root):
    make(root / "run")
    found = show_run(root / "run")
    assert [(s.point, s.capability, s.num_items, s.num_tokens) for s in found.scores] == [
        ("base", "rain", 3, 30), ("base", "snow", 3, 30), ("noise", "rain", 3, 30),
    ]  # fmt: skip
    assert found.run.num_points == 2
    assert json.loads(found.to_json())["schema"] == "driftline/run/1"


def test_a_run_that_stored_nothing_is_shown(root):
    RunFolder.open(root / "run", "", outputs=OUTPUTS, force=False).close()
    assert show_run(root / "run").scores == ()


def test_what_is_no_run_is_not_shown(tmp_path):
    with pytest.raises(InputError, match="is not a run of Driftline"):
        show_run(tmp_path)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (PruneRule(unfinished=True), {"open", "stale"}),
        (PruneRule(older_than_days=2), {"done", "stale"}),
        (PruneRule(unfinished=True, older_than_days=2), {"stale"}),
        (PruneRule(older_than_days=9), set()),
    ],
)
def test_a_rule_chooses(root, rule, expected):
    make(root / "new", is_finished=True)
    make(root / "done", is_finished=True, days_old=5)
    make(root / "open")
    make(root / "stale", days_old=5)
    chosen = choose_runs(root, rule)
    assert set(names(chosen)) == expected
    assert set(names(prune_runs(root, chosen).removed)) == expected
    assert {path.name for path in root.iterdir()} == {"new", "done", "open", "stale"} - expected


def test_a_rule_that_chooses_by_nothing_is_refused(root):
    with pytest.raises(InputError, match="--unfinished, --older-than DAYS"):
        choose_runs(root, PruneRule())


def test_only_our_own_files_are_removed(root):
    make(root / "run")
    (root / "run" / "notes.txt").write_text("mine")
    (root / "run" / "figures").mkdir()
    prune_runs(root, choose_runs(root, PruneRule(unfinished=True)))
    assert {path.name for path in (root / "run").iterdir()} == {"notes.txt", "figures"}


def test_a_run_that_is_open_is_left_alone(root):
    make(root / "run")
    with RunFolder.open(root / "run", str(root / "run"), outputs=OUTPUTS, force=False) as folder:
        chosen = choose_runs(root, PruneRule(unfinished=True))
        pruned = prune_runs(root, chosen)
        assert names(pruned.kept) == ["run"]
        assert pruned.removed == ()
        assert folder.store.exists()


def test_a_run_that_went_on_in_the_meantime_is_left_alone(root):
    folder = make(root / "run", days_old=1)
    chosen = choose_runs(root, PruneRule(unfinished=True))
    folder.write_outputs(dict.fromkeys(OUTPUTS, "{}"))
    assert names(prune_runs(root, chosen).kept) == ["run"]
    assert folder.store.exists()


def test_a_finished_run_stays_finished_whatever_its_store_is(root):
    folder = make(root / "run", is_finished=True)
    folder.store.write_bytes(b"x" * 5000)
    (run,) = list_runs(root).runs
    assert (run.state, run.num_points) == ("finished", None)
    assert choose_runs(root, PruneRule(unfinished=True)) == ()


def test_a_run_that_takes_files_away_can_be_looked_at(root, monkeypatch):
    folder = make(root / "run")
    gone = folder.directions / "update.partial"
    paths = module._own_paths
    monkeypatch.setattr(module, "_own_paths", lambda *given: [*paths(*given), gone])
    assert names(list_runs(root).runs) == ["run"]


def test_a_run_that_went_on_within_the_second_is_left_alone(root):
    folder = make(root / "run", days_old=1)
    chosen = choose_runs(root, PruneRule(unfinished=True))
    moment = folder.store.stat().st_mtime
    folder.write_outputs(dict.fromkeys(OUTPUTS, "{}"))
    for file in folder.path.rglob("*"):
        os.utime(file, (moment, moment))
    assert names(prune_runs(root, chosen).kept) == ["run"]
    assert folder.store.exists()
