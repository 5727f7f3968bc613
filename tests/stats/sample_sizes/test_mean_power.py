"""Power for means: against statsmodels, and against the test itself."""

import importlib

import pytest

from driftline.errors import ConfigError
from driftline.stats import (
    mean_noninferiority_power,
    mean_num_items_needed,
)


@pytest.mark.parametrize(("num_items", "change"), [(10, 0.0), (60, 0.0), (200, -0.05)])
def test_it_agrees_with_statsmodels(num_items, change):
    power = importlib.import_module("statsmodels.stats.power")
    expected = power.TTestPower().power(
        (change + 0.1) / 0.3, num_items, alpha=0.05, alternative="larger"
    )
    found = mean_noninferiority_power(num_items, margin=0.1, standard_deviation=0.3, change=change)
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("margin", [0.05, 0.1, 1.0])
def test_the_number_needed_has_the_power_and_fewer_have_not(margin):
    num_items = mean_num_items_needed(margin=margin, standard_deviation=0.3)
    plan = {"margin": margin, "standard_deviation": 0.3}
    assert mean_noninferiority_power(num_items, **plan) >= 0.8
    assert num_items == 2 or mean_noninferiority_power(num_items - 1, **plan) < 0.8


@pytest.mark.parametrize(
    "changed", [{"margin": -1.0}, {"standard_deviation": 0.0}, {"change": -0.1}, {"power": 1.0}]
)
def test_a_plan_that_cannot_be_is_refused(changed):
    with pytest.raises(ConfigError):
        mean_num_items_needed(**({"margin": 0.1, "standard_deviation": 0.3} | changed))
