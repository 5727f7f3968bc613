"""The learning rate that keeps a run within its risk."""

import numpy
import pytest

from driftline.analyses import LossForecast
from driftline.analyses.forecasting import (
    Limit,
    largest_multiple,
    probability_any,
    probability_at,
)

EXPONENTS = (0.8, 1.2, 1.9)
RISKS = [0.01, 0.05, 0.1, 0.2, 0.35, 0.49]


def limits(*values, tolerance=0.1, scale=0.05, error=0.02):
    return [Limit(LossForecast(value, scale, error), tolerance) for value in values]


GENTLE, HARSH = limits(-0.2, -0.1, 0.0), limits(0.05, 0.4, -0.1)


@pytest.mark.parametrize("risk", RISKS)
@pytest.mark.parametrize("correlation", [0.0, 0.4, 0.9])
@pytest.mark.parametrize("values", [(0.3,), (0.05, 0.4, -0.1), (0.12,) * 8])
def test_at_the_recommended_multiple_the_risk_is_kept_and_a_little_above_it_is_not(
    values, correlation, risk
):
    given = limits(*values)
    found = largest_multiple(given, correlation, risk=risk, exponents=EXPONENTS)
    assert 0.01 <= found < 1
    assert probability_at(given, correlation, found, EXPONENTS) <= risk
    assert probability_at(given, correlation, found * 1.001, EXPONENTS) > risk


@pytest.mark.parametrize("given", [GENTLE, HARSH])
def test_more_accepted_risk_allows_a_higher_rate(given):
    found = [largest_multiple(given, 0.3, risk=risk, exponents=EXPONENTS) for risk in RISKS]
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_a_tighter_tolerance_more_capabilities_or_more_loss_allow_less():
    def rate(*values, **changes):
        return largest_multiple(limits(*values, **changes), 0.3, risk=0.1, exponents=EXPONENTS)

    usual = rate(0.3, 0.2)
    assert rate(0.3, 0.2, tolerance=0.05) < usual
    assert rate(0.3, 0.2, 0.25) < usual
    assert rate(0.4, 0.2) < usual
    assert rate(0.3, 0.2, scale=0.1) < usual
    assert rate(0.3) > usual


def test_a_run_that_keeps_its_risk_needs_no_other_rate():
    assert probability_any(GENTLE, 0.3) < 0.2
    assert largest_multiple(GENTLE, 0.3, risk=0.2, exponents=EXPONENTS) == 1.0
    assert largest_multiple([], 0.3, risk=0.1, exponents=EXPONENTS) == 1.0


def test_where_even_a_hundredth_is_too_much_there_is_none():
    given = limits(50.0, tolerance=0.1)
    assert largest_multiple(given, 0.0, risk=0.1, exponents=EXPONENTS) is None
    assert largest_multiple(given, 0.0, risk=0.1, exponents=(1.9,)) is not None


@pytest.mark.parametrize("given", [GENTLE, HARSH])
def test_the_probability_grows_with_the_rate_and_is_that_of_the_forecast_at_the_planned_one(given):
    found = [probability_at(given, 0.3, each, EXPONENTS) for each in numpy.linspace(0.01, 2, 60)]
    assert found == sorted(found)
    assert probability_at(given, 0.3, 1.0, EXPONENTS) == pytest.approx(probability_any(given, 0.3))


def test_an_unknown_power_counts_as_its_mean():
    by_power = [probability_at(HARSH, 0.3, 0.4, (exponent,)) for exponent in EXPONENTS]
    assert probability_at(HARSH, 0.3, 0.4, EXPONENTS) == pytest.approx(numpy.mean(by_power))
    assert by_power[0] > by_power[-1]
