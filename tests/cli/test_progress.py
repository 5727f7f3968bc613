"""A Ctrl-C that a library swallowed is raised at the next moment, or at the end."""

import contextlib
import os
import signal

import pytest

from driftline.cli._progress import ProgressPrinter
from driftline.engine import Progress

pytestmark = pytest.mark.usefixtures("ctrl_c_arrives")

MOMENT = Progress(stage="scoring", fraction=0.5, seconds_left=None)


def swallow():
    with contextlib.suppress(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_it_is_raised_at_the_next_moment():
    before = signal.getsignal(signal.SIGINT)
    told = []

    def work():
        with ProgressPrinter() as printer:
            for _ in range(3):
                printer.update(MOMENT)
                told.append(MOMENT)
                swallow()

    with pytest.raises(KeyboardInterrupt):
        work()
    assert len(told) == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_it_is_raised_at_the_end_at_the_latest():
    with pytest.raises(KeyboardInterrupt), ProgressPrinter():
        swallow()


def test_without_one_nothing_is_raised_and_errors_go_through():
    before = signal.getsignal(signal.SIGINT)
    with ProgressPrinter() as printer:
        printer.update(MOMENT)
    with pytest.raises(ValueError, match="other"), ProgressPrinter():
        raise ValueError("other")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_remark_behind_a_stage_is_said_once(capsys):
    stage = "training; the base is not shown to have: french"
    with ProgressPrinter() as printer:
        printer._last_line = -1e9
        for fraction in (0.1, 0.2):
            printer.update(Progress(stage=stage, fraction=fraction, seconds_left=60.0))
            printer._last_line = -1e9
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "note: the base is not shown to have: french"
    assert [line.split("  ")[1] for line in lines[1:]] == ["training", "training"]
