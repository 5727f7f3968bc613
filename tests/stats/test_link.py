"""The logistic link from margins to probabilities."""

import numpy
import pytest

from driftline.stats import log_odds, shifted_means


def test_log_odds_undo_the_logistic():
    probabilities = numpy.array([0.01, 0.3, 0.5, 0.9])
    odds = log_odds(probabilities)
    assert shifted_means(odds, numpy.zeros(1)) == pytest.approx([probabilities.mean()])
    assert odds == pytest.approx(numpy.log(probabilities / (1 - probabilities)))


def test_certain_items_stay_finite_and_hardly_move():
    odds = log_odds(numpy.array([0.0, 1.0]))
    assert numpy.isfinite(odds).all()
    assert shifted_means(odds, numpy.array([-3.0, 0.0, 3.0])) == pytest.approx([0.5] * 3, abs=1e-9)


def test_means_rise_with_the_shift():
    means = shifted_means(log_odds(numpy.array([0.2, 0.7])), numpy.linspace(-4, 4, 9))
    assert (numpy.diff(means) > 0).all()
    assert means[0] > 0
    assert means[-1] < 1
