"""Progress: shares that only grow, and a time left that comes to nothing."""

import itertools

import pytest

from driftline.engine import Meter
from driftline.engine.evaluation import _meter as meter_module


@pytest.fixture
def clock(monkeypatch):
    """Time that goes on by a second whenever it is asked for."""
    seconds = itertools.count(100.0)
    monkeypatch.setattr(meter_module.time, "monotonic", lambda: next(seconds))
    return seconds


def run(planned, steps):
    heard = []
    meter = Meter(heard.append)
    meter.enter("start")
    meter.plan(planned)
    for kind, work in steps:
        getattr(meter, kind)(work)
    return heard


STEPS = [("advance", 10), ("skip", 30), ("advance", 20), ("enter", "next"), ("advance", 40)]


def test_fractions_are_of_the_plan(clock):
    fractions = [progress.fraction for progress in run(100, STEPS)]
    assert fractions == [0.0, 0.1, 0.4, 0.6, 0.6, 1.0]


@pytest.mark.parametrize("planned", [0, 25, 99, 100, 250])
def test_fractions_never_fall_and_never_pass_one(clock, planned):
    heard = run(planned, STEPS)
    fractions = [progress.fraction for progress in heard]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1
    assert all(progress.seconds_left is None or progress.seconds_left >= 0 for progress in heard)


def test_the_time_left_is_the_rest_at_the_speed_so_far(clock):
    heard = run(100, [("advance", 25), ("advance", 25), ("advance", 50)])
    # Entered at 100 s; each report is asked a second later.
    assert [progress.seconds_left for progress in heard] == [None, 3.0, 2.0, 0.0]


def test_work_of_an_earlier_process_says_nothing_about_the_speed(clock):
    heard = run(100, [("skip", 50), ("advance", 25)])
    assert [progress.seconds_left for progress in heard] == [None, None, 1.0]


def test_stages_are_named(clock):
    assert [progress.stage for progress in run(100, STEPS)] == ["start"] * 4 + ["next"] * 2


def test_nobody_need_listen():
    meter = Meter()
    meter.enter("alone")
    meter.advance(1)


def test_work_that_a_block_does_not_need_leaves_the_plan():
    heard = []
    meter = Meter(heard.append)
    meter.plan(100)
    meter.enter("searching")
    with meter.estimated(60):
        meter.advance(10)
        meter.skip(10)
    assert [round(p.fraction, 3) for p in heard] == [0, 0.1, 0.2, 0.333]
    with meter.estimated(5):
        meter.advance(20)
    assert meter.planned == 60
    fractions = [p.fraction for p in heard]
    assert fractions == sorted(fractions)
