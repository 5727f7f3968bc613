"""The winner's curse: the bound of the candidate that looks best, by chance, of many."""

import math

import numpy
import pytest
import scipy.stats

from driftline.analyses.search import Loss, choice_level, safe_worth

NUM_ITEMS, NUM_SEARCHES, ALPHA = 60, 400, 0.05


def broken(num_candidates, shared, *, corrected):
    """Share of searches whose choice truly loses more than a tolerance of 1.

    Every candidate truly loses a little more than the tolerance, so that whatever passes does so by luck; of
    those that pass, the largest gain is taken.
    """
    generator = numpy.random.default_rng([num_candidates, int(10 * shared)])
    level = choice_level(ALPHA, num_candidates if corrected else 1)
    quantile = scipy.stats.t.isf(level, NUM_ITEMS - 1)
    num_broken = 0
    for _ in range(NUM_SEARCHES):
        common = generator.standard_normal(NUM_ITEMS)
        own = generator.standard_normal((num_candidates, NUM_ITEMS))
        losses = 1.0 + 1e-9 + math.sqrt(shared) * common + math.sqrt(1 - shared) * own
        errors = losses.std(axis=1, ddof=1) / math.sqrt(NUM_ITEMS)
        passes = losses.mean(axis=1) + quantile * errors <= 1.0
        num_broken += bool(passes.any())
    return num_broken / NUM_SEARCHES


@pytest.mark.parametrize("shared", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("num_candidates", [1, 8, 73])
def test_the_corrected_bound_of_the_chosen_one_holds(num_candidates, shared):
    # Three standard errors of a share of 400.
    assert broken(num_candidates, shared, corrected=True) <= ALPHA + 3 * math.sqrt(
        0.05 * 0.95 / 400
    )


@pytest.mark.parametrize(("num_candidates", "at_least"), [(8, 0.2), (73, 0.8)])
def test_without_the_correction_it_does_not(num_candidates, at_least):
    assert broken(num_candidates, 0.0, corrected=False) > at_least


@pytest.mark.parametrize(
    ("bounds", "expected"), [((0.5,), 1.0), ((0.5, 0.75), 0.5), ((-0.2,), 2.0), ((1.0, 0.1), 0.0)]
)
def test_safety_weighs_the_gain_by_what_the_worst_bound_leaves(bounds, expected):
    losses = {str(n): Loss(bound - 0.1, bound) for n, bound in enumerate(bounds)}
    assert safe_worth(2.0, losses) == pytest.approx(expected)


def test_safety_prefers_less_gain_at_less_loss():
    much, little = {"c": Loss(0.8, 0.9)}, {"c": Loss(0.1, 0.2)}
    assert safe_worth(2.0, much) < safe_worth(1.0, little)
    # What gains nothing is worth nothing, however safe.
    assert safe_worth(-1.0, little) == 0
