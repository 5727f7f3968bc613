"""Intervals of the benchmark's figures: tasks are resampled, and there are few of them."""

import numpy
import pytest

from evidence.realistic.figures import interval_by_tasks


@pytest.mark.parametrize(
    ("draw", "least"), [("standard_normal", 0.9), ("standard_exponential", 0.84)]
)
def test_an_interval_of_six_tasks_holds_the_truth_about_as_often_as_the_page_says(draw, least):
    generator, num = numpy.random.default_rng(0), 120
    truth = {"standard_normal": 0.0, "standard_exponential": 1.0}[draw]
    held = 0
    for _ in range(num):
        values = getattr(generator, draw)(6)
        low, high = interval_by_tasks(list("abcdef"), lambda some, v=values: float(v[some].mean()))
        held += low <= truth <= high
    assert least < held / num < 0.99


def test_fewer_than_four_tasks_have_no_interval():
    assert interval_by_tasks(["a", "b", "c", "c"], lambda some: float(len(some))) is None


def test_things_of_one_task_are_one_draw():
    values = numpy.array([0.0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
    tasks = [str(int(value)) for value in values]
    thrice = interval_by_tasks(tasks, lambda some: float(values[some].mean()))
    once = interval_by_tasks(list("0123"), lambda some: float(some.mean()))
    assert thrice == once
