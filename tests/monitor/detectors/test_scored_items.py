"""Groups of unequal sizes: what is scored, what bounds a group, and where nothing does."""

import math
from collections import Counter

import numpy
import pytest

from driftline.capabilities import Capability, MinimalPair, Suite
from driftline.errors import ConfigError
from driftline.monitor import MonitorSettings, StabilityMonitor
from driftline.monitor.detectors import scored_items
from driftline.monitor.detectors._check import Checker
from driftline.stats import look_evidence


def _pairs(sizes, **fields):
    groups = [f"g{group}" for group, size in enumerate(sizes) for _ in range(size)]
    items = tuple(
        MinimalPair(id=str(n), good="a", bad="b", group=group) for n, group in enumerate(groups)
    )
    return Capability("pairs", "minimal_pair", "margin_nats", 0.25, items, **fields)


UNEQUAL = [1, 2, 3] * 20


@pytest.mark.parametrize(
    ("sizes", "declared", "bound", "is_whole"),
    [
        (UNEQUAL, 5, 5, True), (UNEQUAL, None, None, False), ([1] * 60, None, 1, False),
        ([6] * 20, None, 4, False), ([6] * 20, 9, 9, True),
    ],
)  # fmt: skip
def test_what_bounds_a_group_of_the_items_that_are_scored(sizes, declared, bound, is_whole):
    whole = _pairs(sizes, max_group_size=declared)
    (drawn,) = scored_items([whole], 30, seed=0)
    held, all_held = Counter(drawn.groups()), Counter(whole.groups())
    assert drawn.max_group_size == bound
    assert 30 <= len(drawn.items) < 30 + max(sizes)
    assert all(held[group] == all_held[group] for group in held) == (is_whole or max(sizes) == 1)
    assert (drawn,) == scored_items([whole], 30, seed=0)
    assert scored_items([whole], None, seed=0)[0].items == whole.items


def test_groups_whose_largest_size_nobody_knows_are_refused():
    with pytest.raises(ConfigError, match=r"pairs: its groups hold 1 to 3 items.*max_group_size"):
        StabilityMonitor([Suite("s", (_pairs(UNEQUAL),))])
    measured = MonitorSettings(act_on="measured")
    assert StabilityMonitor([Suite("s", (_pairs(UNEQUAL),))], measured)
    for fields in ({"max_group_size": 3}, {"required": False}):
        assert StabilityMonitor([Suite("s", (_pairs(UNEQUAL, **fields),))])


def test_a_check_of_groups_of_unknown_size_has_no_evidence():
    """Also where the items that were drawn are alike in size by chance."""
    checker = Checker.__new__(Checker)
    losses = {"pairs": numpy.full(40, 0.9)}
    checker._base, checker._groups = {"pairs": numpy.zeros(40)}, {"pairs": numpy.arange(40)}
    assert checker._evidence(_pairs([1] * 40), losses) == 0.0
    assert checker._evidence(_pairs([1] * 40, max_group_size=1), losses) > math.log(20)
    larger = checker._evidence(_pairs([1] * 40, max_group_size=4), losses)
    assert 0 < larger < checker._evidence(_pairs([1] * 40, max_group_size=1), losses)


def test_a_run_whose_large_groups_gain_is_seldom_accused():
    """The mean loss is the tolerance, and only part of the groups is scored."""
    accused, sums = 0, 0.0
    for seed in range(400):
        generator = numpy.random.default_rng(seed)
        sizes = numpy.where(generator.random(60) < 0.1, 3, 1)
        # (0.9 lose + 0.3 gain) / 1.2 = 0.05
        loss = dict(zip([f"g{n}" for n in range(60)], numpy.where(sizes == 3, -1.0, 0.4), strict=True))  # fmt: skip
        (drawn,) = scored_items([_pairs(sizes, max_group_size=3)], 30, seed=seed)
        groups = drawn.groups()
        evidence = look_evidence(
            numpy.array([loss[group] for group in groups]), tolerance=0.05, largest_gain=1.0,
            groups=numpy.unique(groups, return_inverse=True)[1],
            max_group_size=drawn.max_group_size,
        )  # fmt: skip
        accused += evidence - math.log(2) >= math.log(20)
        sums += math.exp(evidence)
    assert accused / 400 <= 0.05
    assert sums / 400 == pytest.approx(1.0, abs=0.15)
