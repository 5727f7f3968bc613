"""Files that a question reads whole or writes whole."""

import contextlib
import os
from collections.abc import Callable
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
