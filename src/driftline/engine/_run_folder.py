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

_REQUEST = "run.json"
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
    def open(cls, path: Path, request: JsonValue, *, outputs: tuple[str, ...], force: bool) -> "RunFolder":
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
        with disk_errors_named(path):
            return cls._open(path, request, outputs=outputs, force=force)

    @classmethod
    def _open(
        cls, path: Path, request: JsonValue, *, outputs: tuple[str, ...], force: bool
    ) -> "RunFolder":
        folder = cls(path)
        marker = path / _REQUEST
        digest = digest_value(request)
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path}: is a file; give a folder with --out")
        if path.is_dir() and any(path.iterdir()):
            finished = any((path / name).exists() for name in outputs)
            if not marker.exists() and not force:
                raise OutputError(
                    f"{path}: exists and is not a run of Driftline; give another --out, or --force "
                    "to write into it"
                )
            if marker.exists() and not force:
                if finished:
                    raise OutputError(
                        f"{path}: exists and holds a finished run; give another --out, or --force "
                        "to replace it"
                    )
                if _request_digest(marker) != digest:
                    raise OutputError(
                        f"{path}: exists and holds an unfinished run of another request; give "
                        "another --out, or --force to replace it"
                    )
            if force and (finished or not marker.exists() or _request_digest(marker) != digest):
                folder._remove_own(outputs)
        path.mkdir(parents=True, exist_ok=True)
        if not marker.exists():
            write_whole(marker, json.dumps({"request": digest}) + "\n")
        return folder

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
        own = [*outputs, _REQUEST, _STORE, f"{_STORE}-wal", f"{_STORE}-shm"]
        for name in own:
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.directions, ignore_errors=True)


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
