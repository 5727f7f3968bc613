"""Items that choose and items that report share no source."""

import pytest

from driftline.analyses.items._split import split_items
from driftline.capabilities import Capability, MinimalPair
from driftline.errors import SuiteError


def _capability(groups, texts=None):
    items = tuple(
        MinimalPair(id=str(i), good=f"good {t}", bad=f"bad {t}", group=group)
        for i, (group, t) in enumerate(zip(groups, texts or range(len(groups)), strict=True))
    )
    return Capability("pairs", "minimal_pair", "accuracy", 0.1, items)


def test_the_halves_share_no_group_and_lose_no_item():
    capability = _capability([f"g{i // 3}" for i in range(60)])
    halves = split_items(capability, num_search=100, seed=0)
    assert not set(halves.search.groups()) & set(halves.report.groups())
    assert len(halves.search.items) + len(halves.report.items) == 60
    assert 28 <= len(halves.search.items) <= 32


def test_what_does_not_choose_reports():
    halves = split_items(_capability([None] * 40), num_search=7, seed=0)
    assert (len(halves.search.items), len(halves.report.items)) == (7, 33)


def test_the_draw_is_seeded():
    capability = _capability([None] * 40)
    same = [split_items(capability, num_search=20, seed=seed).search.digest for seed in (0, 0, 1)]
    assert same[0] == same[1] != same[2]


def test_items_that_say_the_same_go_to_one_side_with_all_of_their_groups():
    groups = [f"g{i // 2}" for i in range(40)]
    # The first item of every group says what that of the next group but one does.
    texts = [f"shared {i // 8}" if i % 4 == 0 else str(i) for i in range(40)]
    for seed in range(8):
        halves = split_items(_capability(groups, texts), num_search=20, seed=seed)
        said = [{item.good for item in part.items} for part in halves]
        assert not said[0] & said[1]
        assert not set(halves.search.groups()) & set(halves.report.groups())


def test_too_few_groups_are_refused_by_name():
    with pytest.raises(SuiteError, match="capability pairs: 3 independent groups"):
        split_items(_capability(["a", "a", "b", "c"]), num_search=2, seed=0)
    halves = split_items(_capability(["a", "b", "c", "d"]), num_search=2, seed=0)
    assert {len(set(part.groups())) for part in halves} == {2}
