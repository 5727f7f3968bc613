"""The run folder: where a command writes, and where it takes up again after a kill."""

import contextlib
import errno
import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from ..errors import OutputError
from ..provenance import digest_value

_REQUEST = "driftline-run.json"
_STORE = "results.sqlite"
_DIRECTIONS = "directions"
_FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class RunFolder:
    """The folder of one request: its store, its directions, its outputs."""

    path: Path

    @property
    def store(self) -> Path:
        """The result store's file."""
        return self.path / _STORE

    @property
    def directions(self) -> Path:
        """Where changes of weights are kept while they are needed."""
        return self.path / _DIRECTIONS

    @classmethod
    def open(
        cls, path: Path, request: JsonValue, *, outputs: tuple[str, ...], force: bool
    ) -> "RunFolder":
        """Begin a run folder, or take up one that the same request left unfinished.

        Args:
            path: The folder; it may not exist yet.
            request: All that the outcome depends on; a folder of another request is refused.
            outputs: Names of the files that a finished run holds.
            force: Replace what an earlier run left there; other files are never touched.

        Returns:
            The folder, ready.

        Raises:
            OutputError: The path holds something else, a finished run, or another request's.
        """
        folder = cls(path)
        digest = digest_value(request)
        with disk_errors_named(path):
            if path.is_dir() and any(path.iterdir()):
                folder._take_over(digest, outputs, force=force)
            elif path.exists() and not path.is_dir():
                raise OutputError(f"{path}: is a file; give a folder with --out")
            path.mkdir(parents=True, exist_ok=True)
            if not folder._marker.exists():
                write_whole(folder._marker, json.dumps({"request": digest}) + "\n")
        return folder

    @property
    def _marker(self) -> Path:
        """The file that says which request the folder belongs to."""
        return self.path / _REQUEST

    def _take_over(self, digest: str, outputs: tuple[str, ...], *, force: bool) -> None:
        """Refuse what another run, or another program, left; or clear the way with force."""
        is_ours = self._marker.exists()
        is_finished = any((self.path / name).exists() for name in outputs)
        is_same = is_ours and _request_digest(self._marker) == digest
        if is_same and not is_finished:
            return
        if force and is_ours:
            self._remove_own(outputs)
            return
        taken = [name for name in self._own_names(outputs) if (self.path / name).exists()]
        if force and not taken:
            return
        if force:
            raise OutputError(
                f"{self.path / taken[0]}: is not ours and would be overwritten; give another --out"
            )
        held = (
            "is not a run of Driftline"
            if not is_ours
            else "holds a finished run"
            if is_finished
            else "holds an unfinished run of another request"
        )
        raise OutputError(f"{self.path}: exists and {held}; give another --out, or --force")

    def write_outputs(self, contents: dict[str, str]) -> None:
        """Write the outputs, each whole, and drop what only an unfinished run needs.

        Args:
            contents: File name to text.
        """
        with disk_errors_named(self.path):
            for name, text in contents.items():
                write_whole(self.path / name, text)
            shutil.rmtree(self.directions, ignore_errors=True)

    def _remove_own(self, outputs: tuple[str, ...]) -> None:
        shutil.rmtree(self.directions, ignore_errors=True)
        for name in self._own_names(outputs):
            if name != _DIRECTIONS:
                (self.path / name).unlink(missing_ok=True)

    @staticmethod
    def _own_names(outputs: tuple[str, ...]) -> tuple[str, ...]:
        return (*outputs, _REQUEST, _STORE, f"{_STORE}-wal", f"{_STORE}-shm", _DIRECTIONS)


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Args:
        path: Where to.
        text: Its content.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_errors_named(path: Path) -> Iterator[None]:
    """Turn a full or unwritable disk into an error that names the folder.

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
        if "full" in str(error) or "disk I/O" in str(error):
            raise OutputError(_full(path)) from error
        raise


def _full(path: Path) -> str:
    return f"{path}: the disk is full; make room and run the same command again, it resumes"


def _request_digest(marker: Path) -> str | None:
    try:
        value = json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value.get("request") if isinstance(value, dict) else None
