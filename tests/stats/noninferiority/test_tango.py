"""Tango's score test: against published limits, and against the likelihood itself."""

import importlib
import math

import numpy
import pytest
import scipy.optimize
import scipy.stats

from driftline.errors import ConfigError, RunError
from driftline.stats import tango_interval, tango_statistic


@pytest.mark.parametrize(
    ("lost", "gained", "num_items", "low", "high"),
    [
        # Bentur et al. 2009 and Cavo et al. 2012, as Fagerland, Lydersen and Laake 2014 give them.
        (7, 1, 21, -0.517, -0.026),
        (16, 6, 161, -0.1240, -0.0054),
    ],
)
def test_it_gives_the_published_limits(lost, gained, num_items, low, high):
    found = tango_interval(lost, gained, num_items)
    digits = len(str(low).split(".")[1])
    assert found.low == pytest.approx(low, abs=0.6 * 10**-digits)
    assert found.high == pytest.approx(high, abs=0.6 * 10**-digits)


def _numeric_statistic(lost, gained, num_items, change):
    """The score of the change where the share of lost items is estimated by maximising."""

    def loss(share):
        same = num_items - lost - gained
        return -(
            scipy.special.xlogy(lost, share)
            + scipy.special.xlogy(gained, share + change)
            + scipy.special.xlogy(same, 1 - 2 * share - change)
        )

    ends = max(0.0, -change), (1 - change) / 2
    share = scipy.optimize.minimize_scalar(
        loss, bounds=ends, method="bounded", options={"xatol": 1e-13}
    ).x
    variance = num_items * (2 * share + change - change**2)
    return (gained - lost - num_items * change) / math.sqrt(variance)


@pytest.mark.parametrize("num_items", [20, 137, 1000])
@pytest.mark.parametrize("change", [-0.2, -0.01, 0.05])
def test_its_closed_form_maximises_the_likelihood(num_items, change):
    generator = numpy.random.default_rng(num_items)
    for _ in range(10):
        lost, gained, _same = generator.multinomial(num_items, [0.1, 0.15, 0.75]).tolist()
        found = tango_statistic(
            numpy.array(lost), numpy.array(gained), num_items=num_items, change=change
        )
        expected = _numeric_statistic(lost, gained, num_items, change)
        assert float(found) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("lost", "gained", "num_items"), [(0, 0, 10), (3, 9, 60), (0, 8, 40)])
def test_its_limits_solve_the_score_equation(lost, gained, num_items):
    found = tango_interval(lost, gained, num_items, confidence_level=0.9)
    z = scipy.stats.norm.ppf(0.95)
    root = scipy.optimize.brentq(
        lambda change: _numeric_statistic(lost, gained, num_items, change) - z,
        -0.9,
        found.value - 1e-9 if lost + gained else -1e-4,
        xtol=1e-12,
    )
    assert found.low == pytest.approx(root, abs=1e-6)


def test_at_no_change_it_is_mcnemars():
    statsmodels = importlib.import_module("statsmodels.stats.contingency_tables")
    table = numpy.array([[40, 12], [5, 43]])
    expected = statsmodels.mcnemar(table, exact=False, correction=False).statistic
    found = tango_statistic(numpy.array(12), numpy.array(5), num_items=100, change=0.0)
    assert float(found) ** 2 == pytest.approx(expected, abs=1e-6)


def test_no_flip_has_an_interval_with_a_width():
    z = scipy.stats.norm.ppf(0.975)
    found = tango_interval(0, 0, 44)
    assert found.high == pytest.approx(z**2 / (44 + z**2), abs=1e-9)
    assert found.low == pytest.approx(-found.high)


def test_turning_it_round_negates_it():
    one, other = tango_interval(3, 9, 50), tango_interval(9, 3, 50)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_it_falls_as_the_hypothesis_rises():
    changes = numpy.linspace(-0.99, 0.99, 200)
    for lost, gained in ((0, 0), (4, 1), (20, 0), (0, 20)):
        found = tango_statistic(
            numpy.full(200, lost), numpy.full(200, gained), num_items=20, change=changes
        )
        assert (numpy.diff(found) < 0).all()


@pytest.mark.parametrize("counts", [(-1, 0, 5), (3, 3, 5), (0, 0, 0)])
def test_counts_that_are_none_are_refused(counts):
    with pytest.raises(RunError, match="no count of flips"):
        tango_interval(*counts)


def test_a_level_below_a_half_is_refused():
    with pytest.raises(ConfigError):
        tango_interval(1, 1, 10, confidence_level=0.2)


@pytest.mark.statistics
def test_its_interval_covers_nearly_as_often_as_it_says():
    """By enumeration of the outcomes at 10 % discordance, at no change."""
    num_items, covered = 60, 0.0
    for flips in range(17):
        chance = scipy.stats.binom.pmf(flips, num_items, 0.1)
        for lost in range(flips + 1):
            found = tango_interval(lost, flips - lost, num_items)
            hit = found.low <= 0 <= found.high
            covered += hit * chance * scipy.stats.binom.pmf(lost, flips, 0.5)
    assert 0.94 <= covered <= 0.97
