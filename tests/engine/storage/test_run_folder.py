"""The run folder: begun, taken up, refused, replaced; and a full disk in words."""

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from driftline.engine import ResultStore, RunFolder, disk_errors_named
from driftline.engine.storage import _run_folder as module
from driftline.engine.storage._lock import FolderLock
from driftline.errors import OutputError

REQUEST = {"model": "tiny", "seed": 0}
OUTPUTS = ("report.html", "report.json")


def begin(path, request=REQUEST, *, force=False):
    """Begin a run, and let go of it as at the end of a process."""
    with RunFolder.open(path, request, outputs=OUTPUTS, force=force) as folder:
        return folder


def contents(path):
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


def finish(folder):
    folder.store.write_bytes(b"rows")
    folder.directions.mkdir()
    (folder.directions / "update.safetensors").write_bytes(b"change")
    folder.write_outputs({"report.html": "<p>é", "report.json": "{}\n"})


def test_a_new_folder_is_made_with_its_parents(tmp_path):
    path = tmp_path / "a" / "b"
    folder = begin(path)
    assert (folder.path, folder.store.parent, folder.directions.parent) == (path, path, path)
    assert list(contents(path)) == ["driftline-run.json"]


def test_an_empty_folder_is_taken(tmp_path):
    begin(tmp_path)
    assert list(contents(tmp_path)) == ["driftline-run.json"]


def test_the_same_request_takes_its_unfinished_run_up(tmp_path):
    folder = begin(tmp_path / "out")
    folder.store.write_bytes(b"rows")
    before = contents(folder.path)
    again = begin(tmp_path / "out", {"seed": 0, "model": "tiny"})
    assert again == folder
    assert contents(folder.path) == before


def test_a_folder_with_the_marker_alone_is_taken_up_too(tmp_path):
    begin(tmp_path / "out")
    begin(tmp_path / "out")


@pytest.mark.parametrize("request_", [REQUEST, {"model": "other"}])
def test_a_finished_run_is_refused(tmp_path, request_):
    finish(begin(tmp_path / "out"))
    before = contents(tmp_path / "out")
    with pytest.raises(OutputError, match=r"out: exists and holds a finished run; .* --force"):
        begin(tmp_path / "out", request_)
    assert contents(tmp_path / "out") == before


def test_the_document_makes_a_run_finished(tmp_path):
    folder = begin(tmp_path / "out")
    (folder.path / OUTPUTS[-1]).touch()
    with pytest.raises(OutputError, match="holds a finished run"):
        begin(tmp_path / "out")


def test_outputs_without_their_document_are_removed_by_the_next_start(tmp_path):
    folder = begin(tmp_path / "out")
    for name in (OUTPUTS[0], f"{OUTPUTS[0]}.partial", f"{OUTPUTS[1]}.partial"):
        (folder.path / name).write_text("of a killed process")
    folder.store.write_bytes(b"rows")
    begin(tmp_path / "out")
    assert set(contents(tmp_path / "out")) == {"driftline-run.json", "results.sqlite"}


class Killed(BaseException):
    """Stands for the end of the process: no handler of Driftline's may take it for an error."""


def killing(monkeypatch, method, at):
    """End the process at the so-many-th call of a method of Path."""
    calls = iter(range(10_000))
    real = getattr(module.Path, method)

    def call(path, *arguments, **options):
        if next(calls) == at:
            raise Killed
        return real(path, *arguments, **options)

    monkeypatch.setattr(module.Path, method, call)


OLD = {"summary.txt": "old", "card.md": "old", "junit.xml": "old", "document.json": "old"}
NEW = dict.fromkeys(OLD, "new")


def open_set(path, *, force=False):
    return RunFolder.open(path, REQUEST, outputs=tuple(OLD), force=force)


@pytest.mark.parametrize("method", ["open", "replace", "unlink"])
@pytest.mark.parametrize("at", range(12))
def test_a_kill_at_any_step_leaves_no_mix_of_old_and_new(tmp_path, monkeypatch, method, at):
    path = tmp_path / "out"
    with open_set(path) as folder:
        folder.write_outputs(OLD)
    with monkeypatch.context() as patched:
        killing(patched, method, at)
        try:
            with open_set(path, force=True) as folder:
                folder.write_outputs(NEW)
        except Killed:
            pass
    left = {name: (path / name).read_text() for name in OLD if (path / name).exists()}
    assert len(set(left.values())) <= 1, left
    if "document.json" in left:
        assert set(left) == set(OLD)
    # The next start works, and ends with the new ones alone.
    with open_set(path, force=True) as folder:
        assert not any((path / name).exists() for name in OLD)
        folder.write_outputs(NEW)
    assert {name: (path / name).read_text() for name in NEW} == NEW
    assert not list(path.glob("*.partial"))


WRITER = """
import os, signal, sys
from pathlib import Path
from driftline.engine import RunFolder
real, calls = Path.replace, iter(range(99))
def replace(path, target):
    if path.name.endswith(".partial") and "driftline-run" not in path.name:
        if next(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    return real(path, target)
Path.replace = replace
names = ("summary.txt", "card.md", "junit.xml", "document.json")
request = {"model": "tiny", "seed": 0}
folder = RunFolder.open(Path(sys.argv[1]), request, outputs=names, force=False)
folder.write_outputs(dict.fromkeys(names, "half"))
"""


@pytest.mark.slow
def test_a_process_that_is_killed_between_two_outputs_is_repaired(tmp_path):
    path = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", WRITER, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (path / "card.md").exists()
    assert not (path / "document.json").exists()
    with open_set(path) as folder:
        assert not any((path / name).exists() for name in OLD)
        folder.write_outputs(NEW)
    assert {name: (path / name).read_text() for name in NEW} == NEW


@pytest.mark.parametrize(
    "name", ["x" * 300, "file/below", "loop"], ids=["long", "below a file", "loop"]
)
def test_a_folder_that_cannot_be_is_named(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError, match=r"cannot be used \(.*\); give another --out"):
        begin(tmp_path / name)


def test_a_text_that_is_not_unicode_is_written_all_the_same(tmp_path):
    folder = begin(tmp_path / "out")
    folder.write_outputs({"report.html": "m\udcff", "report.json": "{}"})
    assert (folder.path / "report.html").read_bytes() == b"m\\udcff"


def test_another_request_is_refused(tmp_path):
    begin(tmp_path / "out").store.write_bytes(b"rows")
    before = contents(tmp_path / "out")
    with pytest.raises(OutputError, match="holds an unfinished run of another request"):
        begin(tmp_path / "out", {"model": "tiny", "seed": 1})
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"request": 3}', "\x00", "[" * 100_000, "1" * 5000]
)
def test_a_marker_that_cannot_be_read_is_another_request(tmp_path, text):
    begin(tmp_path / "out").store.write_bytes(b"rows")
    (tmp_path / "out" / "driftline-run.json").write_text(text)
    with pytest.raises(OutputError, match="another request"):
        begin(tmp_path / "out")


OTHER = {"model": "other"}


def _empty_store(path):
    with ResultStore(path / "results.sqlite"):
        pass


WITHOUT_WORK = [
    lambda path: None,
    _empty_store,
    lambda path: (path / "directions" / "a").mkdir(parents=True),
    lambda path: (path / "driftline-run.json").write_text("killed"),
]


@pytest.mark.parametrize("leave", WITHOUT_WORK)
def test_a_run_without_work_gives_way_to_another_request(tmp_path, leave):
    begin(tmp_path / "out")
    leave(tmp_path / "out")
    begin(tmp_path / "out", OTHER)
    # Nothing of the first is left that the second would take for its own.
    assert list(contents(tmp_path / "out")) == ["driftline-run.json"]
    begin(tmp_path / "out")


WORK = [
    lambda path: (path / "results.sqlite").write_bytes(b"rows"),
    lambda path: (path / "study.jsonl").write_text("{}"),
    lambda path: (path / "report.html").write_text("<p>"),
    lambda path: (path / "notes.txt").write_text("mine"),
    lambda path: finish_checkpoint(path / "checkpoints" / "checkpoint-2"),
]


def finish_checkpoint(path):
    path.mkdir(parents=True)
    (path / "trainer_state.json").write_text("{}")


@pytest.mark.parametrize("leave", WORK)
def test_work_of_another_request_is_never_replaced(tmp_path, leave):
    begin(tmp_path / "out")
    leave(tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(OutputError, match="another request"):
        begin(tmp_path / "out", OTHER)
    assert contents(tmp_path / "out") == before


def fail_in(path, leave=lambda path: None):
    with RunFolder.open(path, REQUEST, outputs=OUTPUTS, force=True):
        leave(path)
        raise OutputError("at once")


@pytest.mark.parametrize("leave", WITHOUT_WORK)
def test_a_run_that_fails_without_work_leaves_no_folder(tmp_path, leave):
    with pytest.raises(OutputError, match="at once"):
        fail_in(tmp_path / "out", leave)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("leave", WORK)
def test_a_run_that_fails_keeps_its_work(tmp_path, leave):
    with pytest.raises(OutputError, match="at once"):
        fail_in(tmp_path / "out", leave)
    assert "driftline-run.json" in contents(tmp_path / "out")
    assert len(contents(tmp_path / "out")) == 2


def test_files_of_others_stay_where_a_run_fails(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(OutputError, match="at once"):
        fail_in(tmp_path)
    assert contents(tmp_path) == {"thesis.tex": b"mine"}


def test_a_foreign_folder_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(OutputError, match="exists and is not a run of Driftline"):
        begin(tmp_path)
    assert list(contents(tmp_path)) == ["thesis.tex"]


@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_refused_whatever_is_said(tmp_path, force):
    path = tmp_path / "out"
    path.write_text("mine")
    with pytest.raises(OutputError, match="out: is a file; give a folder with --out"):
        begin(path, force=force)
    assert path.read_text() == "mine"


def test_force_replaces_our_files_and_no_other(tmp_path):
    path = tmp_path / "out"
    finish(begin(path))
    (path / "results.sqlite-wal").touch()
    (path / "notes.txt").write_text("mine")
    (path / "figures").mkdir()
    (path / "figures" / "one.png").write_bytes(b"mine")
    begin(path, {"model": "other"}, force=True)
    left = contents(path)
    assert set(left) == {"driftline-run.json", "notes.txt", "figures/one.png"}
    assert json.loads(left["driftline-run.json"]) != {}
    begin(path, {"model": "other"})


def test_force_takes_up_the_unfinished_run_of_the_same_request(tmp_path):
    folder = begin(tmp_path / "out")
    folder.store.write_bytes(b"rows")
    begin(tmp_path / "out", force=True)
    assert folder.store.read_bytes() == b"rows"


def test_outputs_are_written_and_what_was_in_between_goes(tmp_path):
    folder = begin(tmp_path / "out")
    finish(folder)
    left = contents(folder.path)
    assert set(left) == {"driftline-run.json", "results.sqlite", *OUTPUTS}
    assert left["report.html"].decode() == "<p>é"


def test_an_output_is_whole_or_not_there(tmp_path, monkeypatch):
    folder = begin(tmp_path / "out")

    def write_half(path, text):
        path.write_text(text[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_write_through", write_half)
    with pytest.raises(OutputError, match="the disk is full"):
        folder.write_outputs({"report.json": "{} and more"})
    assert list(contents(folder.path)) == ["driftline-run.json"]


@pytest.fixture
def held_elsewhere(monkeypatch):
    """Every lock is another process's."""
    monkeypatch.setattr(FolderLock, "_try", lambda *_: False)
    monkeypatch.setattr("driftline.engine.storage._lock._GRACE_SECONDS", 0.0)


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_in_use_is_refused_and_left_alone(tmp_path, held_elsewhere, force):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "driftline-run.json").write_text('{"request": "sha256:0"}\n')
    (folder / "report.json").write_text("{}")
    before = contents(folder)
    with pytest.raises(OutputError, match="out: is in use by process"):
        begin(folder, force=force)
    after = contents(folder)
    assert after.pop("driftline-run.lock") == b""
    assert after == before


def test_a_folder_is_ours_from_open_to_close(tmp_path):
    folder = RunFolder.open(tmp_path / "out", REQUEST, outputs=OUTPUTS, force=False)
    lock = tmp_path / "out" / "driftline-run.lock"
    assert json.loads(lock.read_text())["pid"] == os.getpid()
    folder.close()
    assert not lock.exists()


def test_a_refusal_lets_go_of_the_folder(tmp_path):
    finish(begin(tmp_path / "out"))
    with pytest.raises(OutputError, match="finished run"):
        begin(tmp_path / "out")
    assert not (tmp_path / "out" / "driftline-run.lock").exists()


def test_a_process_that_was_killed_before_its_marker_left_an_empty_folder(tmp_path):
    (tmp_path / "driftline-run.lock").write_text('{"pid": 1, "host": "gone", "since": null}')
    begin(tmp_path)
    assert list(contents(tmp_path)) == ["driftline-run.json"]


def test_the_marker_says_what_the_run_is(tmp_path):
    with RunFolder.open(
        tmp_path, REQUEST, outputs=OUTPUTS, force=False, command="margin", model="tiny"
    ) as folder:
        marker = folder.marker()
    assert (marker.command, marker.model, marker.outputs) == ("margin", "tiny", OUTPUTS)
    assert marker.created.endswith("+00:00")
    begin(tmp_path)
    assert folder.marker() == marker


def test_the_marker_of_an_earlier_version_is_read(tmp_path):
    request = begin(tmp_path).marker().request
    (tmp_path / "driftline-run.json").write_text(json.dumps({"request": request}) + "\n")
    folder = begin(tmp_path)
    assert folder.marker() == module.RunMarker(request, ("report.html", "report.json"))


@pytest.mark.parametrize(
    "outputs", [["../thesis.tex"], ["/etc/hosts"], [".."], [3], "report.html", [], ["a\0"]]
)
def test_a_marker_can_name_no_file_outside_its_folder(tmp_path, outputs):
    folder = begin(tmp_path)
    folder.marker_file.write_text(json.dumps({"request": "sha256:0", "outputs": outputs}))
    assert folder.marker().outputs == ("report.html", "report.json")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_named_with_its_mend(tmp_path, number):
    with (
        pytest.raises(
            OutputError, match=f"{tmp_path}: the disk is full; make room and run the same"
        ),
        disk_errors_named(tmp_path),
    ):
        raise OSError(number, "said the system")


@pytest.mark.parametrize("text", ["database or disk is full", "disk I/O error"])
def test_a_full_disk_under_sqlite_is_named(tmp_path, text):
    with pytest.raises(OutputError, match="the disk is full"), disk_errors_named(tmp_path):
        raise sqlite3.OperationalError(text)


def test_sqlite_really_says_so(tmp_path):
    connection = sqlite3.connect(tmp_path / "small.sqlite")
    connection.execute("CREATE TABLE t (x BLOB)")
    connection.execute("PRAGMA max_page_count = 2")
    try:
        with pytest.raises(OutputError, match="the disk is full"), disk_errors_named(tmp_path):
            connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    finally:
        connection.close()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_named(tmp_path, number):
    with (
        pytest.raises(OutputError, match=f"{tmp_path}: cannot be written .said the system"),
        disk_errors_named(tmp_path),
    ):
        raise OSError(number, "said the system")


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "broken"), sqlite3.OperationalError("no such table: t"), ValueError("x")],
)
def test_anything_else_goes_through(tmp_path, error):
    with pytest.raises(type(error)) as raised, disk_errors_named(tmp_path):
        raise error
    assert raised.value is error


@pytest.mark.parametrize("command", ["assess", "forecast", "train", "plan", None])
def test_a_probes_checkpoint_is_removed_with_its_run_and_what_train_trained_never(
    tmp_path, command
):
    path = tmp_path / "out"
    with RunFolder.open(path, REQUEST, outputs=OUTPUTS, force=False, command=command) as folder:
        for name in (
            "checkpoint-2/model.safetensors",
            "checkpoint-2/optimizer.pt",
            "notes/own.txt",
        ):
            (folder.checkpoints / name).parent.mkdir(parents=True, exist_ok=True)
            (folder.checkpoints / name).write_bytes(b"content")
        finish(folder)
    is_probe = command in ("assess", "forecast")
    assert len(folder.probe_files()) == (2 if is_probe else 0)
    begin(path, {"seed": 1}, force=True)
    left = {name for name in contents(path) if name.startswith("checkpoints")}
    assert "checkpoints/notes/own.txt" in left
    assert len(left) == (1 if is_probe else 3)
