"""Ctrl-C is heard once, whatever a library does with it."""

import os
import signal
import threading

import datasets
import pytest

from driftline.models.trainer._interrupts import interrupts_heard

pytestmark = pytest.mark.usefixtures("ctrl_c_arrives")


def press():
    os.kill(os.getpid(), signal.SIGINT)


def swallow(done):
    """What datasets does."""
    with interrupts_heard():
        try:
            press()
        except:  # noqa: E722
            done.append("swallowed")
        done.append("went on")


def let_through(done):
    with interrupts_heard():
        press()
        done.append("went on")


@pytest.mark.parametrize(
    ("block", "expected"), [(swallow, ["swallowed", "went on"]), (let_through, [])]
)
def test_an_interrupt_is_raised_in_the_end_at_the_latest(block, expected):
    done = []
    with pytest.raises(KeyboardInterrupt):
        block(done)
    assert done == expected
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_one_nothing_happens():
    with interrupts_heard():
        pass


def test_in_another_thread_nothing_is_touched():
    failures = []

    def run():
        try:
            with interrupts_heard():
                pass
        except ValueError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert failures == []


@pytest.mark.filterwarnings("ignore")
def test_training_hears_it_while_the_data_are_hashed(trajectory, monkeypatch):
    pressed = []

    def press_once(_hasher, value):
        if callable(value) and not pressed:
            pressed.append(True)
            press()

    monkeypatch.setattr(datasets.fingerprint.Hasher, "update", press_once)
    # The rows are prepared once, when the run is planned.
    with pytest.raises(KeyboardInterrupt):
        trajectory(kept=(1,)).ensure_trained()
    assert pressed
