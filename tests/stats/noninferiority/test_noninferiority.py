"""What the tests of non-inferiority share: units, verdicts, and what is refused."""

import math

import numpy
import pytest

from driftline.errors import ConfigError, RunError
from driftline.stats.noninferiority._noninferiority import (
    check_level,
    check_margin,
    judged,
    units_of,
)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.01, 0.02, "non_inferior"),
        (-0.02, 0.02, "non_inferior"),
        (math.nextafter(-0.02, -1), 0.02, "inconclusive"),
        (-0.2, -0.02, "inconclusive"),
        (-0.2, -0.021, "inferior"),
    ],
)
def test_the_verdict_is_that_of_the_limits(low, high, verdict):
    assert judged(low, high, 0.02) == verdict


def test_groups_are_collected_in_the_order_in_which_they_are_met():
    units = units_of(numpy.array([1.0, 2.0, 4.0, 8.0]), numpy.array([7, 3, 7, 1]))
    assert units.sums.tolist() == [5.0, 2.0, 8.0]
    assert units.sizes.tolist() == [2, 1, 1]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_undefined_change_is_refused(value):
    with pytest.raises(RunError, match="not finite"):
        units_of(numpy.array([0.0, value]), None)


def test_no_items_and_wrong_groups_are_refused():
    with pytest.raises(RunError, match="no items"):
        units_of(numpy.zeros(0), None)


@pytest.mark.parametrize("level", [0.4, 1.0, math.nan])
def test_a_level_that_is_none_is_refused(level):
    with pytest.raises(ConfigError, match="confidence_level"):
        check_level(level)


@pytest.mark.parametrize("margin", [0.0, -0.1, 1.0, math.nan])
def test_a_margin_that_is_none_is_refused(margin):
    with pytest.raises(ConfigError, match="margin"):
        check_margin(margin, 1.0)
