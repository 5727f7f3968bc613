"""The sequential test: its error under looking after every item, and what it saves."""

import numpy
import pytest

from driftline.stats import num_items_needed, sequential_noninferiority

BOUNDS = (-1.0, 1.0)


def _flips(seed, num, discordance, change):
    shares = [(discordance - change) / 2, 1 - discordance, (discordance + change) / 2]
    return numpy.random.default_rng(seed).choice([-1.0, 0.0, 1.0], num, p=shares)


@pytest.mark.statistics
@pytest.mark.parametrize("discordance", [0.05, 0.2])
def test_looking_after_every_item_does_not_make_it_err(discordance):
    """200 runs of 1000 items at the margin, where no look may ever claim anything."""
    claims = {"non_inferior": 0, "inferior": 0, "inconclusive": 0}
    for seed in range(200):
        changes = _flips(seed, 1000, discordance, -0.05)
        claims[sequential_noninferiority(changes, margin=0.05, bounds=BOUNDS).verdict] += 1
    most = 200 * 0.05 + 3 * (200 * 0.05 * 0.95) ** 0.5
    assert claims["non_inferior"] <= most
    assert claims["inferior"] <= most


@pytest.mark.statistics
def test_the_confidence_sequence_covers_at_all_times():
    misses = 0
    for seed in range(150):
        changes = numpy.random.default_rng(seed).beta(1, 3, 300) - 0.25
        found = sequential_noninferiority(changes, margin=0.05, bounds=BOUNDS)
        misses += found.low > 0.0 or found.high < 0.0
    assert misses / 150 <= 0.1 + 3 * (0.1 * 0.9 / 150) ** 0.5


def test_the_verdict_does_not_change_once_it_is_there():
    changes = _flips(5, 1500, 0.1, 0.0)
    whole = sequential_noninferiority(changes, margin=0.05, bounds=BOUNDS)
    assert whole.verdict == "non_inferior"
    last = whole.num_items
    before = sequential_noninferiority(changes[: last - 1], margin=0.05, bounds=BOUNDS)
    at = sequential_noninferiority(changes[:last], margin=0.05, bounds=BOUNDS)
    assert (before.verdict, before.num_items) == ("inconclusive", last - 1)
    assert (at.verdict, at.num_items) == ("non_inferior", last)
    assert before.evidence_non_inferior < 20 <= at.evidence_non_inferior
    assert before.low < -0.05 <= at.low <= whole.low


@pytest.mark.statistics
@pytest.mark.parametrize(("discordance", "change"), [(0.02, 0.0), (0.1, 0.05), (0.15, -0.15)])
def test_clear_cases_save_two_fifths_of_the_items(discordance, change):
    """Against the fixed size for 80 % power at 10 % discordance and no change."""
    fixed = num_items_needed(margin=0.05, discordance=0.1)
    used = []
    for seed in range(40):
        changes = _flips(seed, 4 * fixed, discordance, change)
        found = sequential_noninferiority(changes, margin=0.05, bounds=BOUNDS)
        assert found.verdict == ("inferior" if change < 0 else "non_inferior")
        used.append(found.num_items)
    assert numpy.mean(used) <= 0.6 * fixed


def test_a_group_is_one_unit():
    changes = numpy.random.default_rng(0).normal(0, 0.2, 300).clip(-1, 1)
    once = sequential_noninferiority(changes, margin=0.1, bounds=BOUNDS)
    copied = sequential_noninferiority(
        numpy.repeat(changes, 3),
        margin=0.1,
        bounds=BOUNDS,
        groups=numpy.repeat(numpy.arange(300), 3),
        max_group_size=3,
    )
    assert copied.num_items == 3 * once.num_items
    assert copied.low == pytest.approx(once.low)


def test_no_change_at_all_is_settled_by_the_range_alone():
    found = sequential_noninferiority(numpy.zeros(30), margin=0.02, bounds=BOUNDS)
    assert found.verdict == "inconclusive"
    found = sequential_noninferiority(numpy.full(60, -1.0), margin=0.02, bounds=BOUNDS)
    assert found.verdict == "inferior"
    assert found.num_items < 20
    assert found.high < -0.02
