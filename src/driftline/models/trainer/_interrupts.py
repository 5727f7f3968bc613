"""Ctrl-C, where other libraries would lose it."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def interrupts_heard() -> Iterator[None]:
    """Keep every Ctrl-C while the block runs.

    `datasets` hashes what it maps under a bare `except`, which takes a Ctrl-C for a failure to hash
    and goes on.

    Yields:
        Nothing.

    Raises:
        KeyboardInterrupt: It came while the block ran, and the block swallowed it.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    heard: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:
        raise KeyboardInterrupt
