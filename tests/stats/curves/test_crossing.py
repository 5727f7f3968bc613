"""Where a curve passes its tolerance: exact cases, a slow reference, and coverage."""

import math
import time

import numpy
import pytest

from driftline.errors import RunError
from driftline.stats import crossing_interval, first_crossing

SCALES = numpy.array([0.02, 0.04, 0.08, 0.16])


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([0.4, 0.5, 0.6, 0.7], 0.005),  # in the first segment, from the origin
        ([0.1, 0.2, 0.3, 0.4], 0.02),  # at a point
        ([0.0, 0.2, 0.3, 0.4], 0.03),  # half-way
        ([-0.3, -0.1, 0.3, 0.4], 0.06),  # from a gain
        ([0.0, 0.0, 0.0, 0.1], 0.16),  # at the very end
        ([0.2, 0.0, 0.0, 0.0], 0.01),  # comes back: the first passing counts
        ([0.0, 0.2, 0.0, 9.0], 0.03),  # passes twice
        ([0.0, 0.05, 0.09, 0.0999], None),
        ([-1.0, -2.0, -3.0, -4.0], None),
        ([0.0, 0.0, 0.0, 0.0], None),
    ],
)
def test_first_crossing(losses, expected):
    found = first_crossing(SCALES, numpy.array(losses), 0.1)
    assert found == (None if expected is None else pytest.approx(expected))


def test_one_point_is_a_line_from_the_origin():
    assert first_crossing(numpy.array([2.0]), numpy.array([0.4]), 0.1) == pytest.approx(0.5)


def _losses(generator, *, items=24, slope=3.0, noise=0.2, groups=None):
    """Items whose loss grows as a line of their own; those of a group share half of the noise."""
    own = generator.normal(size=items)
    if groups is not None:
        labels = numpy.unique(groups, return_inverse=True)[1]
        shared = generator.normal(size=labels.max() + 1)[labels]
        own = (own + 2 * shared) / math.sqrt(5)
    return (slope + noise * slope * own) * SCALES[:, None]


def _slow_interval(scales, item_losses, tolerance, *, groups, level, num_resamples, seed):
    """The definition, loop by loop, with the same draws."""
    names = sorted(set(groups))
    generator = numpy.random.default_rng(seed)
    crossings = []
    for group_numbers in generator.integers(len(names), size=(num_resamples, len(names))):
        items = [i for g in group_numbers for i, label in enumerate(groups) if label == names[g]]
        found = first_crossing(scales, item_losses[:, items].mean(axis=1), tolerance)
        crossings.append(math.inf if found is None else found)
    crossings.sort()
    tail = (1 - level) / 2
    return tuple(crossings[math.ceil(num_resamples * q - 1e-9) - 1] for q in (tail, 1 - tail))


@pytest.mark.parametrize("tolerance", [0.02, 0.1, 0.3])
def test_it_is_the_slow_definition(tolerance):
    generator = numpy.random.default_rng(1)
    groups = [f"g{i * i % 7}" for i in range(24)]
    losses = generator.normal(1.5, 2.0, size=(4, 24)) * SCALES[:, None]
    found = crossing_interval(
        SCALES, losses, tolerance, groups=groups, confidence_level=0.8, num_resamples=60, seed=5
    )
    slow = _slow_interval(
        SCALES, losses, tolerance, groups=groups, level=0.8, num_resamples=60, seed=5
    )
    ends = [math.inf if end is None else end for end in (found.low, found.high)]
    assert ends == pytest.approx(slow)
    assert found.value == first_crossing(SCALES, losses.mean(axis=1), tolerance)


def test_a_seed_gives_one_answer_and_another_seed_another():
    losses = _losses(numpy.random.default_rng(0))
    one, same, other = (
        crossing_interval(SCALES, losses, 0.2, confidence_level=0.9, seed=s) for s in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_items_of_their_own_are_groups_of_one():
    losses = _losses(numpy.random.default_rng(0))
    labels = [f"{i:02d}" for i in range(24)]
    assert crossing_interval(SCALES, losses, 0.2, confidence_level=0.9) == crossing_interval(
        SCALES, losses, 0.2, confidence_level=0.9, groups=labels
    )


def test_identical_items_have_an_interval_of_no_width():
    losses = numpy.broadcast_to(SCALES[:, None] * 2, (4, 6))
    found = crossing_interval(SCALES, losses, 0.1, confidence_level=0.9)
    assert found == pytest.approx((0.05, 0.05, 0.05))


def test_nothing_passes_so_nothing_is_known():
    losses = numpy.full((4, 6), -1.0)
    assert crossing_interval(SCALES, losses, 0.1, confidence_level=0.9) == (None, None, None)


def test_an_end_is_open_where_too_many_resamples_do_not_pass():
    # One item in eight carries all the loss: a third of the resamples miss it.
    losses = numpy.zeros((4, 8))
    losses[:, 0] = 8 * SCALES
    found = crossing_interval(SCALES, losses, 0.1, confidence_level=0.9)
    assert found.value == pytest.approx(0.1)
    assert found.high is None
    assert found.low is not None
    assert 0 < found.low < found.value


@pytest.mark.parametrize("groups", [None, ["a"] * 3])
def test_one_independent_item_is_refused(groups):
    losses = numpy.zeros((4, 1 if groups is None else 3))
    with pytest.raises(RunError, match="there are 1"):
        crossing_interval(SCALES, losses, 0.1, confidence_level=0.9, groups=groups)


def _coverage(*, groups, used_groups, num_repeats=1000, items=60):
    truth = 0.2 / 3.0
    hits = 0
    for seed in range(num_repeats):
        losses = _losses(numpy.random.default_rng(seed), items=items, groups=groups)
        found = crossing_interval(
            SCALES, losses, 0.2, confidence_level=0.9, groups=used_groups, num_resamples=200
        )
        hits += (found.low or math.inf) <= truth <= (found.high or math.inf)
    return hits / num_repeats


@pytest.mark.statistics
def test_it_covers_a_known_crossing():
    assert 0.87 <= _coverage(groups=None, used_groups=None) <= 0.92


@pytest.mark.statistics
def test_it_covers_with_clusters_and_the_naive_one_does_not():
    groups = [str(i // 3) for i in range(90)]
    assert 0.86 <= _coverage(groups=groups, used_groups=groups, items=90) <= 0.92
    assert _coverage(groups=groups, used_groups=None, items=90) < 0.8


def test_it_is_fast_enough_to_be_called_for_every_capability():
    losses = _losses(numpy.random.default_rng(0), items=60)
    started = time.process_time()
    for seed in range(5):
        crossing_interval(SCALES, losses, 0.2, confidence_level=0.9, seed=seed)
    assert (time.process_time() - started) / 5 < 0.05
