"""Ranks and anisotropy against closed forms and plain definitions."""

import itertools
import math

import numpy
import pytest

from driftline.errors import RunError
from driftline.measures import (
    anisotropy,
    effective_rank,
    effective_rank_of,
    energy_rank,
    gram_matrix,
    participation_ratio,
    stable_rank,
)


def states(num, width, seed=0):
    return numpy.random.default_rng(seed).standard_normal((num, width))


def with_singular_values(values, *, num=40, width=60, centred=False):
    """States with these singular values; centred ones have mean zero."""
    left = states(num, len(values))
    if centred:
        left -= left.mean(axis=0)
    left, right = numpy.linalg.qr(left)[0], numpy.linalg.qr(states(width, len(values), 1))[0]
    return left * numpy.array(values) @ right.T


def test_effective_rank_is_the_definition():
    x = states(50, 20) * numpy.linspace(0.1, 3, 20)
    s = numpy.linalg.svd(x, compute_uv=False)
    p = s / s.sum()
    wanted = math.exp(-sum(q * math.log(q) for q in p))
    assert effective_rank(gram_matrix(x)) == pytest.approx(wanted, rel=1e-9)


def test_effective_rank_tells_its_kin_apart():
    # The spectrum 1/i with 64 values: entropy of the values 29.1, of their squares 4.7.
    harmonic = [1 / i for i in range(1, 65)]
    x = with_singular_values(harmonic, num=80, width=70)
    assert effective_rank(gram_matrix(x)) == pytest.approx(29.1, abs=0.05)


@pytest.mark.parametrize("rank", [1, 2, 5, 30])
def test_equal_directions_are_counted(rank):
    x = with_singular_values([2.5] * rank, centred=True)
    gram = gram_matrix(x)
    assert effective_rank(gram) == pytest.approx(rank, rel=1e-6)
    assert participation_ratio(gram) == pytest.approx(rank, rel=1e-6)


def test_participation_is_the_definition():
    x = states(200, 6) * numpy.array([5, 3, 1, 1, 0.5, 0.1]) + 7
    values = numpy.linalg.eigvalsh(numpy.cov(x.T))
    wanted = values.sum() ** 2 / (values**2).sum()
    assert participation_ratio(gram_matrix(x)) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("measure", [effective_rank, participation_ratio, anisotropy])
def test_nothing_changes_with_axes_order_and_size(measure):
    x = states(30, 12) + 0.5
    turned = x @ numpy.linalg.qr(states(12, 12, 3))[0]
    before = measure(gram_matrix(x))
    assert measure(gram_matrix(1e-3 * turned[::-1])) == pytest.approx(before, rel=1e-9)


def test_effective_rank_sees_the_mean_and_participation_does_not():
    x = states(40, 12)
    near, far = gram_matrix(x), gram_matrix(x + 100)
    assert effective_rank(far) < 0.5 * effective_rank(near)
    assert participation_ratio(far) == pytest.approx(participation_ratio(near), rel=1e-6)


def test_a_single_strong_direction_is_rank_one_or_nearly():
    x = with_singular_values([1e6, 1.0, 1.0])
    assert effective_rank(gram_matrix(x)) == pytest.approx(1, abs=1e-3)


def test_states_without_spread_or_size_have_no_rank():
    same, nothing = numpy.full((6, 4), 3.3), numpy.zeros((6, 4))
    assert effective_rank(gram_matrix(same)) == pytest.approx(1)
    assert participation_ratio(gram_matrix(same)) is None
    assert effective_rank(gram_matrix(nothing)) is None
    assert participation_ratio(gram_matrix(nothing)) is None
    assert anisotropy(gram_matrix(nothing)) is None


def test_one_token_has_one_direction_and_no_pair():
    gram = gram_matrix(states(1, 5))
    assert effective_rank(gram) == pytest.approx(1)
    assert participation_ratio(gram) is None
    assert anisotropy(gram) is None


def test_anisotropy_is_the_mean_over_pairs():
    x = states(9, 4) + 0.3
    cosines = [
        a @ b / (numpy.linalg.norm(a) * numpy.linalg.norm(b))
        for a, b in itertools.combinations(x, 2)
    ]
    assert anisotropy(gram_matrix(x)) == pytest.approx(numpy.mean(cosines))


def test_anisotropy_of_even_directions_is_zero_on_average():
    draws = [anisotropy(gram_matrix(states(8, 5, seed))) for seed in range(2000)]
    assert abs(numpy.mean(draws)) < 4 * numpy.std(draws) / numpy.sqrt(len(draws))


def test_anisotropy_has_its_ends():
    x = numpy.ones((5, 3))
    assert anisotropy(gram_matrix(x)) == pytest.approx(1)
    assert anisotropy(gram_matrix(numpy.array([[1.0], [-2.0]]))) == pytest.approx(-1)
    one_zero = numpy.array([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0]])
    assert anisotropy(gram_matrix(one_zero)) is None


HARMONIC = numpy.array([1 / i for i in range(1, 65)])


def test_the_ranks_of_one_spectrum_tell_their_definitions_apart():
    assert effective_rank_of(HARMONIC) == pytest.approx(29.1, abs=0.05)
    assert stable_rank(HARMONIC) == pytest.approx(1.63, abs=0.005)
    assert energy_rank(HARMONIC, fraction=0.9) == 6


@pytest.mark.parametrize("rank", [1, 3, 12])
def test_equal_values_are_counted_by_every_rank(rank):
    values = numpy.array([2.5] * rank + [0.0] * 4)
    assert effective_rank_of(values) == pytest.approx(rank)
    assert stable_rank(values) == pytest.approx(rank)
    assert energy_rank(values, fraction=1.0) == rank


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e150])
def test_ranks_do_not_change_with_size_or_order(size):
    values = size * HARMONIC[::-1]
    assert effective_rank_of(values) == pytest.approx(effective_rank_of(HARMONIC))
    assert stable_rank(values) == pytest.approx(stable_rank(HARMONIC))


def test_a_spectrum_of_nothing_has_no_rank():
    for nothing in (numpy.zeros(5), numpy.zeros(0)):
        assert effective_rank_of(nothing) is None
        assert stable_rank(nothing) is None
        assert energy_rank(nothing, fraction=0.9) is None


def test_a_share_of_the_whole_energy_may_lie_beyond_what_is_known():
    known, total = numpy.array([3.0, 2.0]), 20.0
    assert energy_rank(known, fraction=0.45, total=total) == 1
    assert energy_rank(known, fraction=0.65, total=total) == 2
    assert energy_rank(known, fraction=0.9, total=total) is None


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1])
def test_what_is_no_share_is_refused(fraction):
    with pytest.raises(RunError, match="of the energy was asked for"):
        energy_rank(HARMONIC, fraction=fraction)
