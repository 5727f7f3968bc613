"""A predicted loss as a distribution: probabilities, quantiles and several losses at once."""

import itertools
import math

import numpy
import pytest
import scipy.integrate
import scipy.stats

from driftline.analyses import LossForecast, any_exceeds
from driftline.analyses.forecasting._loss_forecast import LEAST_CHANCE
from driftline.analyses.probing import item_mean_error
from driftline.capabilities import Capability, MultipleChoice

CERTAIN, UNLIKELY = 1 - LEAST_CHANCE, LEAST_CHANCE
SPREADS = [(0.0, 0.0), (0.0, 0.2), (0.3, 0.0), (0.3, 1e-6), (0.3, 0.02), (0.3, 0.3), (0.05, 0.9)]
WITH_SPREAD = SPREADS[1:]
SHARES = [1e-4, 0.005, 0.05, 0.3, 0.5, 0.9, 0.99, 0.9999]


def draws(forecast, generator, num=200_000):
    return (
        forecast.value
        + forecast.scale * generator.standard_t(4, size=num)
        + forecast.standard_error * generator.normal(size=num)
    )


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize(("scale", "error"), WITH_SPREAD)
def test_a_quantile_is_exceeded_by_the_rest(scale, error, share):
    forecast = LossForecast(0.1, scale, error)
    assert forecast.exceeds(forecast.quantile(share)) == pytest.approx(1 - share, abs=1e-7)


@pytest.mark.parametrize(("scale", "error"), [(0.3, 0.3), (0.3, 0.01), (0.02, 0.3), (1.0, 0.5)])
@pytest.mark.parametrize("loss", [-2.0, 0.0, 0.1, 0.7, 3.0])
def test_a_probability_is_the_integral_of_both_parts(scale, error, loss):
    def beyond(z):
        return scipy.stats.norm.pdf(z) * scipy.stats.t.sf((loss - 0.1 - error * z) / scale, 4)

    step = min(8.9, max(-8.9, (loss - 0.1) / error))
    exact, _ = scipy.integrate.quad(beyond, -9, 9, points=[step], limit=500)
    exact = min(CERTAIN, max(UNLIKELY, exact))
    assert LossForecast(0.1, scale, error).exceeds(loss) == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("loss", [-0.5, 0.1, 0.3, 2.0])
def test_without_one_part_the_other_is_exact(loss):
    t, normal = scipy.stats.t(4, 0.1, 0.3), scipy.stats.norm(0.1, 0.2)
    assert LossForecast(0.1, 0.3).exceeds(loss) == pytest.approx(t.sf(loss), abs=1e-12)
    exact = max(UNLIKELY, normal.sf(loss))
    assert LossForecast(0.1, 0.0, 0.2).exceeds(loss) == pytest.approx(exact, abs=1e-9)
    assert LossForecast(0.1, 0.3).quantile(0.999) == pytest.approx(t.ppf(0.999))
    assert LossForecast(0.1, 0.0, 0.2).quantile(0.001) == pytest.approx(normal.ppf(0.001))


@pytest.mark.parametrize("small", [1e-13, 1e-9, 1e-5])
@pytest.mark.parametrize("loss", [0.2, 1.3, 2.6])
def test_a_part_that_shrinks_to_nothing_changes_nothing(small, loss):
    assert LossForecast(0.1, 0.3, small).exceeds(loss) == pytest.approx(
        LossForecast(0.1, 0.3).exceeds(loss), abs=1e-4
    )
    assert LossForecast(0.1, small, 0.3).exceeds(loss) == pytest.approx(
        LossForecast(0.1, 0.0, 0.3).exceeds(loss), abs=1e-4
    )


def test_without_spread_it_is_one_value():
    forecast = LossForecast(0.1, 0.0)
    assert (forecast.low, forecast.high) == (0.1, 0.1)
    assert [forecast.exceeds(loss) for loss in (0.0999, 0.1, 0.1001)] == [
        CERTAIN,
        UNLIKELY,
        UNLIKELY,
    ]


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
@pytest.mark.parametrize(("scale", "error"), WITH_SPREAD)
def test_an_interval_covers_as_often_as_it_says(scale, error, level):
    forecast = LossForecast(-0.2, scale, error, confidence_level=level)
    outcomes = draws(forecast, numpy.random.default_rng(1))
    for below in (outcomes < forecast.low, outcomes > forecast.high):
        assert below.mean() == pytest.approx((1 - level) / 2, abs=0.004)
    for loss in (-0.5, 0.0, 0.4):
        assert forecast.exceeds(loss) == pytest.approx((outcomes > loss).mean(), abs=0.005)


@pytest.mark.parametrize(("scale", "error"), SPREADS)
def test_a_larger_limit_is_exceeded_less_often(scale, error):
    forecast = LossForecast(0.1, scale, error)
    chances = [forecast.exceeds(loss) for loss in numpy.linspace(-3, 3, 301)]
    assert all(0 <= chance <= 1 for chance in chances)
    assert all(b <= a + 1e-12 for a, b in itertools.pairwise(chances))
    assert forecast.exceeds(-3) > 0.98
    assert forecast.exceeds(3) < 0.02


def test_more_predicted_loss_or_more_spread_beyond_the_limit_is_more_risk():
    by_value = [LossForecast(value, 0.2, 0.1).exceeds(0.5) for value in numpy.linspace(-1, 2, 50)]
    by_scale = [LossForecast(0.1, scale, 0.1).exceeds(0.5) for scale in numpy.linspace(0, 1, 50)]
    by_error = [LossForecast(0.1, 0.1, error).exceeds(0.5) for error in numpy.linspace(0, 1, 50)]
    for chances in (by_value, by_scale, by_error):
        assert all(b > a for a, b in itertools.pairwise(chances))


def test_a_run_that_moves_less_far_scales_the_whole_distribution():
    forecast = LossForecast(0.4, 0.2, 0.1, 0.8, 1.5)
    half = forecast.multiplied(0.5)
    assert (half.low, half.high) == pytest.approx((forecast.low / 2, forecast.high / 2))
    assert half.exceeds(0.3) == pytest.approx(forecast.exceeds(0.6))
    assert (half.confidence_level, half.novelty) == (0.8, 1.5)


def test_no_more_is_lost_than_there_is():
    forecast = LossForecast(0.25, 0.2, 0.1, smallest=-0.05, largest=0.3)
    assert (forecast.low, forecast.high) == (-0.05, 0.3)
    assert [forecast.exceeds(loss) for loss in (-0.06, 0.3, 0.4)] == [CERTAIN, UNLIKELY, UNLIKELY]
    free = LossForecast(0.25, 0.2, 0.1)
    assert forecast.exceeds(0.29) == free.exceeds(0.29) > 0.4
    assert forecast.quantile(0.4) == free.quantile(0.4)
    assert forecast.multiplied(3).value == 0.3


PROBABILITIES = [
    [0.1],
    [0.1, 0.1],
    [0.02, 0.3, 0.6],
    [0.001, 0.001, 0.9],
    [0.05] * 10,
    [0.5, 0.0, 1e-9],
]


@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.5, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("each", PROBABILITIES, ids=str)
def test_any_of_several_is_as_likely_as_in_a_simulation(each, correlation):
    generator = numpy.random.default_rng(0)
    common, own = generator.normal(size=(150_000, 1)), generator.normal(size=(150_000, len(each)))
    scores = math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own
    simulated = (scores > scipy.stats.norm.isf(each)).any(axis=1).mean()
    assert any_exceeds(numpy.array(each), correlation) == pytest.approx(simulated, abs=0.005)


@pytest.mark.parametrize("each", PROBABILITIES, ids=str)
def test_any_of_several_lies_between_the_likeliest_and_independence(each):
    chances = [any_exceeds(numpy.array(each), c) for c in (0.0, 0.3, 0.6, 0.9, 0.95, 0.999)]
    assert chances[0] == pytest.approx(1 - numpy.prod(1 - numpy.array(each)), abs=1e-9)
    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(chances))
    assert min(chances) >= max(each)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.95])
def test_what_is_sure_stays_sure(correlation):
    assert any_exceeds(numpy.array([]), correlation) == 0
    assert any_exceeds(numpy.array([0.37]), correlation) == 0.37
    assert any_exceeds(numpy.array([0.0, 0.0]), correlation) == pytest.approx(0, abs=1e-12)
    assert any_exceeds(numpy.array([0.2, 1.0]), correlation) == 1
    more = [any_exceeds(numpy.array([0.1, p, 0.2]), correlation) for p in (0.0, 0.1, 0.5, 0.9)]
    assert more == sorted(more)


@pytest.mark.parametrize(("scale", "error"), SPREADS)
@pytest.mark.parametrize("loss", [-50.0, -1.0, 0.1, 1.0, 50.0])
@pytest.mark.parametrize(("smallest", "largest"), [(-math.inf, math.inf), (-0.2, 0.6)])
def test_no_probability_is_exactly_0_or_1(scale, error, loss, smallest, largest):
    forecast = LossForecast(0.1, scale, error, smallest=smallest, largest=largest)
    assert LEAST_CHANCE <= forecast.exceeds(loss) <= 1 - LEAST_CHANCE
    assert 0 < any_exceeds(numpy.array([forecast.exceeds(loss)] * 3), 0.3) < 1


def test_a_run_that_moves_nothing_is_still_safe_with_many_capabilities():
    each = LossForecast(0.0, 0.0, 0.0).exceeds(0.02)
    assert any_exceeds(numpy.array([each] * 40), 0.3) < 0.1 / 3


@pytest.mark.parametrize("num", [4, 20, 200])
@pytest.mark.parametrize("changed", [0, 1])
def test_items_that_all_stay_right_leave_an_error(num, changed):
    items = tuple(
        MultipleChoice(id=str(i), prompt=f"{i}?", choices=(" a", " b"), answer=0)
        for i in range(num)
    )
    right = Capability("right", "multiple_choice", "accuracy", 0.1, items)
    losses = numpy.zeros(num)
    losses[:changed] = 1.0
    found = item_mean_error(losses, right)
    # One change of n, or none: about one item in n either way.
    assert 0.5 / num < found < 1.2 / num
    continuous = Capability("sure", "multiple_choice", "probability", 0.1, items)
    assert (item_mean_error(losses, continuous) == 0) == (changed == 0)
