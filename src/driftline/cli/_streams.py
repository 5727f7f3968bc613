"""Guards of standard output and standard error, for one run of the command line.

Names and messages come from files of others, so whatever is written passes here once: characters
that a terminal would act on are spelled as escapes, and so are those that the stream's encoding
lacks. A full or closed output is an error in one line; progress that cannot be shown is not.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from ..errors import OutputError
from ..escapes import json_escape, visible


class PlainStream(io.TextIOBase):
    """A stream of the system, for text that is safe already, such as a progress bar."""

    encoding = "utf-8"
    """As far as others need to know; what the stream's own lacks is spelled out."""
    errors = "strict"

    def __init__(self, stream: TextIO | None, name: str, *, required: bool) -> None:
        """Wrap a stream.

        Args:
            stream: Of the system; None where it was closed.
            name: What a message calls it.
            required: Text that cannot be written is an error; else it is dropped.
        """
        self._stream = stream
        self._name = name
        self._required = required
        self._fault = "it is closed" if stream is None else None

    def writable(self) -> bool:
        """Return true: the stream takes text."""
        return True

    def isatty(self) -> bool:
        """Tell whether a person reads it."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """Return the file descriptor, where there is one."""
        if self._stream is None:
            raise io.UnsupportedOperation("closed")
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write text, spelling out what the encoding lacks."""
        if self._stream is None or self._fault is not None:
            self._refuse()
            return len(text)
        encoding = self._stream.encoding or "utf-8"
        try:
            self._stream.write(_encodable(text, encoding))
        except (OSError, ValueError) as error:
            self._fail(getattr(error, "strerror", None) or str(error))
        return len(text)

    def flush(self) -> None:
        """Pass on what is held."""
        if self._stream is None or self._fault is not None:
            return
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._fail(getattr(error, "strerror", None) or str(error))

    def _fail(self, reason: str) -> None:
        self._fault = reason
        # What is held would fail once more when Python ends, with an exit code of its own.
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
        self._refuse()

    def _refuse(self) -> None:
        if self._required:
            raise OutputError(
                f"{self._name}: cannot be written ({self._fault}); the files that the command writes "
                "are complete"
            )


class VisibleStream(PlainStream):
    """A stream for text that may hold anything."""

    def __init__(self, stream: TextIO | None, name: str, *, required: bool) -> None:
        """Wrap a stream."""
        super().__init__(stream, name, required=required)
        # Rich looks for this name; what it prints here, help and usage, holds no text of files.
        self.rich_proxied_file = PlainStream(stream, name, required=required)

    def write(self, text: str) -> int:
        """Write text, with what a terminal would act on spelled out."""
        # Bars of libraries go back to the start of their line at the start of what they write.
        lead = "\r" if text.startswith("\r") else ""
        super().write(lead + visible(text.removeprefix(lead)))
        return len(text)


@contextlib.contextmanager
def safe_streams() -> Iterator[None]:
    """Put both streams behind their guards."""
    _occupy_closed_descriptors()
    before = sys.stdout, sys.stderr
    sys.stdout = VisibleStream(before[0], "standard output", required=True)
    sys.stderr = VisibleStream(before[1], "standard error", required=False)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def terminal() -> TextIO:
    """Return standard error without the guard of its text, for a caller that guards its own text."""
    result: TextIO = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
    return result


def _occupy_closed_descriptors() -> None:
    """Keep 0, 1 and 2 taken: a library that writes to one of them must not hit a file of ours."""
    opened = os.open(os.devnull, os.O_RDWR)
    while opened <= 2:
        opened = os.open(os.devnull, os.O_RDWR)
    os.close(opened)


def _encodable(text: str, encoding: str) -> str:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(c if _has(encoding, c) else json_escape(c) for c in text)
    return text


def _has(encoding: str, character: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
