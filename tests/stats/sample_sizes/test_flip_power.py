"""Power and sample size of the exact test: against every outcome, and against published figures."""

import numpy
import pytest
import scipy.stats

from driftline.errors import ConfigError
from driftline.stats import flip_noninferiority, noninferiority_power, num_items_needed
from driftline.stats.noninferiority._flips import most_lost_at


@pytest.mark.statistics
@pytest.mark.parametrize(("num_items", "margin", "discordance"), [(30, 0.15, 0.1), (60, 0.1, 0.1)])
def test_it_is_the_chance_of_the_verdict(num_items, margin, discordance):
    expected = 0.0
    for flips in range(num_items + 1):
        chance = scipy.stats.binom.pmf(flips, num_items, discordance)
        if chance < 1e-4:
            continue
        for lost in range(flips + 1):
            found = flip_noninferiority(lost, flips - lost, num_items, margin=margin)
            if found.verdict != "non_inferior":
                break
            expected += chance * scipy.stats.binom.pmf(lost, flips, 0.5)
    found = noninferiority_power(num_items, margin=margin, discordance=discordance)
    assert found == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(("margin", "num_items"), [(0.05, 248), (0.03, 687), (0.02, 1546)])
def test_it_is_as_powerful_as_the_asymptotic_score_test(margin, num_items):
    flips = numpy.arange(num_items + 1)
    most = most_lost_at(flips, num_items, change=-margin, z=scipy.stats.norm.ppf(0.95))
    tails = scipy.stats.binom.cdf(most, flips, 0.5)
    asymptotic = (scipy.stats.binom.pmf(flips, num_items, 0.1) * tails).sum()
    found = noninferiority_power(num_items, margin=margin, discordance=0.1)
    assert found >= asymptotic - 0.005
    assert found == pytest.approx(0.8, abs=0.03)


def test_at_the_margin_it_is_the_error():
    found = noninferiority_power(200, margin=0.05, discordance=0.1, change=-0.05)
    assert 0.03 <= found <= 0.05


@pytest.mark.parametrize(("margin", "discordance"), [(0.1, 0.1), (0.1, 0.01)])
def test_the_number_needed_has_the_power_and_hardly_fewer_have(margin, discordance):
    num_items = num_items_needed(margin=margin, discordance=discordance)
    assert noninferiority_power(num_items, margin=margin, discordance=discordance) >= 0.8
    assert noninferiority_power(num_items - 1, margin=margin, discordance=discordance) < 0.8


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"margin": 0.0}, "margin"),
        ({"discordance": 0.0}, "discordance"),
        ({"change": 0.2}, "larger than discordance"),
        ({"change": -0.05}, "above -margin"),
        ({"power": 0.01}, "power"),
        ({"confidence_level": 1.0}, "confidence_level"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(changed, message):
    plan = {"margin": 0.05, "discordance": 0.1} | changed
    with pytest.raises(ConfigError, match=message):
        num_items_needed(**plan)
