"""Quantiles of critical scales over directions: exact cases and coverage of known answers."""

import math

import numpy
import pytest
import scipy.stats

from driftline.errors import RunError
from driftline.stats import Curve, direction_quantile

TOLERANCE = 0.25
SPREAD = 0.15
"""Of the logarithm of the critical scale over directions."""


def curves(criticals, rates, *, seed=None):
    """Quadratic losses: direction d passes at criticals[d] if the items' rates have mean 1."""
    made = []
    for critical in criticals:
        # Looks as a search leaves them: coarse away from the passage and close around it.
        mean_critical = critical / math.sqrt(rates.mean())
        scales = mean_critical * numpy.array([0.5, 0.8, 0.98, 1.03, 1.2, 1.7])
        made.append(Curve(scales, TOLERANCE * (scales[:, None] / critical) ** 2 * rates[None, :]))
    return made


def test_equal_directions_and_items_have_no_width():
    found = direction_quantile(
        curves([0.1] * 4, numpy.ones(8)), TOLERANCE, share=0.1, confidence_level=0.9
    )
    assert found == pytest.approx((0.1, 0.1, 0.1))


def test_without_item_noise_it_is_the_t_interval_of_the_logarithms():
    criticals = [0.08, 0.1, 0.13, 0.09]
    found = direction_quantile(
        curves(criticals, numpy.ones(8)), TOLERANCE, share=0.5, confidence_level=0.9
    )
    logs = numpy.log(criticals)
    reach = scipy.stats.t.ppf(0.95, 3) * logs.std(ddof=1) / 2
    wanted = numpy.exp([logs.mean(), logs.mean() - reach, logs.mean() + reach])
    assert found == pytest.approx(tuple(wanted), rel=1e-6)


def test_with_equal_directions_the_items_alone_count():
    rates = numpy.random.default_rng(0).gamma(4, 1 / 4, size=24)
    found = direction_quantile(curves([0.1] * 3, rates), TOLERANCE, share=0.5, confidence_level=0.9)
    assert found.value == pytest.approx(0.1 / math.sqrt(rates.mean()))
    # By the delta method the logarithm has half the relative error of the mean rate.
    reach = scipy.stats.t.ppf(0.95, 23) * rates.std(ddof=1) / rates.mean() / math.sqrt(24) / 2
    assert math.log(found.value / found.low) == pytest.approx(reach, rel=0.25)


def test_the_tail_lies_below_the_median():
    made = curves([0.08, 0.1, 0.13, 0.09, 0.11], numpy.ones(6))
    median, tail = (
        direction_quantile(made, TOLERANCE, share=share, confidence_level=0.9)
        for share in (0.5, 0.1)
    )
    assert tail.value < median.value
    assert tail.low < median.low
    assert tail.low < tail.value < tail.high


def test_a_direction_that_does_not_pass_leaves_the_upper_end_open():
    made = curves([0.1, 0.12], numpy.ones(6))
    made.append(Curve(made[0].scales, numpy.full((6, 6), 0.01)))
    found = direction_quantile(made, TOLERANCE, share=0.5, confidence_level=0.9)
    assert (found.value, found.high) == (None, None)
    assert 0 < found.low < 0.17


@pytest.mark.parametrize("num", [0, 1])
def test_one_direction_has_no_quantile(num):
    with pytest.raises(RunError, match="at least 2"):
        direction_quantile(
            curves([0.1] * num, numpy.ones(6)), TOLERANCE, share=0.5, confidence_level=0.9
        )


def _coverage(*, share, num_directions, num_items, shape, groups=None):
    """How often the interval holds the quantile of the population of directions and items."""
    truth = 0.1 * math.exp(SPREAD * scipy.stats.norm.ppf(share))
    hits, num_repeats = 0, 600
    for seed in range(num_repeats):
        generator = numpy.random.default_rng(seed)
        criticals = 0.1 * numpy.exp(SPREAD * generator.normal(size=num_directions))
        rates = generator.gamma(shape, 1 / shape, size=num_items)
        if groups is not None:
            labels = numpy.unique(groups, return_inverse=True)[1]
            rates = generator.gamma(shape, 1 / shape, size=labels.max() + 1)[labels]
        found = direction_quantile(
            curves(criticals, rates),
            TOLERANCE,
            share=share,
            confidence_level=0.9,
            groups=groups,
            num_resamples=100,
        )
        hits += found.low <= truth <= found.high
    return hits / num_repeats


@pytest.mark.statistics
@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize(
    ("num_directions", "num_items", "shape"),
    [(3, 12, 2.0), (3, 60, 0.5), (8, 12, 2.0), (8, 60, 100.0)],
)
def test_it_covers_known_quantiles(share, num_directions, num_items, shape):
    found = _coverage(share=share, num_directions=num_directions, num_items=num_items, shape=shape)
    assert 0.86 <= found <= 0.97


@pytest.mark.statistics
def test_it_covers_with_clusters():
    groups = [str(i // 4) for i in range(48)]
    found = _coverage(share=0.5, num_directions=4, num_items=48, shape=2.0, groups=groups)
    assert 0.86 <= found <= 0.97
