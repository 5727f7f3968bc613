"""Items that a check scores, and the most that a group of them could hold."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...analyses import sampled_items
from ...capabilities import Capability
from ...errors import ConfigError
from ._settings import MonitorSettings


def check_group_sizes(capabilities: Sequence[Capability], settings: MonitorSettings) -> None:
    """Refuse required capabilities whose alarm by evidence could have no error rate.

    If the largest group that there could be is not known, a rare one that the items lack may gain what
    they lose. An alarm is then worth nothing, and leaving it out unseen would be worse.

    Args:
        capabilities: With all their items.
        settings: Say what an alarm rests on.

    Raises:
        ConfigError: Groups of one differ in size, and no largest one is declared.
    """
    if settings.act_on == "measured":
        return
    for capability in capabilities:
        sizes = Counter(capability.groups()).values()
        if capability.required and capability.max_group_size is None and len(set(sizes)) > 1:
            raise ConfigError(
                f"monitor: {capability.name}: its groups hold {min(sizes)} to {max(sizes)} items, so "
                "an alarm by evidence could not keep alpha: a rare and larger one may gain what these "
                "lose; write `max_group_size: N` in the suite, the most items that a group can hold, or "
                '`required: false`; or set act_on="measured", which has no error rate'
            )


def scored_items(
    capabilities: Sequence[Capability], num_items: int | Mapping[str, int] | None, *, seed: int
) -> tuple[Capability, ...]:
    """Draw the items of each capability that checks score.

    Args:
        capabilities: With all their items.
        num_items: Number of items of each, or of each by name; None for all.
        seed: Random seed of the draw.

    Returns:
        The capabilities, in their order. `max_group_size` bounds the groups of the items that were
        drawn; None where nothing does, and then there is no evidence.
    """
    drawn = sampled_items(capabilities, num_items, seed=seed)
    return tuple(_bounded(*pair, seed) for pair in zip(capabilities, drawn, strict=True))


def _bounded(whole: Capability, drawn: Capability, seed: int) -> Capability:
    if whole.max_group_size is not None:
        return _whole_groups(whole, len(drawn.items), seed)
    if len(set(Counter(whole.groups()).values())) > 1:
        return drawn
    # One size by design; of single items a draw may hold no more than a part of each group.
    return replace(drawn, max_group_size=max(Counter(drawn.groups()).values()))


def _whole_groups(capability: Capability, num_items: int, seed: int) -> Capability:
    """Draw groups until they hold so many items, the last one whole.

    A draw of single items would take a smaller part of each group where the groups are large, so that
    gains of large ones would count too little. When to stop depends on the groups drawn so far
    alone, so evidence stays valid (optional stopping).
    """
    sizes, chosen, num = Counter(capability.groups()), set[str](), 0
    for group in random.Random(seed).sample(sorted(sizes), len(sizes)):
        if num >= num_items and len(chosen) > 1:
            break
        chosen.add(group)
        num += sizes[group]
    pairs = zip(capability.items, capability.groups(), strict=True)
    return replace(capability, items=tuple(item for item, group in pairs if group in chosen))
