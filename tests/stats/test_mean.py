"""The mean's interval: against scipy, and by how often it covers."""

import numpy
import pytest
import scipy.stats

from driftline.errors import RunError
from driftline.stats import mean_interval, share_interval

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


@pytest.mark.parametrize(("num_right", "num"), [(0, 6), (6, 6), (59, 60), (30, 64), (1, 2)])
def test_the_share_of_independent_items_has_the_exact_interval(num_right, num):
    values = (numpy.arange(num) < num_right).astype(float)
    found = share_interval(values)
    exact = scipy.stats.binomtest(num_right, num).proportion_ci(0.9, method="exact")
    assert found == pytest.approx((num_right / num, exact.low, exact.high, 0.9))
    assert found.low < found.high


def test_groups_that_agree_count_as_one_item_each_and_those_that_do_not_as_all():
    labels = [str(g) for g in range(8) for _ in range(5)]
    alike = numpy.repeat([1.0] * 7 + [0.0], 5)
    one_each = share_interval(alike[::5])
    assert share_interval(numpy.ones(40), groups=labels) == share_interval(numpy.ones(8))
    wide = share_interval(alike, groups=labels)
    # The variance of eight groups is itself an estimate, which the ratio of t quantiles widens for.
    assert one_each.low - 0.1 < wide.low < one_each.low
    assert one_each.high <= wide.high < 1
    mixed = numpy.tile([1.0, 1.0, 1.0, 1.0, 0.0], 8)
    assert share_interval(mixed, groups=labels) == share_interval(mixed)


def test_a_share_of_one_group_has_no_interval():
    with pytest.raises(RunError, match="at least 2 independent items and there are 1"):
        share_interval(numpy.ones(3), groups=["a"] * 3)


@pytest.mark.statistics
@pytest.mark.parametrize(("share", "num"), [(0.99, 64), (0.98, 60), (0.95, 30), (0.5, 10)])
def test_the_interval_of_a_share_covers_at_least_as_often_as_it_says(share, num):
    right = numpy.random.default_rng(num).binomial(num, share, size=NUM_REPEATS)
    intervals = {
        n: share_interval((numpy.arange(num) < n).astype(float)) for n in {*right.tolist()}
    }
    hits = [intervals[n].low <= share <= intervals[n].high for n in right.tolist()]
    assert numpy.mean(hits) >= COVERS[0]
    # Student t loses what it never sees: all items alike.
    plain = {n: mean_interval((numpy.arange(num) < n).astype(float)) for n in intervals}
    assert numpy.mean(
        [plain[n].low <= share <= plain[n].high for n in right.tolist()]
    ) < numpy.mean(hits)


@pytest.mark.statistics
def test_the_interval_of_a_share_covers_clustered_items():
    labels, hits = [str(g) for g in range(20) for _ in range(6)], 0
    for seed in range(NUM_REPEATS):
        generator = numpy.random.default_rng(seed)
        own, all_alike = generator.random((20, 6)) < 0.8, generator.random((20, 1)) < 0.8
        values = numpy.where(generator.random((20, 1)) < 0.7, all_alike, own).astype(float).ravel()
        found = share_interval(values, groups=labels)
        hits += found.low <= 0.8 <= found.high
    assert hits / NUM_REPEATS >= COVERS[0]
