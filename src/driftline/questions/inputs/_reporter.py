"""Reporters of progress: silent in Python, on the terminal in a command."""

import contextlib
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from driftline.engine import Progress, RunFolder

_LOG = logging.getLogger("driftline")


class Reporter(Protocol):
    """A receiver of messages and progress while a question is answered."""

    def note(self, text: str) -> None:
        """Receive the name of a short step that cannot be measured."""

    def say(self, text: str) -> None:
        """Receive a sentence about how the input was read."""

    def update(self, moment: "Progress") -> None:
        """Receive a moment of the work."""

    def shown(self) -> AbstractContextManager[object]:
        """Show progress for as long as the work takes."""


class SilentReporter:
    """A reporter that prints nothing; notes about the input go to the log `driftline`, at level info."""

    def note(self, text: str) -> None:
        """Drop the name of a step."""

    def say(self, text: str) -> None:
        """Log a sentence about the input."""
        _LOG.info(text)

    def update(self, moment: "Progress") -> None:
        """Drop a moment of the work."""

    def shown(self) -> AbstractContextManager[object]:
        """Show nothing."""
        return contextlib.nullcontext()


@contextlib.contextmanager
def shown(
    reporter: Reporter, folder: "RunFolder", resume: str = "the same command resumes from {path}"
) -> Iterator[None]:
    """Show progress of the work in a run folder, and say how an interrupted run resumes.

    Args:
        reporter: The receiver of the progress.
        folder: Where the work is kept.
        resume: The sentence about resuming.

    Yields:
        Nothing.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C; finished work stays stored.
    """
    try:
        with reporter.shown():
            yield
    except KeyboardInterrupt:
        reporter.note(f"stopped; {resume.format(path=folder.path)}")
        raise
