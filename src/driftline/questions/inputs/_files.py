"""Files that a question reads whole or writes whole."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import TypeVar

from ...errors import CertificateError, OutputError

Read = TypeVar("Read")


def read_as(path: Path, read: Callable[[bytes], Read]) -> Read:
    """Read a file as what it should be, and name it where it is not.

    Args:
        path: The file.
        read: Makes something of its content, or raises a CertificateError.

    Returns:
        What `read` made.

    Raises:
        CertificateError: The file cannot be read, or is not what it should be.
    """
    # Loads pydantic, so not for --help.
    from driftline.parsing import read_bytes

    content = read_bytes(path, CertificateError)
    try:
        return read(content)
    except CertificateError as error:
        raise CertificateError(f"{path}: {error}") from None


def check_free(*paths: Path, force: bool) -> None:
    """Refuse to replace a file unless that was asked for.

    Args:
        paths: What is to be written.
        force: Whether that was asked for.

    Raises:
        OutputError: One of them is there, or is a folder or a device.
    """
    for path in paths:
        if os.path.exists(path) and not os.path.isfile(path):
            raise OutputError(f"{path}: is not a plain file; give another name")
        if not force and (os.path.lexists(path)):
            raise OutputError(f"{path}: is there already; add --force to replace it")


def check_kept(folder: Path, replaced: Iterable[str], reads: Iterable[object]) -> None:
    """Refuse a run that would remove or replace what it reads itself.

    Args:
        folder: The run folder; it may not exist yet.
        replaced: Files and folders in it, by their names, that the run may remove or replace.
        reads: Inputs as they were given; what is no file or folder passes.

    Raises:
        OutputError: One of the inputs is among them, or lies in one.
    """
    try:
        root = folder.resolve()
    except (OSError, RuntimeError, ValueError):
        return  # Opening the folder says what is wrong with its name.
    own = {root / name for name in replaced}
    for name in _names(reads):
        if os.path.exists(name) and not own.isdisjoint(_places(name)):
            raise OutputError(
                f"{name}: is read by this run, which would replace it; give another --out, or a "
                "copy of it that lies elsewhere"
            )


def _places(name: str) -> Iterator[Path]:
    """List where a file lies and all folders above it, with the links by which it was named."""
    given, result = Path(os.path.abspath(name)), Path(name).resolve()
    yield from (result, *result.parents)
    yield from (path.parent.resolve() / path.name for path in (given, *given.parents))


def _names(given: Iterable[object]) -> Iterator[str]:
    """List the names among inputs, those in lists too; objects in memory have none."""
    for each in given:
        if isinstance(each, str | PathLike):
            yield fspath(each)
        elif isinstance(each, list | tuple):
            yield from _names(each)


def write_file(path: Path, content: bytes, *, force: bool, mode: int = 0o644) -> None:
    """Write a file whole or not at all, with its permissions from the start.

    Args:
        path: The file.
        content: What it is to hold.
        force: Replace what is there.
        mode: Its permissions, less what the user's mask takes.

    Raises:
        OutputError: It is there, or cannot be written.
    """
    check_free(path, force=force)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        check_free(path, force=force)
        partial.replace(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{path}: cannot be written ({reason})") from None
    finally:
        with contextlib.suppress(OSError, ValueError):
            partial.unlink(missing_ok=True)
