"""The run folder: where a command writes, and where it takes up again after a kill."""

import contextlib
import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import JsonValue

from ...errors import OutputError
from ...parsing import json_value
from ...provenance import digest_value
from ._lock import FolderLock
from ._store import is_disk_fault
from ._stored_work import holds_work

_MARKER = "driftline-run.json"
_LOCK = "driftline-run.lock"
_STORE = "results.sqlite"
_DIRECTIONS = "directions"
_STUDY = "study.jsonl"
_CHECKPOINTS = "checkpoints"
_WITH_PROBE = ("assess", "forecast")
"""Commands that keep the probe's checkpoint. What `train` has trained is never removed."""
_BOOKKEEPING = frozenset({_MARKER, _LOCK, f"{_STORE}-wal", f"{_STORE}-shm"})
"""Files that say nothing about work."""
_EARLIER_OUTPUTS = ("report.html", "report.json")
"""Outputs of runs whose marker, of an earlier version, does not list them."""
_FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class RunMarker:
    """Marker file: the request of a run, and its outputs."""

    request: str | None
    """Digest of the request that it belongs to; None where the marker cannot be read."""
    outputs: tuple[str, ...] = _EARLIER_OUTPUTS
    command: str | None = None
    model: str | None = None
    created: str | None = None


@dataclass(frozen=True)
class RunFolder:
    """The folder of one request: its store, its directions, its outputs.

    From `open` to `close` no other process can open it.
    """

    path: Path
    earlier: frozenset[str] | None = field(default=None, compare=False)
    """Names that were there before this opening began the run; None where it did not begin it."""
    is_made: bool = field(default=False, compare=False)
    """The folder itself was made by this opening."""

    @property
    def store(self) -> Path:
        """The result store's file."""
        return self.path / _STORE

    @property
    def directions(self) -> Path:
        """Folder for changes of weights that are needed during the run."""
        return self.path / _DIRECTIONS

    @property
    def study(self) -> Path:
        """The journal of a search."""
        return self.path / _STUDY

    @property
    def checkpoints(self) -> Path:
        """Folder of the trainer's checkpoints."""
        return self.path / _CHECKPOINTS

    def probe_files(self) -> tuple[Path, ...]:
        """Return the files of the probe's checkpoint; empty for folders of other commands."""
        marker = self.marker()
        if marker is None or marker.command not in _WITH_PROBE:
            return ()
        kept = (*self.checkpoints.glob("checkpoint-*/*"), self.checkpoints / "README.md")
        return tuple(path for path in kept if path.is_file())

    @property
    def lock(self) -> FolderLock:
        """Lock that keeps other processes out."""
        return FolderLock(self.path / _LOCK)

    @property
    def marker_file(self) -> Path:
        """The file that says which request the folder belongs to."""
        return self.path / _MARKER

    @classmethod
    def open(
        cls,
        path: Path,
        request: JsonValue,
        *,
        outputs: tuple[str, ...],
        force: bool,
        command: str | None = None,
        model: str | None = None,
    ) -> "RunFolder":
        """Create a run folder, or resume one that the same request left unfinished.

        Args:
            path: The folder; it may not exist yet.
            request: All that the outcome depends on; a folder of another request is refused.
            outputs: Names of the files that a finished run holds.
            force: Replace what an earlier run left there; other files are never touched.
            command: Command, for people.
            model: Name of the model, for people.

        Returns:
            The folder, ready, and closed to other processes.

        Raises:
            OutputError: The path holds something else, a finished run, or another request's, or
                another process has it open.
        """
        digest = digest_value(request)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        marker = RunMarker(digest, outputs, command, model, created)
        with _names_refused(path), disk_errors_named(path):
            if path.exists() and not path.is_dir():
                raise OutputError(f"{path}: is a file; give a folder with --out")
            is_made = not path.exists()
            folder = cls(path, is_made=is_made)
            folder._refuse_foreign(outputs, force=force)
            folder.lock.acquire()
            try:
                folder._take_over(digest, outputs, force=force)
                if not folder.marker_file.exists():
                    folder = replace(folder, earlier=frozenset(p.name for p in path.iterdir()))
                    write_whole(folder.marker_file, json.dumps(asdict(marker)) + "\n")
            except BaseException:
                folder.close()
                raise
        return folder

    def close(self) -> None:
        """Release the folder for other processes."""
        self.lock.release()

    def __enter__(self) -> Self:
        """Return the open folder."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        """Release the folder; remove it if the run failed before it stored work."""
        is_empty = False
        if kind is not None and self.earlier is not None:
            with contextlib.suppress(OSError):
                is_empty = not holds_work(self.path, _BOOKKEEPING | self.earlier, _STORE)
                if is_empty:
                    self.remove_own(())
        self.close()
        if is_empty and self.is_made:
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def marker(self) -> RunMarker | None:
        """Read the folder's marker file, in the format of this or of an earlier version.

        Returns:
            The marker; None where the folder is no run of Driftline.
        """
        try:
            value = json_value(self.marker_file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return RunMarker(None)
        if not isinstance(value, dict):
            return RunMarker(None)
        outputs = value.get("outputs")
        names = (
            tuple(name for name in outputs if isinstance(name, str) and _is_plain_name(name))
            if isinstance(outputs, list)
            else ()
        )
        is_plain = bool(names) and isinstance(outputs, list) and len(names) == len(outputs)
        return RunMarker(
            _text(value.get("request")),
            names if is_plain else _EARLIER_OUTPUTS,
            _text(value.get("command")),
            _text(value.get("model")),
            _text(value.get("created")),
        )

    def is_finished(self, outputs: tuple[str, ...]) -> bool:
        """Return whether the last output exists, which is written after all others."""
        return bool(outputs) and (self.path / outputs[-1]).exists()

    def write_outputs(self, contents: dict[str, str]) -> None:
        """Write the outputs as a set, and drop what only an unfinished run needs.

        All are on disk under other names before the first gets its own, and the last, the document,
        gets its name last. A kill in between leaves an unfinished run, whose outputs the next start
        removes; never a document beside the outputs of an earlier run.

        Args:
            contents: File name to text.
        """
        partials = {name: _partial(self.path / name) for name in contents}
        with disk_errors_named(self.path):
            try:
                for name, text in contents.items():
                    _write_through(partials[name], text)
                for name, partial in partials.items():
                    partial.replace(self.path / name)
            finally:
                for partial in partials.values():
                    partial.unlink(missing_ok=True)
            _sync_folder(self.path)
            shutil.rmtree(self.directions, ignore_errors=True)

    def remove_own(self, outputs: tuple[str, ...]) -> None:
        """Remove all that Driftline wrote but the lock, which is held; other files stay.

        The document goes first and the marker last: after a kill in between, what is left is an
        unfinished run, and still ours.

        Args:
            outputs: Names of the files that a finished run holds.
        """
        self._remove_outputs(outputs)
        shutil.rmtree(self.directions, ignore_errors=True)
        self._remove_probe()
        for name in self.own_names(outputs):
            if name not in (_DIRECTIONS, _LOCK, _MARKER):
                (self.path / name).unlink(missing_ok=True)
        self.marker_file.unlink(missing_ok=True)

    def _remove_probe(self) -> None:
        """Remove the probe's checkpoint, and its folders where nothing else is in them."""
        files = self.probe_files()
        for path in files:
            path.unlink(missing_ok=True)
        folders = {path.parent for path in files} | {self.checkpoints} if files else set()
        for folder in sorted(folders)[::-1]:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _remove_outputs(self, outputs: tuple[str, ...]) -> None:
        """Remove the outputs, the document first, and what a killed writer left of them."""
        for name in reversed(outputs):
            (self.path / name).unlink(missing_ok=True)
            _partial(self.path / name).unlink(missing_ok=True)

    @staticmethod
    def own_names(outputs: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of all that Driftline may write into the folder."""
        return (
            *outputs,
            _MARKER,
            _LOCK,
            _STORE,
            f"{_STORE}-wal",
            f"{_STORE}-shm",
            _DIRECTIONS,
            _STUDY,
        )

    def _refuse_foreign(self, outputs: tuple[str, ...], *, force: bool) -> None:
        """Refuse what another program left, before anything is written beside it."""
        is_empty = not self.path.exists() or {p.name for p in self.path.iterdir()} <= {_LOCK}
        if is_empty or self.marker_file.exists():
            return
        if not force:
            raise OutputError(
                f"{self.path}: exists and is not a run of Driftline; give another --out, or --force"
            )
        for name in self.own_names(outputs):
            if (self.path / name).exists() and name != _LOCK:
                raise OutputError(
                    f"{self.path / name}: is not ours and would be overwritten; give another --out"
                )

    def _take_over(self, digest: str, outputs: tuple[str, ...], *, force: bool) -> None:
        """Refuse what another run left; or clear the way with force."""
        marker = self.marker()
        if marker is None:
            return
        if marker.request == digest and not self.is_finished(outputs):
            # Outputs without their document are of a process that was killed between them.
            self._remove_outputs(outputs)
            return
        if force or not holds_work(self.path, _BOOKKEEPING, _STORE):
            self.remove_own(outputs)
            return
        held = (
            "holds a finished run"
            if self.is_finished(outputs)
            else "holds an unfinished run of another request"
        )
        raise OutputError(f"{self.path}: exists and {held}; give another --out, or --force")


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = _partial(path)
    try:
        _write_through(partial, text)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_errors_named(path: Path) -> Iterator[None]:
    """Raise an error that names the folder, if the disk is full or not writable.

    Args:
        path: The folder that is written to.

    Yields:
        Nothing.

    Raises:
        OutputError: The disk is full, or the folder cannot be written.
        OSError: Anything else that the disk says.
        OperationalError: Anything else that SQLite says.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL_DISK:
            raise OutputError(_full(path)) from error
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
        raise
    except sqlite3.OperationalError as error:
        if is_disk_fault(error):
            raise OutputError(_full(path)) from error
        raise


@contextlib.contextmanager
def _names_refused(path: Path) -> Iterator[None]:
    """Raise an error that names an impossible folder, such as one with too long a name."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        place = getattr(error, "filename", None) or path
        raise OutputError(f"{place}: cannot be used ({reason}); give another --out") from error


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def _write_through(path: Path, text: str) -> None:
    """Write a file to the disk itself, so that a rename never comes before its content."""
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Flush renames to the disk, if the system can do that for a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _full(path: Path) -> str:
    return f"{path}: the disk is full; make room and run the same command again, it resumes"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _is_plain_name(name: str) -> bool:
    """Return whether a name is that of a file in the folder itself."""
    return name not in ("", ".", "..") and "\0" not in name and Path(name).name == name
