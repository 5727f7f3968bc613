"""Transfer of files to workers that do not see the driver's disk."""

from pathlib import Path
from typing import Any

from ...models import files_of
from ...provenance import digest_file
from ._worker import SentFile, Task

_CHUNK_BYTES = 64 << 20
"""Size of the parts in which files are sent, so that no worker holds a whole one in memory."""


class FileTransfer:
    """Transfer of files: reads each file once, and sends its parts to workers that lack it."""

    def __init__(self, ray: Any) -> None:  # noqa: ANN401 - a module that may be missing
        """Start with no file sent."""
        self._ray = ray
        self._files: dict[Path, SentFile] = {}
        self._parts: dict[SentFile, list[Any]] = {}

    @property
    def has_sent(self) -> bool:
        """True if a file was sent."""
        return bool(self._parts)

    def name_files(self, task: Task) -> Task:
        """Return the task with the digests of the files that its point reads."""
        for path in files_of(task.point):
            if path not in self._files:
                self._files[path] = SentFile(path, digest_file(path))
        return task._replace(files=tuple(self._files[path] for path in files_of(task.point)))

    def send(self, worker: Any, file: SentFile) -> list[Any]:  # noqa: ANN401 - an actor's handle
        """Send a file, part by part."""
        if file not in self._parts:
            # Ray moves a part to a node once, however many workers there ask for it.
            with file.path.open("rb") as opened:
                chunks = iter(lambda: opened.read(_CHUNK_BYTES), b"")
                self._parts[file] = [self._ray.put(chunk) for chunk in chunks]
        parts = self._parts[file]
        return [
            worker.receive.remote(
                file, part, is_first=number == 0, is_last=number == len(parts) - 1
            )
            for number, part in enumerate(parts)
        ]
