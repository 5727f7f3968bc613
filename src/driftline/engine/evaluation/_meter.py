"""Amount of work done and remaining, for a progress display."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


class Progress(NamedTuple):
    """A moment of the work."""

    stage: str
    fraction: float
    seconds_left: float | None
    """None before the first work is done."""


@dataclass
class Meter:
    """Count of work in tokens of one forward pass; a trained token counts as four.

    The plan is made before the work, so that the time left is about the whole of it.
    """

    listener: Callable[[Progress], None] = field(default=lambda _progress: None)
    planned: float = 0.0
    done: float = 0.0
    skipped: float = 0.0
    stage: str = ""
    _started: float | None = None

    TRAINED_TOKEN = 4.0
    """Forward, backward (twice a forward) and the optimiser, in forward passes."""

    def plan(self, work: float) -> None:
        """Add work to what is planned."""
        self.planned += work

    def replan(self, work: float) -> None:
        """Replace what is planned: so much is left, as it is known now."""
        self.planned = self.done + self.skipped + max(0.0, work)
        self._tell()

    @contextlib.contextmanager
    def estimated(self, work: float) -> Iterator[None]:
        """Remove from the plan what the block turns out not to need.

        Args:
            work: Work that was planned for the block.

        Yields:
            Nothing.
        """
        before = self.done + self.skipped
        yield
        self.planned -= max(0.0, work - (self.done + self.skipped - before))
        self._tell()

    def enter(self, stage: str) -> None:
        """Set the name of the next stage."""
        self.stage = stage
        self._started = self._started or time.monotonic()
        self._tell()

    def advance(self, work: float) -> None:
        """Count work that was done now."""
        self.done += work
        self._tell()

    def skip(self, work: float) -> None:
        """Count work that an earlier process did."""
        self.skipped += work
        self._tell()

    def _tell(self) -> None:
        ready = self.done + self.skipped
        total = max(self.planned, ready, 1.0)
        left = None
        if self._started is not None and self.done > 0:
            left = (time.monotonic() - self._started) / self.done * (total - ready)
        self.listener(Progress(self.stage, ready / total, left))
