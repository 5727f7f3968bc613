"""The conformal quantile: exact ranks, and coverage whatever the tails."""

import math

import numpy
import pytest

from driftline.errors import RunError
from driftline.stats import conformal_quantile


@pytest.mark.parametrize(
    ("size", "level", "rank"),
    [(9, 0.9, 9), (10, 0.9, 10), (19, 0.9, 18), (20, 0.9, 19), (1, 0.5, 1), (99, 0.95, 95)],
)
def test_it_is_the_order_statistic_of_the_definition(size, level, rank):
    scores = numpy.random.default_rng(size).permutation(numpy.arange(1.0, size + 1))
    assert conformal_quantile(scores, confidence_level=level) == rank


def test_the_scores_are_left_as_they_were():
    scores = numpy.array([3.0, 1.0, 2.0])
    conformal_quantile(scores, confidence_level=0.5)
    assert scores.tolist() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_too_few_cases_are_refused_with_the_number_that_is_enough(level):
    with pytest.raises(RunError, match=r"cannot give coverage .*; at least (\d+) are") as raised:
        conformal_quantile(numpy.zeros(0), confidence_level=level)
    needed = int(str(raised.value).split("at least ")[1].split()[0])
    assert conformal_quantile(numpy.zeros(needed), confidence_level=level) == 0.0
    if needed > 1:
        with pytest.raises(RunError):
            conformal_quantile(numpy.zeros(needed - 1), confidence_level=level)


@pytest.mark.parametrize("size", [9, 19, 25])
@pytest.mark.parametrize("tails", ["cauchy", "exponential"])
def test_it_covers_exchangeable_scores_whatever_their_tails(size, tails):
    generator = numpy.random.default_rng(size)
    draw = {
        "cauchy": lambda shape: numpy.abs(generator.standard_cauchy(shape)),
        "exponential": lambda shape: generator.exponential(size=shape),
    }[tails]
    # A common factor for all scores of one repeat: exchangeable, and not independent.
    scores = draw((4000, size + 1)) * generator.lognormal(size=(4000, 1))
    hits = [row[-1] <= conformal_quantile(row[:-1], confidence_level=0.9) for row in scores]
    expected = math.ceil(0.9 * (size + 1)) / (size + 1)
    assert numpy.mean(hits) == pytest.approx(expected, abs=0.015)
    assert expected >= 0.9
