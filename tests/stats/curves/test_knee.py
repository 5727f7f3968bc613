"""The knee: planted ones are found where they are, false alarms are as rare as promised."""

import numpy
import pytest

from driftline.stats import find_knee
from driftline.stats.curves import _knee as module

DOUBLING = 0.01 * 2.0 ** numpy.arange(8)


def bent(scales, *, knee, rise, slope=1.0):
    return slope * scales + rise * numpy.maximum(0.0, scales - knee)


def scatter(values, size, generator):
    return values * (1 + size * generator.standard_normal(len(values)))


@pytest.mark.parametrize("num", [4, 5, 6, 8])
def test_a_clean_knee_is_found_exactly(num):
    scales = DOUBLING[:num]
    knee = float(scales[num - 3]) * 0.8
    found = find_knee(scales, bent(scales, knee=knee, rise=3.0, slope=0.5))
    assert found.shape == "knee"
    assert found.scale == pytest.approx(knee, rel=0.02)
    assert found.slope_ratio == pytest.approx(7, rel=0.05)
    assert found.pvalue <= 0.05
    assert found.reason is None
    low, high = found.low or 0, found.high or 9
    assert low <= found.scale <= high


def test_a_curve_that_is_flat_first_has_a_knee_without_a_ratio():
    found = find_knee(DOUBLING, bent(DOUBLING, knee=0.1, rise=5.0, slope=0.0))
    assert found.shape == "knee"
    assert found.scale == pytest.approx(0.1, rel=0.05)
    assert found.slope_ratio is None or found.slope_ratio > 20


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (3.0 * DOUBLING, "straight"),
        (DOUBLING + 4 * DOUBLING**2, "smoothly"),  # a parabola
        (numpy.sqrt(DOUBLING), "double the slope"),  # it levels off
        (numpy.minimum(DOUBLING, 0.2), "double the slope"),
    ],
)
def test_gradual_curves(values, reason):
    found = find_knee(DOUBLING, values)
    assert found.shape == "gradual"
    assert reason in found.reason
    assert found.scale is None


@pytest.mark.parametrize("num", [0, 1, 2, 3])
def test_too_few_scales_say_nothing(num):
    found = find_knee(DOUBLING[:num], bent(DOUBLING[:num], knee=0.015, rise=9.0))
    assert found.shape is None
    assert found.pvalue is None
    assert found.reason == f"{num} scales were measured; a knee needs 4"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.0, 0.0, 0.0, 0.0, 0.0], "does not rise"),
        ([-0.1, -0.2, -0.3, -0.4, -0.5], "does not rise"),
        ([0.1, numpy.nan, 0.3, 0.4, 0.5], "not defined at every scale"),
        ([0.1, numpy.inf, 0.3, 0.4, 0.5], "not defined at every scale"),
    ],
)
def test_what_has_no_shape_says_so(values, reason):
    found = find_knee(DOUBLING[:5], numpy.array(values))
    assert found.shape is None
    assert reason in found.reason


def test_much_scatter_leaves_it_open():
    generator = numpy.random.default_rng(3)
    scales = DOUBLING[:4]
    shapes = [
        find_knee(scales, scatter(bent(scales, knee=0.015, rise=1.5), 0.4, generator)).shape
        for _ in range(60)
    ]
    assert shapes.count(None) / 60 > 0.2


def test_units_do_not_matter():
    values = bent(DOUBLING, knee=0.1, rise=2.0)
    one, other = find_knee(DOUBLING, values), find_knee(1e3 * DOUBLING, 7e-5 * values)
    assert other.scale == pytest.approx(1e3 * one.scale)
    assert other.slope_ratio == pytest.approx(one.slope_ratio)
    assert other.pvalue == one.pvalue


def test_the_fit_is_least_squares():
    generator = numpy.random.default_rng(0)
    scales, weights = DOUBLING, generator.uniform(0.5, 2, 8)
    sensitivity = generator.uniform(1, 2, 8) + numpy.linspace(0, 1, 8)
    fits = module._fits(scales, sensitivity, weights)
    for place in (0, 120, 400):
        hinge = numpy.maximum(0, 1 - fits.knees[place] / scales)
        design = numpy.stack([numpy.ones(8), hinge], axis=1) * numpy.sqrt(weights)[:, None]
        target = sensitivity * numpy.sqrt(weights)
        solved, squares, _, _ = numpy.linalg.lstsq(design, target)
        assert (fits.slopes[place], fits.rises[place]) == pytest.approx(tuple(solved))
        assert fits.squares[place] == pytest.approx(squares[0])
        error = numpy.sqrt(numpy.linalg.inv(design.T @ design)[1, 1])
        assert fits.rise_errors[place] == pytest.approx(error)


def _alarms(make, *, num, num_repeats=600):
    generator = numpy.random.default_rng(num)
    scales = DOUBLING[:num] if num <= 8 else numpy.geomspace(0.01, 1, num)
    hits = 0
    for seed in range(num_repeats):
        found = find_knee(scales, make(scales, generator), seed=seed)
        hits += found.pvalue is not None and found.pvalue <= 0.05
    return hits / num_repeats


@pytest.mark.statistics
@pytest.mark.parametrize("num", [4, 6, 12])
@pytest.mark.parametrize("size", [0.02, 0.15])
def test_false_alarms_are_as_rare_as_promised(num, size):
    rate = _alarms(lambda x, generator: scatter(x, size, generator), num=num)
    # Two and a half standard errors of 600 draws.
    assert 0.028 <= rate <= 0.072


@pytest.mark.statistics
@pytest.mark.parametrize("num", [4, 8])
def test_false_alarms_stay_rare_under_heavy_tails(num):
    rate = _alarms(lambda x, g: x * (1 + 0.05 * g.standard_t(3, len(x))), num=num)
    assert rate <= 0.09


@pytest.mark.statistics
def test_a_smooth_bend_is_seldom_called_a_knee():
    generator = numpy.random.default_rng(0)
    called = {0.02: 0, 0.1: 0}
    for size in called:
        for seed in range(200):
            values = scatter(DOUBLING * (1 + 3 * DOUBLING / DOUBLING[-1]), size, generator)
            called[size] += find_knee(DOUBLING, values, seed=seed).shape == "knee"
    assert called[0.02] == 0
    assert called[0.1] / 200 < 0.16


@pytest.mark.statistics
@pytest.mark.parametrize(("num", "size"), [(6, 0.02), (8, 0.02), (8, 0.08), (12, 0.08)])
def test_the_interval_covers(num, size):
    generator = numpy.random.default_rng(0)
    scales = DOUBLING[:num] if num <= 8 else numpy.geomspace(0.01, 1, num)
    truth = float(scales[num // 2 - 1]) * 1.25
    covered = found_any = 0
    for seed in range(300):
        values = scatter(bent(scales, knee=truth, rise=3.0), size, generator)
        found = find_knee(scales, values, confidence_level=0.9, seed=seed)
        if found.shape == "knee":
            found_any += 1
            low = 0.0 if found.low is None else found.low
            high = numpy.inf if found.high is None else found.high
            covered += low <= truth <= high
    assert found_any > 250
    assert 0.84 <= covered / found_any <= 0.97


@pytest.mark.statistics
def test_a_gradual_verdict_is_seldom_wrong():
    generator = numpy.random.default_rng(0)
    wrong = 0
    for seed in range(300):
        values = scatter(bent(DOUBLING[:6], knee=0.03, rise=3.0), 0.1, generator)
        wrong += find_knee(DOUBLING[:6], values, seed=seed).shape == "gradual"
    assert wrong / 300 <= 0.1


def test_a_bend_that_does_not_double_the_slope_is_gradual():
    found = find_knee(DOUBLING, bent(DOUBLING, knee=0.1, rise=0.4))
    assert found.shape == "gradual"
    assert found.pvalue <= 0.05
    assert "less than twice" in found.reason
