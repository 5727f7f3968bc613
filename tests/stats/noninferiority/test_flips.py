"""The exact test of a paired share: its error by enumeration, and edges at which others fail."""

import itertools

import numpy
import pytest
import scipy.stats

from driftline.errors import ConfigError, RunError
from driftline.stats import flip_noninferiority
from driftline.stats.noninferiority._flips import (
    GAMMA,
    evidence_at,
    evidence_of,
    evidence_pvalue,
    most_lost_at,
    outcome_probabilities,
)

ALPHA = 0.05


def test_ten_items_without_a_flip_prove_nothing():
    found = flip_noninferiority(0, 0, 10, margin=0.015)
    assert found.verdict == "inconclusive"
    # Nothing happens in ten draws with 5 % probability where each happens with 25.9 %.
    assert found.low == pytest.approx(-(1 - (ALPHA - GAMMA) ** 0.1), abs=1e-8)
    assert found.pvalue == pytest.approx(0.985**10 + GAMMA, abs=1e-8)


@pytest.mark.parametrize(
    ("lost", "gained", "num_items", "verdict"),
    [
        (0, 0, 150, "non_inferior"),
        (77, 77, 1546, "non_inferior"),
        (40, 0, 100, "inferior"),
        (100, 0, 100, "inferior"),
        (0, 100, 100, "non_inferior"),
        (0, 0, 1, "inconclusive"),
        (10, 10, 200, "inconclusive"),
    ],
)
def test_verdict_limits_and_pvalue_agree(lost, gained, num_items, verdict):
    found = flip_noninferiority(lost, gained, num_items, margin=0.02)
    assert found.verdict == verdict
    assert -1 <= found.low <= found.change <= found.high <= 1
    assert (found.low >= -0.02) == (verdict == "non_inferior") == (found.pvalue <= ALPHA)
    assert (found.high < -0.02) == (verdict == "inferior")


def test_turning_it_round_negates_the_limits():
    one = flip_noninferiority(3, 9, 50, margin=0.3)
    other = flip_noninferiority(9, 3, 50, margin=0.3)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-8)


def test_more_lost_items_are_worse():
    found = [flip_noninferiority(lost, 8 - lost, 80, margin=0.1) for lost in range(9)]
    for better, worse in itertools.pairwise(found):
        assert worse.low <= better.low
        assert worse.high <= better.high
        assert worse.pvalue >= better.pvalue


def test_a_pvalue_is_the_sum_of_its_outcomes():
    """Against all outcomes counted one by one, at a discordance where they are searched."""
    evidence = evidence_of(2, 3, 30, 0.95)
    for discordance in (0.1, 0.3):
        expected = 0.0
        for flips, most in zip(evidence.num_flips, evidence.most_lost, strict=True):
            for lost in range(most + 1):
                shares = [(discordance + 0.05) / 2, (discordance - 0.05) / 2, 1 - discordance]
                expected += scipy.stats.multinomial.pmf(
                    [lost, flips - lost, 30 - flips], 30, shares
                )
        found = outcome_probabilities(evidence, numpy.array([discordance]), -0.05)
        assert found[0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("change", [-0.05, -0.02, 0.0, 0.3])
@pytest.mark.parametrize(
    ("lost", "gained", "num_items"), [(0, 0, 40), (0, 30, 90), (25, 0, 60), (105, 95, 2000)]
)
def test_tails_made_from_each_other_are_those_of_scipy(lost, gained, num_items, change):
    evidence = evidence_at(lost, gained, num_items, -0.02)
    discordances = numpy.array([max(abs(change), 0.001), max(abs(change), 0.1), 0.5, 1.0])
    found = outcome_probabilities(evidence, discordances, change)
    for discordance, probability in zip(discordances, found, strict=True):
        weights = scipy.stats.binom.pmf(evidence.num_flips, num_items, discordance)
        lost_share = numpy.clip((1 - change / discordance) / 2, 0, 1)
        tails = scipy.stats.binom.cdf(evidence.most_lost, evidence.num_flips, lost_share)
        expected = (weights * tails).sum() + 1 - weights.sum()
        assert probability == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize(("lost", "gained", "num_items"), [(1, 2, 30), (9, 11, 200), (60, 50, 600)])
def test_no_discordance_is_overlooked(lost, gained, num_items):
    evidence = evidence_at(lost, gained, num_items, -0.05)
    fine = numpy.linspace(max(0.05, evidence.discordances[0]), evidence.discordances[-1], 2001)
    highest = outcome_probabilities(evidence, fine, -0.05).max() + GAMMA
    assert evidence_pvalue(evidence, -0.05) >= min(highest, 1.0) - 1e-5


def _passing(num_items, margin):
    """Of each number of flips, the most lost that pass, by every outcome's own p-value."""
    flips = numpy.arange(num_items + 1)
    most = most_lost_at(flips, num_items, change=-margin, z=1.2)
    for flip in flips:
        while most[flip] >= 0:
            evidence = evidence_at(int(most[flip]), int(flip - most[flip]), num_items, -margin)
            if evidence_pvalue(evidence, -margin) <= ALPHA:
                break
            most[flip] -= 1
    return most


@pytest.mark.parametrize(("num_items", "margin"), [(20, 0.05), (60, 0.02)])
def test_its_error_is_at_most_what_it_says(num_items, margin):
    """Exactly, over discordances that no grid of the test holds."""
    most = _passing(num_items, margin)
    flips = numpy.arange(num_items + 1)
    for discordance in numpy.geomspace(margin * 1.001, 0.9, 37):
        tails = scipy.stats.binom.cdf(most, flips, (1 + margin / discordance) / 2)
        error = (scipy.stats.binom.pmf(flips, num_items, discordance) * tails).sum()
        assert error <= ALPHA


@pytest.mark.statistics
def test_its_limits_cover_as_often_as_they_say():
    num_items = 12
    outcomes = [(lost, flips - lost) for flips in range(num_items + 1) for lost in range(flips + 1)]
    found = [flip_noninferiority(*pair, num_items, margin=0.1) for pair in outcomes]
    for discordance, change in ((0.05, -0.05), (0.1, -0.03), (0.2, 0.0), (0.2, -0.1)):
        shares = [(discordance - change) / 2, (discordance + change) / 2, 1 - discordance]
        chances = [
            scipy.stats.multinomial.pmf([*pair, num_items - sum(pair)], num_items, shares)
            for pair in outcomes
        ]
        above = sum(p for p, test in zip(chances, found, strict=True) if test.low > change)
        below = sum(p for p, test in zip(chances, found, strict=True) if test.high < change)
        assert above <= ALPHA
        assert below <= ALPHA


def test_bad_input_is_refused():
    with pytest.raises(ConfigError, match="margin"):
        flip_noninferiority(1, 1, 10, margin=0.0)
    with pytest.raises(ConfigError, match="confidence_level"):
        flip_noninferiority(1, 1, 10, margin=0.1, confidence_level=1.0)
    with pytest.raises(RunError, match="no count"):
        flip_noninferiority(6, 6, 10, margin=0.1)
