"""Declarations about scores and groups by the owner of a capability, made before any is seen."""

import math
from collections import Counter
from collections.abc import Sequence

from ..errors import SuiteError


def check_declared(
    name: str,
    *,
    metric: str,
    score_range: tuple[float, float] | None,
    max_group_size: int | None,
    groups: Sequence[str],
) -> None:
    """Refuse a declared range or group size that cannot hold.

    Args:
        name: The capability's.
        score_range: The least and the largest score that an item can have.
        max_group_size: The most items that a group can hold.
        groups: The group of each item.

    Raises:
        SuiteError: A range of a metric that has its own, or one that is no range of numbers; a size
            that is no count, or that a group exceeds.
    """
    if score_range is not None:
        _check_range(name, metric, score_range)
    if max_group_size is None:
        return
    if isinstance(max_group_size, bool) or max_group_size < 1:
        raise SuiteError(
            f"capability {name}: max_group_size {max_group_size} is not a count from 1"
        )
    largest, size = Counter(groups).most_common(1)[0]
    if size > max_group_size:
        raise SuiteError(
            f"capability {name}: the group {largest} holds {size} items and max_group_size is "
            f"{max_group_size}; declare the most items that a group can hold"
        )


def _check_range(name: str, metric: str, score_range: tuple[float, float]) -> None:
    if metric != "nll_nats":
        raise SuiteError(
            f"capability {name}: {metric} has a range of its own; leave range out, which is for "
            "nll_nats"
        )
    low, high = score_range
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise SuiteError(
            f"capability {name}: range [{low:g}, {high:g}] must be two finite numbers, the smaller "
            "first"
        )
