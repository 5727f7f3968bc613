"""Split of items into those that select a repair and those that report it, by source."""

import random
from dataclasses import replace
from typing import NamedTuple

from ...capabilities import Capability, Item
from ...errors import SuiteError
from ._item_key import item_key

SEARCH_SHARE = 0.5
"""Largest share of the items used to choose: reporting needs more."""
_LEAST = 2
"""Sources on either side; an interval needs so many."""


class Halves(NamedTuple):
    """One capability in two parts that share no source."""

    search: Capability
    report: Capability


def split_items(capability: Capability, *, num_search: int, seed: int) -> Halves:
    """Split items at random, by source, into those that select and those that report.

    Items of one group go to one side, and so do items that say the same under two ids, with all of
    their groups.

    Args:
        capability: All of its items.
        num_search: About how many choose; no more than half.
        seed: Random seed; the draw of one capability does not depend on the others.

    Returns:
        The two parts, each in the order of the items.

    Raises:
        SuiteError: There are too few sources for both.
    """
    sources = sources_of(capability)
    order = sorted(set(sources))
    if len(order) < 2 * _LEAST:
        raise SuiteError(
            f"capability {capability.name}: {len(order)} independent groups cannot be parted into "
            f"items that choose and items that report; at least {2 * _LEAST} are needed"
        )
    random.Random(f"{seed}|{capability.name}").shuffle(order)
    requested = min(num_search, int(SEARCH_SHARE * len(capability.items)))
    chosen: set[str] = set()
    held = 0
    for source in order[:-_LEAST]:
        if held >= requested and len(chosen) >= _LEAST:
            break
        chosen.add(source)
        held += sources.count(source)
    parts: tuple[list[Item], list[Item]] = ([], [])
    for item, source in zip(capability.items, sources, strict=True):
        parts[source not in chosen].append(item)
    search, report = (replace(capability, items=tuple(part)) for part in parts)
    return Halves(search, report)


def sources_of(capability: Capability) -> list[str]:
    """Find the source of each item: its group, joined with groups that hold the same item.

    Args:
        capability: Any.

    Returns:
        A name for each item, in order.
    """
    groups = capability.groups()
    leader = {group: group for group in groups}

    def find(group: str) -> str:
        while leader[group] != group:
            group = leader[group]
        return group

    first: dict[str, str] = {}
    for item, group in zip(capability.items, groups, strict=True):
        leader[find(group)] = find(first.setdefault(item_key(item), group))
    return [find(group) for group in groups]
