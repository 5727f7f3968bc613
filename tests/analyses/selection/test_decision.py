"""The claims about several checkpoints, with the error of all of them together."""

import functools

import numpy
import pytest

from driftline.analyses.selection._checkpoint_decision import (
    CapabilityTests,
    PairedLosses,
    chances,
    decide,
)
from driftline.stats import flip_noninferiority

ALPHA = 0.05


def cell(pvalue, lost_from=None):
    return CapabilityTests(pvalue, lambda level: lost_from is not None and level >= lost_from)


def verdicts(*checkpoints, **more):
    return [each.verdict for each in decide(checkpoints, ALPHA, **more)]


@pytest.mark.parametrize(
    ("pvalues", "kept"),
    [
        ([0.04], ["kept"]),
        ([0.04, 0.04], ["inconclusive", "inconclusive"]),
        ([0.02, 0.04], ["kept", "kept"]),
        ([0.02, 0.06], ["kept", "inconclusive"]),
        ([0.016, 0.024, 0.9], ["kept", "kept", "inconclusive"]),
    ],
)
def test_checkpoints_are_kept_by_holms_steps(pvalues, kept):
    assert verdicts(*[(cell(0.001), cell(pvalue)) for pvalue in pvalues]) == kept


def test_one_capability_that_cannot_pass_keeps_a_checkpoint_from_passing():
    assert verdicts((cell(0.001), cell(None))) == ["inconclusive"]


def test_the_base_itself_is_kept_and_takes_no_share_of_alpha():
    found = verdicts((cell(0.0),), (cell(0.04),), is_base=[True, False])
    assert found == ["kept", "kept"]
    assert verdicts((cell(None),), is_base=[True]) == ["kept"]


@pytest.mark.parametrize(
    ("levels", "lost"),
    [
        # Two capabilities, so that a single checkpoint has alpha / 2.
        ([0.025], [True]),
        ([0.0251], [False]),
        ([0.0125, 0.025], [True, True]),
        ([0.013, 0.013], [False, False]),
        ([0.0083, None, 0.0125], [True, False, True]),
    ],
)
def test_losses_are_shown_by_bonferroni_inside_and_holms_steps_over_checkpoints(levels, lost):
    found = verdicts(*[(cell(0.9), cell(0.9, level)) for level in levels])
    assert [each == "lost" for each in found] == lost


@pytest.mark.statistics
@pytest.mark.parametrize(("num_checkpoints", "num_capabilities"), [(1, 1), (4, 3), (8, 1)])
@pytest.mark.parametrize("truth", ["just lost", "just within"])
def test_the_family_wise_error_is_held(num_checkpoints, num_capabilities, truth):
    """All checkpoints share the base's items, and in each one capability lies on the edge."""
    generator = numpy.random.default_rng(7)
    num_items, margin, num_runs = 100, 0.05, 200
    wrong = uncorrected = 0
    for _ in range(num_runs):
        shared = generator.random((num_capabilities, num_items))
        checkpoints = []
        for _ in range(num_checkpoints):
            own = generator.random((num_capabilities, num_items))
            # Half of the luck is the items' own, so that the tests of checkpoints depend on each other.
            draws = numpy.where(generator.random(own.shape) < 0.5, shared, own)
            losses = (draws < (margin + 0.03)).sum(axis=1)
            gains = (draws > 0.97).sum(axis=1)
            cells = []
            for index, (lost, gained) in enumerate(zip(losses, gains, strict=True)):
                if truth == "just lost" and index > 0:
                    lost = gained = 0
                cells.append(_flip_cell(int(lost), int(gained), num_items, margin))
            checkpoints.append(tuple(cells))
        error = "kept" if truth == "just lost" else "lost"
        uncorrected += any(
            max(cell.pvalue for cell in cells) <= ALPHA
            if truth == "just lost"
            else any(cell.is_lost_at(ALPHA) for cell in cells)
            for cells in checkpoints
        )
        wrong += any(each.verdict == error for each in decide(checkpoints, ALPHA))
    # Three standard errors of a share of 5 % above it.
    assert wrong / num_runs <= ALPHA + 3 * (ALPHA * (1 - ALPHA) / num_runs) ** 0.5
    if num_checkpoints > 1:
        # So the correction is needed, and this test can fail.
        assert uncorrected / num_runs > 1.5 * ALPHA


@functools.cache
def _flip_test(lost, gained, num_items, margin, level):
    return flip_noninferiority(lost, gained, num_items, margin=margin, confidence_level=1 - level)


def _flip_cell(lost, gained, num_items, margin):
    def is_lost_at(level):
        return _flip_test(lost, gained, num_items, margin, level).verdict == "inferior"

    return CapabilityTests(_flip_test(lost, gained, num_items, margin, ALPHA).pvalue, is_lost_at)


def losses(*means, num=40, spread=0.1):
    noise = numpy.random.default_rng(1).normal(0.0, spread, num)
    noise -= noise.mean()
    return PairedLosses(numpy.stack([mean + noise for mean in means]), numpy.arange(num))


def test_chances_are_those_of_the_joint_distribution():
    found = chances([losses(0.2, 0.5, 1.5)], losses(0.1, 0.3, 0.9), seed=0)
    # The noise is shared, so that no draw can change the order.
    assert [each.safest for each in found] == pytest.approx([1.0, 0.0, 0.0], abs=1e-3)
    assert [each.best for each in found] == pytest.approx([0.0, 1.0, 0.0], abs=1e-3)
    assert [each.keeps for each in found] == pytest.approx([1.0, 1.0, 0.0], abs=1e-3)
    assert sum(each.safest for each in found) == pytest.approx(1)
    # A number of draws never shows that something is certain or cannot be.
    assert all(0 < p < 1 for each in found for p in (each.safest, each.best, each.keeps))
    assert found[0].worst_low < 0.2 < found[0].worst_high


def test_equal_checkpoints_share_a_draw_and_nobody_is_best_where_all_lose():
    found = chances([losses(0.5, 0.5)], losses(0.1, 0.1), seed=0)
    assert [(each.safest, each.best) for each in found] == [
        (pytest.approx(0.5), pytest.approx(0.5, abs=1e-3))
    ] * 2
    found = chances([losses(2.0, 3.0)], losses(0.1, 0.2), seed=0)
    assert [each.best for each in found] == pytest.approx([0.0, 0.0], abs=1e-3)


def test_the_worst_capability_counts_and_draws_repeat_by_seed():
    two = [losses(0.1, 0.2), losses(0.9, 0.3)]
    found = chances(two, None, seed=3)
    assert [each.safest for each in found] == pytest.approx([0.0, 1.0], abs=1e-3)
    assert [each.best for each in found] == [None, None]
    assert found == chances(two, None, seed=3)
