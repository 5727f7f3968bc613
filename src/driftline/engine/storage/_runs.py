"""The run folders under one folder: listed, shown, pruned."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ...errors import InputError, OutputError
from ...results import PrunedRuns, RunContents, RunList, RunState, RunSummary, StoredScore
from ._run_folder import RunFolder, RunMarker, disk_errors_named
from ._store import ResultStore


@dataclass(frozen=True)
class PruneRule:
    """Rule for the runs to delete; if both limits are given, both must hold."""

    unfinished: bool = False
    older_than_days: float | None = None

    def chooses(self, run: RunSummary, *, now: datetime) -> bool:
        """Return whether the rule selects the run."""
        if self.unfinished and run.state not in ("unfinished", "damaged", "in use"):
            return False
        if self.older_than_days is None:
            return self.unfinished
        age = now - datetime.fromisoformat(run.changed)
        return age > timedelta(days=self.older_than_days)


def list_runs(root: Path) -> RunList:
    """List the run folders directly under a folder, the newest first.

    Args:
        root: The folder that holds them; where there is none, there are no runs.

    Returns:
        One entry a run; folders of other programs are passed over.

    Raises:
        InputError: It is not a folder.
    """
    runs = [_summary(folder, marker) for folder, marker in _folders(root)]
    return RunList(root=str(root), runs=tuple(sorted(runs, key=lambda run: run.changed)[::-1]))


def show_run(path: Path) -> RunContents:
    """Describe one run folder and its stored contents.

    Args:
        path: The run folder.

    Returns:
        The run with its scores, in the order in which they were stored.

    Raises:
        InputError: It is no run folder.
        OutputError: Its store is damaged.
    """
    folder = RunFolder(path)
    marker = folder.marker()
    if marker is None:
        raise InputError(f"{path}: is not a run of Driftline; `driftline runs` lists them")
    scores: tuple[StoredScore, ...] = ()
    if folder.store.exists():
        with ResultStore(folder.store, read_only=True) as store:
            scores = tuple(StoredScore(**row._asdict()) for row in store.rows())
    return RunContents(run=_summary(folder, marker), scores=scores)


def choose_runs(root: Path, rule: PruneRule) -> tuple[RunSummary, ...]:
    """Return the runs that a rule selects.

    Args:
        root: The folder that holds the runs.
        rule: Rule that selects runs.

    Returns:
        The runs, those in use among them.

    Raises:
        InputError: The rule chooses by nothing, or the root is not a folder.
    """
    if not rule.unfinished and rule.older_than_days is None:
        raise InputError("runs prune: say which: --unfinished, --older-than DAYS, or both")
    now = datetime.now(UTC)
    return tuple(run for run in list_runs(root).runs if rule.chooses(run, now=now))


def prune_runs(root: Path, chosen: Sequence[RunSummary]) -> PrunedRuns:
    """Delete runs: Driftline's own files, and the folder if it is empty then.

    Args:
        root: The folder that holds the runs, for the record.
        chosen: The runs, as `choose_runs` gave them.

    Returns:
        Runs that were deleted, and those that were not, because they are in use or changed since.
    """
    removed = [run for run in chosen if run.state != "in use" and _remove(run)]
    kept = [run for run in chosen if run not in removed]
    return PrunedRuns(root=str(root), removed=tuple(removed), kept=tuple(kept))


def _remove(run: RunSummary) -> bool:
    """Remove a run; False if a process has opened or changed it in the meantime."""
    folder = RunFolder(Path(run.path))
    with disk_errors_named(folder.path):
        try:
            folder.lock.acquire()
        except OutputError:
            return False
        try:
            marker = folder.marker()
            if marker is None or _traces(_summary(folder, marker)) != _traces(run):
                return False
            folder.remove_own(marker.outputs)
        finally:
            folder.close()
        if not any(folder.path.iterdir()):
            folder.path.rmdir()
    return True


def _traces(run: RunSummary) -> tuple[object, ...]:
    """Return values that change while a run works; times are in seconds, so they do not suffice."""
    return run.changed, run.num_bytes, run.num_scores


def _folders(root: Path) -> Iterator[tuple[RunFolder, RunMarker]]:
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: is a file; give the folder that holds the runs with --root")
    for path in sorted(root.iterdir()) if root.exists() else ():
        folder = RunFolder(path)
        marker = folder.marker() if path.is_dir() else None
        if marker is not None:
            yield folder, marker


def _counts(folder: RunFolder) -> tuple[int, int] | None:
    """Count points and scores in the store; None if it cannot be read."""
    if not folder.store.exists():
        return 0, 0
    try:
        with ResultStore(folder.store, read_only=True) as store:
            return store.num_points(), len(store)
    except OutputError:
        return None


def _summary(folder: RunFolder, marker: RunMarker) -> RunSummary:
    counts = _counts(folder)
    owner = folder.lock.owner()
    state: RunState = "finished" if folder.is_finished(marker.outputs) else "unfinished"
    if owner is not None:
        state = "in use"
    elif counts is None and state == "unfinished":
        # A finished run has its outputs, whatever its store is.
        state = "damaged"
    own = dict(_own_files(folder, marker))
    # SQLite touches its index of the log when it is read.
    times = [result.st_mtime for file, result in own.items() if not file.name.endswith("-shm")]
    changed = max(times, default=0.0)
    return RunSummary(
        path=str(folder.path),
        command=marker.command,
        model=marker.model,
        created=marker.created,
        changed=datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds"),
        state=state,
        owner=owner,
        num_points=None if counts is None else counts[0],
        num_scores=None if counts is None else counts[1],
        num_bytes=sum(result.st_size for result in own.values()),
    )


def _own_files(folder: RunFolder, marker: RunMarker) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the files that a run wrote; a running one deletes files at the same time."""
    for path in _own_paths(folder, marker):
        with contextlib.suppress(FileNotFoundError):
            yield path, path.stat()


def _own_paths(folder: RunFolder, marker: RunMarker) -> Iterator[Path]:
    for name in folder.own_names(marker.outputs):
        path = folder.path / name
        if path == folder.lock.path:
            # Looking at a run takes its lock for an instant, and changes nothing.
            continue
        if path.is_file():
            yield path
        elif path.is_dir() and path == folder.directions:
            yield from (file for file in path.rglob("*") if file.is_file())
    yield from folder.probe_files()
