"""Progress on stderr: a bar with the time left on a terminal, a line now and then elsewhere."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from ..escapes import visible
from ._streams import terminal

if TYPE_CHECKING:
    from driftline.engine import Progress as Moment

_SECONDS_BETWEEN_LINES = 20.0


class ProgressPrinter:
    """Shows what the engine's meter tells, and lets no Ctrl-C be lost meanwhile.

    Libraries that wait for others, Ray among them, now and then take a Ctrl-C for a failed wait and go
    on. It is raised again at the next moment that is told, or at the end.
    """

    def __init__(self) -> None:
        """Print to stderr, which leaves stdout to the result."""
        self._console = Console(file=terminal(), highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            console=self._console,
            transient=True,
            disable=not sys.stderr.isatty(),
            # What others write in the meantime goes through the guard of the stream.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("starting", total=1.0, left="")
        self._last_line = 0.0
        self._stage = self._detail = ""
        self._interrupted = False
        self._handler: signal.Handlers | Callable[[int, FrameType | None], object] | int | None = (
            None
        )

    def note(self, text: str) -> None:
        """Print a line about a short step that cannot be measured."""
        self._console.print(f"{visible(text, keep='')} ...", markup=False)

    def say(self, text: str) -> None:
        """Print a lasting line about how the input was read."""
        self._console.print(f"note: {text}", markup=False, soft_wrap=True)

    def update(self, moment: "Moment") -> None:
        """Show a moment of the work."""
        if self._interrupted:
            raise KeyboardInterrupt
        left = "" if moment.seconds_left is None else f"{_duration(moment.seconds_left)} left"
        stage, _, detail = visible(moment.stage, keep="").partition("; ")
        if detail and detail != self._detail:
            # Once: in the bar it would not fit, and on each line it would hide the time left.
            self._detail = detail
            self.say(detail)
        self._bar.update(self._task, completed=moment.fraction, description=stage, left=left)
        if not self._bar.disable and stage == self._stage:
            return
        now = time.monotonic()
        if stage != self._stage or now - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line, self._stage = now, stage
            share = f"{moment.fraction:4.0%}  {stage}"
            self._console.print(f"{share}  {left}".rstrip(), markup=False)

    def shown(self) -> Self:
        """Return the printer itself, to be entered while work is done."""
        return self

    def __enter__(self) -> Self:
        """Begin to show the bar, and to listen."""
        handler = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(handler):
            self._handler = handler
            signal.signal(signal.SIGINT, self._hear)
        self._bar.start()
        return self

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True
        assert callable(self._handler)
        self._handler(number, frame)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self._bar.stop()
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
        if self._interrupted and kind is None:
            raise KeyboardInterrupt


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
