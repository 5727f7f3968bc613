"""Bounded means: errors where a t test fails, groups, and what the price is."""

import numpy
import pytest
import scipy.stats

from driftline.errors import RunError
from driftline.stats import bounded_noninferiority

BOUNDS = (-1.0, 1.0)
NUM_REPEATS = 100
# The error is 5 % at most; three standard errors of 100 repeats are added.
MOST = 0.05 + 3 * (0.05 * 0.95 / NUM_REPEATS) ** 0.5


def _rare_loss(generator, num):
    """A mean of -0.05, of which one item in fourteen carries all."""
    return numpy.where(generator.random(num) < 1 / 14, -0.7, 0.0)


def _flips(generator, num):
    return generator.choice([-1.0, 0.0, 1.0], num, p=[0.075, 0.9, 0.025])


def _skewed(generator, num):
    return generator.beta(4, 1, num) - 0.85


@pytest.mark.statistics
@pytest.mark.parametrize(
    ("draw", "num"), [(_rare_loss, 20), (_rare_loss, 100), (_flips, 50), (_skewed, 20)]
)
def test_it_errs_at_most_as_often_as_it_says(draw, num):
    errors = [0, 0]
    for seed in range(NUM_REPEATS):
        changes = draw(numpy.random.default_rng(seed), num)
        found = bounded_noninferiority(changes, margin=0.05, bounds=BOUNDS)
        errors[0] += found.verdict == "non_inferior"
        errors[1] += found.high < -0.05
    assert max(errors) / NUM_REPEATS <= MOST


WORST = [
    # The cells of benchmarks/certification_drawn.py with the highest errors, by the same draws.
    (lambda g, n: _rare_of_range(g, n, 0.01, 10.0, 0.1), 200, 0.1, 12.0, 0.05),
    (lambda g, n: _rare_of_range(g, n, 0.01, 10.0, 0.1), 50, 0.1, 12.0, 0.05),
    (lambda g, n: _rare_of_range(g, n, 0.05, 10.0, 0.5), 200, 0.5, 12.0, 0.1),
    (lambda g, n: numpy.where(g.random(n) < 0.1, -0.9, 0.1) - 0.05, 100, 0.05, 1.0, 0.1),
]


def _rare_of_range(generator, num, share, loss, margin):
    """A mean of -margin: few items lose much, and the others gain a little."""
    body = generator.normal(share * loss - margin, 0.1, num).clip(-1, 1)
    return body - loss * (generator.random(num) < share)


@pytest.mark.statistics
@pytest.mark.parametrize(("draw", "num", "margin", "bound", "alpha"), WORST)
def test_the_worst_cells_of_a_declared_range_err_at_most_as_often_as_they_say(
    draw, num, margin, bound, alpha
):
    claims = 0
    for seed in range(NUM_REPEATS):
        changes = draw(numpy.random.default_rng([seed, num]), num)
        found = bounded_noninferiority(
            changes, margin=margin, bounds=(-bound, bound), confidence_level=1 - alpha
        )
        claims += found.verdict == "non_inferior"
    assert claims / NUM_REPEATS <= alpha + 3 * (alpha * (1 - alpha) / NUM_REPEATS) ** 0.5


@pytest.mark.statistics
@pytest.mark.parametrize("num", [20, 100])
def test_large_groups_that_lose_do_not_deceive_it(num):
    """Sizes are geometric up to 20, and the loss of an item grows with its group."""
    sizes, weights = numpy.arange(1, 21), 0.7 ** numpy.arange(20)
    weights = weights / weights.sum()
    slope = 0.05 * (sizes @ weights) / (sizes**2 @ weights)
    claims = 0
    for seed in range(NUM_REPEATS):
        generator = numpy.random.default_rng([seed, num])
        drawn = generator.choice(sizes, num, p=weights)
        lost = -1.0 * (generator.random(num) < slope * drawn)
        found = bounded_noninferiority(
            numpy.repeat(lost, drawn), margin=0.05, bounds=BOUNDS,
            groups=numpy.repeat(numpy.arange(num), drawn), max_group_size=20, confidence_level=0.9,
        )  # fmt: skip
        claims += found.verdict == "non_inferior"
    assert claims / NUM_REPEATS <= 0.1 + 3 * (0.09 / NUM_REPEATS) ** 0.5


def test_a_t_test_errs_where_it_does_not():
    claims = 0
    for seed in range(NUM_REPEATS):
        changes = _rare_loss(numpy.random.default_rng(seed), 20) + 0.05
        is_flat = numpy.ptp(changes) == 0
        claims += (
            is_flat or scipy.stats.ttest_1samp(changes, 0, alternative="greater").pvalue < 0.05
        )
    assert claims / NUM_REPEATS > 0.15


@pytest.mark.statistics
def test_groups_of_unequal_size_do_not_deceive_it():
    """Large groups lose what small ones gain, all items of a group alike."""
    claims = 0
    for seed in range(NUM_REPEATS):
        generator = numpy.random.default_rng(seed)
        sizes = generator.choice([1, 5], 40)
        drift = numpy.where(sizes == 5, -0.1, 0.5) * generator.integers(0, 2, 40) - 0.05
        changes, groups = numpy.repeat(drift, sizes), numpy.repeat(numpy.arange(40), sizes)
        found = bounded_noninferiority(
            changes, margin=0.05, bounds=(-1.05, 1.0), groups=groups, max_group_size=5
        )
        claims += found.verdict == "non_inferior"
    assert claims / NUM_REPEATS <= MOST


@pytest.mark.statistics
@pytest.mark.parametrize("largest", [50, None])
@pytest.mark.parametrize("num", [20, 60, 200])
def test_a_rare_and_large_group_that_the_sample_lacks_does_not_deceive_it(num, largest):
    """One group in fifty holds fifty items and carries the whole loss."""
    claims = 0
    for seed in range(NUM_REPEATS):
        sizes = numpy.where(
            numpy.random.default_rng(seed).random(num) < 0.02, 50, [1, 2] * (num // 2)
        )
        drift = numpy.where(sizes == 50, -0.1, 0.0)
        found = bounded_noninferiority(
            numpy.repeat(drift, sizes), margin=0.04, bounds=BOUNDS,
            groups=numpy.repeat(numpy.arange(num), sizes), max_group_size=largest,
        )  # fmt: skip
        claims += found.verdict == "non_inferior"
    assert claims / NUM_REPEATS <= (MOST if largest else 0)


@pytest.mark.statistics
@pytest.mark.parametrize("largest", [50, None])
def test_a_rare_and_large_group_that_gains_does_not_make_others_inferior(largest):
    """One group in fifty holds fifty items and makes up for what all the others lose: a mean of 0."""
    claims = 0
    for seed in range(NUM_REPEATS):
        sizes = numpy.where(numpy.random.default_rng(seed).random(60) < 0.02, 50, [1, 2] * 30)
        gain = 0.98 * 1.5 * 0.5
        found = bounded_noninferiority(
            numpy.repeat(numpy.where(sizes == 50, gain, -0.5), sizes), margin=0.1, bounds=BOUNDS,
            groups=numpy.repeat(numpy.arange(60), sizes), max_group_size=largest,
        )  # fmt: skip
        claims += found.verdict == "inferior"
    assert claims / NUM_REPEATS <= (MOST if largest else 0)


def test_sizes_that_differ_and_no_largest_one_show_nothing():
    sizes = numpy.resize([1, 2, 3], 300)
    groups = numpy.repeat(numpy.arange(300), sizes)
    for change, verdict in ((0.5, "non_inferior"), (-0.9, "inferior")):
        changes = numpy.full(len(groups), change)
        found = bounded_noninferiority(changes, margin=0.05, bounds=BOUNDS, groups=groups)
        assert (found.verdict, found.low, found.high) == ("inconclusive", *BOUNDS)
        assert found.pvalue == 1.0
        declared = bounded_noninferiority(
            changes, margin=0.05, bounds=BOUNDS, groups=groups, max_group_size=3
        )
        assert declared.verdict == verdict


def test_groups_of_one_are_no_groups():
    changes = numpy.random.default_rng(0).uniform(-0.3, 0.3, 60)
    one = bounded_noninferiority(changes, margin=0.2, bounds=BOUNDS)
    other = bounded_noninferiority(changes, margin=0.2, bounds=BOUNDS, groups=numpy.arange(60))
    assert one == other


def test_copies_within_a_group_are_no_evidence():
    changes = numpy.random.default_rng(0).normal(0, 0.2, 100).clip(-1, 1)
    once = bounded_noninferiority(changes, margin=0.1, bounds=BOUNDS)
    copied = bounded_noninferiority(
        numpy.repeat(changes, 4),
        margin=0.1,
        bounds=BOUNDS,
        groups=numpy.repeat(numpy.arange(100), 4),
    )
    assert copied[:3] == pytest.approx(once[:3], abs=1e-9)


def test_verdict_limits_and_pvalue_agree():
    for change, verdict in ((0.0, "non_inferior"), (-0.12, "inconclusive"), (-0.4, "inferior")):
        changes = numpy.random.default_rng(3).normal(change, 0.3, 400).clip(-1, 1)
        found = bounded_noninferiority(changes, margin=0.1, bounds=BOUNDS)
        assert found.verdict == verdict
        assert found.low <= found.change <= found.high
        assert (found.low >= -0.1) == (verdict == "non_inferior") == (found.pvalue <= 0.05)


def test_few_unchanged_items_prove_nothing():
    found = bounded_noninferiority(numpy.zeros(10), margin=0.05, bounds=BOUNDS)
    assert found.verdict == "inconclusive"
    assert found.high - found.low > 0.5


def test_it_needs_less_than_twice_the_items_of_a_t_test():
    """With 80 % power: 56 items for a t test at this spread, 1.8 times as many here."""
    claims = 0
    for seed in range(60):
        changes = numpy.random.default_rng(seed).normal(0, 0.3, 108).clip(-1, 1)
        found = bounded_noninferiority(changes, margin=0.1, bounds=BOUNDS)
        claims += found.verdict == "non_inferior"
    assert claims / 60 >= 0.65


def test_no_items_are_refused():
    with pytest.raises(RunError, match="no items"):
        bounded_noninferiority(numpy.zeros(0), margin=0.1, bounds=BOUNDS)
