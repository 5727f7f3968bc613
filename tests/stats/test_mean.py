"""The mean's interval: against scipy, and by how often it covers."""

import numpy
import pytest
import scipy.stats

from driftline.errors import RunError
from driftline.stats import mean_interval

NUM_REPEATS = 3000
# 90% coverage over 3000 repeats has a standard error of 0.55 points.
COVERS = (0.885, 0.915)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("size", [2, 3, 40])
def test_without_groups_it_is_the_classical_interval(size, level):
    values = numpy.random.default_rng(size).normal(3.0, 2.0, size)
    found = mean_interval(values, confidence_level=level)
    low, high = scipy.stats.t.interval(
        level, df=size - 1, loc=values.mean(), scale=scipy.stats.sem(values)
    )
    assert found == pytest.approx((values.mean(), low, high, level))


def test_groups_of_one_are_no_groups():
    values = numpy.random.default_rng(0).normal(size=12)
    labels = [f"item {i}" for i in range(12)]
    assert mean_interval(values, groups=labels) == mean_interval(values)


def test_groups_of_one_size_give_the_interval_of_their_means():
    values = numpy.random.default_rng(1).normal(size=(8, 5))
    labels = [str(g) for g in range(8) for _ in range(5)]
    assert mean_interval(values.ravel(), groups=labels) == pytest.approx(
        mean_interval(values.mean(axis=1))
    )


def test_the_order_of_the_items_does_not_matter():
    generator = numpy.random.default_rng(2)
    values, labels = generator.normal(size=30), generator.integers(7, size=30)
    order = generator.permutation(30)
    one = mean_interval(values, groups=[str(g) for g in labels])
    other = mean_interval(values[order], groups=[str(g) for g in labels[order]])
    assert one == pytest.approx(other)


def test_constant_values_have_an_interval_of_no_width():
    found = mean_interval(numpy.full(5, 2.5))
    assert (found.low, found.value, found.high) == (2.5, 2.5, 2.5)


def test_it_shifts_and_scales_with_the_values():
    values = numpy.random.default_rng(3).normal(size=20)
    labels = [str(i // 3) for i in range(20)]
    base = mean_interval(values, groups=labels)
    moved = mean_interval(-2.0 * values + 7.0, groups=labels)
    assert moved[:3] == pytest.approx((7 - 2 * base.value, 7 - 2 * base.high, 7 - 2 * base.low))


@pytest.mark.parametrize("values", [[], [1.0]])
def test_one_item_has_no_interval(values):
    with pytest.raises(RunError, match=f"at least 2 independent items and there are {len(values)}"):
        mean_interval(numpy.array(values, dtype=float))


def test_one_group_has_no_interval():
    with pytest.raises(RunError, match="there are 1"):
        mean_interval(numpy.array([1.0, 2.0, 3.0]), groups=["a", "a", "a"])


def _coverage(draw, *, groups):
    hits = 0
    for seed in range(NUM_REPEATS):
        found = mean_interval(draw(numpy.random.default_rng(seed)), groups=groups)
        hits += found.low <= 0.0 <= found.high
    return hits / NUM_REPEATS


@pytest.mark.statistics
@pytest.mark.parametrize("size", [5, 30])
def test_it_covers_as_often_as_it_says(size):
    coverage = _coverage(lambda generator: generator.normal(size=size), groups=None)
    assert COVERS[0] <= coverage <= COVERS[1]


def _clustered(generator):
    """Ten sources with six items each; half of the variance is the source's."""
    return (generator.normal(size=(10, 1)) + generator.normal(size=(10, 6))).ravel()


@pytest.mark.statistics
def test_it_covers_clustered_items_and_the_naive_one_does_not():
    labels = [str(g) for g in range(10) for _ in range(6)]
    assert COVERS[0] <= _coverage(_clustered, groups=labels) <= COVERS[1]
    assert _coverage(_clustered, groups=None) < 0.7


@pytest.mark.statistics
def test_it_covers_groups_of_unequal_size():
    sizes = [1, 2, 3, 4, 5, 6, 7, 8] * 3
    index = numpy.repeat(numpy.arange(len(sizes)), sizes)

    def draw(generator):
        return generator.normal(size=len(sizes))[index] + generator.normal(size=len(index))

    # With unequal groups the t distribution is an approximation, so a little is lost.
    assert 0.87 <= _coverage(draw, groups=[str(g) for g in index]) <= COVERS[1]
