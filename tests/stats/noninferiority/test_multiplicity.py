"""Several claims: Holm against an independent reference, and errors of family and suite."""

import importlib
import math

import numpy
import pytest

from driftline.errors import RunError
from driftline.stats import holm_adjusted_pvalues, suite_pvalue


@pytest.mark.parametrize("num", [1, 2, 8, 30])
def test_holm_agrees_with_statsmodels(num):
    multitest = importlib.import_module("statsmodels.stats.multitest")
    pvalues = numpy.random.default_rng(num).random(num) ** 2
    expected = multitest.multipletests(pvalues, method="holm")[1]
    assert holm_adjusted_pvalues(pvalues) == pytest.approx(expected, abs=1e-12)


def test_equal_pvalues_stay_equal_and_the_input_stays_as_it_was():
    pvalues = numpy.array([0.02, 0.01, 0.02])
    assert holm_adjusted_pvalues(pvalues).tolist() == pytest.approx([0.04, 0.03, 0.04])
    assert pvalues.tolist() == [0.02, 0.01, 0.02]


def test_the_family_and_the_suite_err_at_most_as_often_as_they_say():
    generator = numpy.random.default_rng(0)
    draws = generator.random((4_000, 8))
    draws[:, 4:] **= 8  # Four hold in truth: their p-values are small.
    adjusted = numpy.stack([holm_adjusted_pvalues(row) for row in draws])
    assert (adjusted[:, :4] <= 0.05).any(axis=1).mean() <= 0.05 + 3 * 0.0035
    one_fails = draws[:, 3:]
    assert numpy.mean([suite_pvalue(row) <= 0.05 for row in one_fails]) <= 0.05


@pytest.mark.parametrize("pvalues", [[], [0.1, math.nan], [1.2], [-0.1]])
@pytest.mark.parametrize("function", [holm_adjusted_pvalues, suite_pvalue])
def test_what_is_no_pvalue_is_refused(function, pvalues):
    with pytest.raises(RunError):
        function(numpy.array(pvalues, dtype=float))
