"""One process at a time in a run folder: a lock of the operating system, with its owner's name.

The system drops the lock when the process ends, however it ends; what a crash leaves behind is a file
that nobody holds. The file is removed while it is locked; a process that locks a removed file retries.
"""

import contextlib
import errno
import os
import socket
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from ...errors import OutputError
from ...results import RunOwner

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_GRACE_SECONDS = 1.0
"""`driftline runs` holds the lock briefly; a starting run retries for this long."""
_HELD = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}
_FAR_BYTE = 1 << 30
"""Windows locks bytes and not files, and what is locked cannot be read; nothing stands here."""


@dataclass
class _Hold:
    """The lock file that this process holds, and how often."""

    descriptor: int
    count: int = 1


class FolderLock:
    """The lock of one file, held from `acquire` to `release`.

    Within one process it may be held several times, as when a notebook's cell runs again.
    """

    _holds: ClassVar[dict[Path, _Hold]] = {}

    def __init__(self, path: Path) -> None:
        """Set the path of the lock; it is not acquired yet."""
        self.path = path
        # Unlike Path.resolve, this takes a loop of links, which opening the file then refuses.
        self._key = Path(os.path.realpath(path))

    def acquire(self) -> None:
        """Acquire the lock, or fail at once and name its owner."""
        hold = self._holds.get(self._key)
        if hold is not None:
            hold.count += 1
            return
        deadline = time.monotonic() + _GRACE_SECONDS
        while (descriptor := self._attempt()) is None:
            if time.monotonic() > deadline:
                raise OutputError(self._in_use())
            time.sleep(0.05)
        _write_owner(descriptor)
        self._holds[self._key] = _Hold(descriptor)

    def release(self) -> None:
        """Release the lock; does nothing if it is not held."""
        hold = self._holds.get(self._key)
        if hold is None:
            return
        hold.count -= 1
        if hold.count == 0:
            del self._holds[self._key]
            # Windows keeps a file that is open.
            with contextlib.suppress(PermissionError):
                self.path.unlink(missing_ok=True)
            _unlock(hold.descriptor)
            os.close(hold.descriptor)

    def owner(self) -> RunOwner | None:
        """Return the owner of the lock, this process included; None if it is free."""
        if self._key in self._holds:
            return self._written_owner()
        try:
            descriptor = os.open(self.path, os.O_RDWR)
        except (FileNotFoundError, PermissionError):
            return None
        try:
            if not self._try(descriptor):
                return self._written_owner()
            _unlock(descriptor)
            return None
        finally:
            os.close(descriptor)

    def _attempt(self) -> int | None:
        """Return the locked file's descriptor; None if another process has it or just removed it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if self._try(descriptor) and self._is_there(descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _is_there(self, descriptor: int) -> bool:
        """Return whether the path still names the open file."""
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        return False

    def _try(self, descriptor: int) -> bool:
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno in _HELD:
                return False
            raise OutputError(
                f"{self.path.parent}: its file system cannot lock files ({error.strerror}); give "
                "an --out on a local disk"
            ) from error
        return True

    def _in_use(self) -> str:
        owner = self._written_owner()
        return (
            f"{self.path.parent}: is in use by process {owner.pid or 'unknown'} on "
            f"{owner.host or 'an unknown machine'} (since {owner.since or 'an unknown time'}); "
            "wait until it is done, or give another --out"
        )

    def _written_owner(self) -> RunOwner:
        """Read the owner from the file; a half-written file names none."""
        unknown = RunOwner(pid=None, host=None, since=None)
        with contextlib.suppress(OSError, ValueError):
            return RunOwner.model_validate_json(self.path.read_text(encoding="utf-8"))
        return unknown


def _write_owner(descriptor: int) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    owner = RunOwner(pid=os.getpid(), host=socket.gethostname(), since=now)
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, owner.model_dump_json().encode())


if sys.platform == "win32":

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
