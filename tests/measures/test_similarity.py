"""Debiased linear CKA: a brute-force reference, invariances, and what happens where it is undefined."""

import itertools

import numpy
import pytest

from driftline.errors import RunError
from driftline.measures import debiased_hsic, debiased_linear_cka, gram_matrix

WIDTH = 7


def states(num, width=WIDTH, seed=0):
    return numpy.random.default_rng(seed).standard_normal((num, width))


def rotation(width, seed=0):
    return numpy.linalg.qr(states(width, width, seed))[0]


def cka(x, y):
    return debiased_linear_cka(gram_matrix(x), gram_matrix(y))


def hsic_by_quadruples(x, y):
    """The U-statistic itself: a mean over all ordered quadruples of distinct tokens."""
    k, m = x @ x.T, y @ y.T
    total = count = 0
    for i, j, q, r in itertools.permutations(range(len(x)), 4):
        total += k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
        count += 1
    return total / count


def song_equation_5(x, y):
    """The formula as it is printed, with no centring trick."""
    num = len(x)
    k, m = x @ x.T, y @ y.T
    numpy.fill_diagonal(k, 0)
    numpy.fill_diagonal(m, 0)
    ones = numpy.ones(num)
    total = numpy.trace(k @ m) + (ones @ k @ ones) * (ones @ m @ ones) / ((num - 1) * (num - 2))
    return (total - 2 / (num - 2) * (ones @ k @ m @ ones)) / (num * (num - 3))


@pytest.mark.parametrize("num", [4, 5, 8])
def test_hsic_is_the_mean_over_quadruples(num):
    x, y = states(num), states(num, 3, seed=1)
    found = debiased_hsic(gram_matrix(x), gram_matrix(y))
    assert found == pytest.approx(hsic_by_quadruples(x, y), rel=1e-9, abs=1e-12)
    assert found == pytest.approx(song_equation_5(x, y), rel=1e-9, abs=1e-12)


def test_hsic_of_independent_states_is_zero_on_average():
    draws = [
        debiased_hsic(gram_matrix(states(12, 5, seed)), gram_matrix(states(12, 5, 9999 + seed)))
        for seed in range(4000)
    ]
    error = numpy.std(draws) / numpy.sqrt(len(draws))
    assert abs(numpy.mean(draws)) < 4 * error
    # And single draws fall on either side, which the plain estimator never does.
    assert 0.3 < numpy.mean(numpy.array(draws) < 0) < 0.7


def test_hsic_of_a_shared_part_is_the_squared_covariance():
    # x = y = one standard normal number: HSIC with linear kernels is (E xy)^2 = 1.
    draws = []
    for seed in range(2000):
        x = states(20, 1, seed)
        draws.append(debiased_hsic(gram_matrix(x), gram_matrix(x)))
    assert numpy.mean(draws) == pytest.approx(1, abs=4 * numpy.std(draws) / numpy.sqrt(2000))


def test_cka_does_not_call_strangers_alike_where_the_plain_one_does():
    num, width = 60, 500
    values, plain = [], []
    for seed in range(20):
        x, y = states(num, width, seed), states(num, width, 777 + seed)
        values.append(cka(x, y))
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        plain.append(
            numpy.linalg.norm(y.T @ x) ** 2
            / (numpy.linalg.norm(x.T @ x) * numpy.linalg.norm(y.T @ y))
        )
    assert abs(numpy.mean(values)) < 0.02
    assert numpy.mean(plain) > 0.8


def test_cka_is_one_under_rotation_factor_and_shift_and_only_then():
    x = states(30)
    moved = 3.7 * x @ rotation(WIDTH) + 5.0
    assert cka(x, x) == pytest.approx(1)
    assert cka(x, moved) == pytest.approx(1)
    assert cka(x, x * numpy.array([9, 1, 1, 1, 1, 1, 1])) < 0.9
    assert cka(x, states(30, seed=1)) < 0.5


def test_cka_falls_as_noise_is_added():
    x, noise = states(200, 40), states(200, 40, seed=1)
    values = [cka(x, x + size * noise) for size in (0, 0.1, 0.3, 1.0, 3.0)]
    assert values == sorted(values, reverse=True)
    # Of white signal and white noise the population has 1 / (1 + size^2).
    for value, size in zip(values, (0, 0.1, 0.3, 1.0, 3.0), strict=True):
        assert value == pytest.approx(1 / (1 + size**2), abs=0.1)


def test_cka_is_symmetric_and_takes_other_widths():
    x, y = states(30), states(30, 11, seed=1) + states(30)[:, :1]
    assert cka(x, y) == pytest.approx(cka(y, x))


def test_a_large_common_mean_does_not_hide_what_differs():
    x, y = states(30), states(30, seed=1)
    assert cka(x + 1e4, y - 1e4) == pytest.approx(cka(x, y), abs=1e-5)


@pytest.mark.parametrize("num", [1, 2, 3])
def test_too_few_tokens_have_no_value(num):
    assert cka(states(num), states(num)) is None
    with pytest.raises(RunError, match=f"needs 4 tokens and there are {num}"):
        debiased_hsic(gram_matrix(states(num)), gram_matrix(states(num)))


@pytest.mark.parametrize("constant", [0.0, 1.0, 1234.567])
def test_states_without_spread_have_no_value(constant):
    same = numpy.full((10, WIDTH), constant)
    assert cka(same, states(10)) is None
    assert cka(states(10), same) is None


def test_one_direction_is_enough_spread():
    line = numpy.outer(numpy.arange(10.0), numpy.ones(WIDTH))
    assert cka(line, 2 * line + 1) == pytest.approx(1)
    assert -1 <= cka(line, states(10)) <= 1


def test_half_precision_states_are_taken_wide():
    x = states(30).astype(numpy.float16)
    assert gram_matrix(x).dtype == numpy.float64
    assert cka(x, states(30)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
def test_states_out_of_range_are_refused(value):
    bad = states(5)
    bad[2, 3] = value
    with pytest.raises(RunError, match="not a number"):
        gram_matrix(bad)


def test_inputs_stay_as_they_are():
    gram, other = gram_matrix(states(6)), gram_matrix(states(6, seed=1))
    kept = gram.copy(), other.copy()
    debiased_linear_cka(gram, other)
    assert (gram == kept[0]).all()
    assert (other == kept[1]).all()
