"""Does a base answer better than a guess? Errors counted exactly, in groups, and under any stopping."""

import itertools

import numpy
import pytest

from driftline.stats import above_chance_evidence, above_chance_pvalue

NUM_REPEATS = 400


def _exact_error(chances, alpha):
    """How likely a guess passes, over every number of right answers."""
    shares = numpy.array([1.0])
    for chance in chances:
        shares = numpy.convolve(shares, [1 - chance, chance])
    places = numpy.arange(len(chances))
    return sum(
        share
        for right, share in enumerate(shares)
        if above_chance_pvalue(places < right, chances) <= alpha
    )


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.5])
@pytest.mark.parametrize("options", [[2], [4], [2, 4, 10], [2] * 9 + [50]])
@pytest.mark.parametrize("num", [2, 20, 200])
def test_a_guess_passes_at_most_as_often_as_it_says(alpha, options, num):
    assert _exact_error(numpy.resize([1 / k for k in options], num), alpha) <= alpha + 1e-12


def test_what_is_plainly_above_chance_passes_and_what_is_below_never_does():
    chances = numpy.full(100, 0.5)
    found = [above_chance_pvalue(numpy.arange(100) < right, chances) for right in range(101)]
    assert found == sorted(found, reverse=True)
    assert found[52] > 0.05 > found[60]
    assert found[50] == 1.0
    assert above_chance_pvalue(numpy.ones(9, dtype=bool), numpy.ones(9)) == 1.0


@pytest.mark.statistics
@pytest.mark.parametrize("num", [10, 60])
def test_groups_that_are_right_together_count_once(num):
    hits = 0
    for seed in range(NUM_REPEATS):
        generator = numpy.random.default_rng(seed)
        sizes = generator.integers(1, 9, num)
        right = numpy.repeat(generator.random(num) < 0.5, sizes)
        groups = numpy.repeat(numpy.arange(num), sizes)
        pvalue = above_chance_pvalue(
            right, numpy.full(len(right), 0.5), groups=groups, max_group_size=8
        )
        hits += pvalue <= 0.05
    assert hits / NUM_REPEATS <= 0.05 + 3 * (0.05 * 0.95 / NUM_REPEATS) ** 0.5


def test_groups_of_unequal_size_need_a_largest_one():
    right, chances = numpy.ones(90, dtype=bool), numpy.full(90, 0.25)
    groups = numpy.repeat(numpy.arange(45), 2)
    groups[0] = 45
    assert above_chance_pvalue(right, chances, groups=groups) == 1.0
    assert above_chance_pvalue(right, chances, groups=groups, max_group_size=2) < 0.01


@pytest.mark.statistics
@pytest.mark.parametrize(("chance", "alpha"), list(itertools.product([0.25, 0.5], [0.05, 0.1])))
def test_evidence_may_be_looked_at_after_every_item(chance, alpha):
    hits = 0
    for seed in range(NUM_REPEATS):
        right = numpy.random.default_rng(seed).random(300) < chance
        hits += above_chance_evidence(right, numpy.full(300, chance)) >= 1 / alpha
    assert hits / NUM_REPEATS <= alpha + 3 * (alpha * (1 - alpha) / NUM_REPEATS) ** 0.5
    sure = above_chance_evidence(numpy.ones(300, dtype=bool), numpy.full(300, chance))
    assert sure > 1 / alpha
