"""Wealth: a fair game under the hypothesis, from stakes that do not look ahead."""

import numpy
import pytest

from driftline.errors import ConfigError, RunError
from driftline.stats.noninferiority._bets import (
    Bets,
    check_bounds,
    highest_refused,
    log_wealth,
    past_of,
    scaled,
)
from driftline.stats.noninferiority._noninferiority import Units


def test_wealth_is_the_product_of_its_factors():
    totals, sizes = numpy.array([[0.5, -1.0, 0.2]]), numpy.array([[1.0, 0.5, 1.0]])
    bets = Bets(totals, sizes, numpy.array([[0.3, 0.2, 9.0]]), -1.0, 0.5)
    found = numpy.exp(log_wealth(bets, -0.1))
    factors = [1 + 0.3 * 0.6, 1 + 0.2 * -0.95, 1 + 0.5 / 0.9 * 0.3]
    assert found[0] == pytest.approx(numpy.cumprod(factors))


def test_wealth_falls_as_the_hypothesis_rises():
    generator = numpy.random.default_rng(0)
    totals = generator.uniform(-1, 1, (1, 50))
    bets = Bets(totals, numpy.ones((1, 50)), generator.uniform(0, 5, (1, 50)), -1.0, 0.5)
    finals = [log_wealth(bets, mean)[0, -1] for mean in numpy.linspace(-0.99, 0.99, 50)]
    assert (numpy.diff(finals) < 0).all()


def test_stakes_do_not_look_ahead():
    generator = numpy.random.default_rng(1)
    totals, sizes = generator.normal(size=(1, 20)), generator.uniform(0.2, 1, (1, 20))
    before = past_of(totals, sizes, 0.1)
    totals[0, 10:], sizes[0, 10:] = 7.0, 1.0
    after = past_of(totals, sizes, 0.1)
    assert (before.variance[0, :11] == after.variance[0, :11]).all()
    assert (before.size[0, :11] == after.size[0, :11]).all()
    assert before.variance[0, 11] != after.variance[0, 11]


def test_the_past_comes_to_be_that_of_the_units():
    totals = numpy.random.default_rng(2).normal(0.2, 0.7, (1, 20_000))
    past = past_of(totals, numpy.ones((1, 20_000)), 0.05)
    assert past.variance[0, -1] == pytest.approx(0.49, rel=0.03)
    assert past.size[0, -1] == pytest.approx(1.0)


def test_a_group_larger_than_the_largest_is_refused():
    units = Units(numpy.array([1.0, 2.0]), numpy.array([1, 4]))
    assert scaled(units, None).sizes.tolist() == [0.25, 1.0]
    assert scaled(units, 8).sums.tolist() == [0.125, 0.25]
    with pytest.raises(ConfigError, match="max_group_size 3"):
        scaled(units, 3)


def test_changes_outside_of_their_bounds_are_refused():
    with pytest.raises(RunError, match="outside of its bounds"):
        check_bounds(numpy.array([0.0, -1.1]), (-1.0, 1.0), 0.1)
    for bounds in ((0.0, 1.0), (-1.0, 0.0), (-1.0, numpy.inf), (-0.05, 1.0)):
        with pytest.raises(ConfigError, match="bounds"):
            check_bounds(numpy.zeros(2), bounds, 0.1)


def test_the_limit_is_where_the_evidence_meets_its_bound():
    found = highest_refused(lambda mean: -mean, least=-5.0, most=5.0, log_bound=2.0)
    assert found == pytest.approx(-2.0)
