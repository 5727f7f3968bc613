"""Items that chose a model are no evidence about it: they are left out of its certification."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from ...capabilities import Capability
from ...errors import SuiteError
from ._item_key import item_key
from ._split import sources_of

_LEAST = 2
"""Independent groups that a claim needs."""


def keys_of(capabilities: Sequence[Capability]) -> tuple[str, ...]:
    """Return the keys of all items of some capabilities, sorted, each once."""
    return tuple(sorted({item_key(item) for each in capabilities for item in each.items}))


def without_choosing(
    capabilities: Sequence[Capability], keys: Collection[str]
) -> tuple[Capability, ...]:
    """Leave out the items that chose, and all of their groups.

    Args:
        capabilities: What is to be claimed of.
        keys: Of the items that chose.

    Returns:
        The same capabilities, each with the items that share no group with one that chose.

    Raises:
        SuiteError: A capability has fewer than two groups left.
    """
    return tuple(_unchosen(capability, keys) for capability in capabilities)


def _unchosen(capability: Capability, keys: Collection[str]) -> Capability:
    sources = sources_of(capability)
    pairs = list(zip(capability.items, sources, strict=True))
    chose = {source for item, source in pairs if item_key(item) in keys}
    left = tuple(item for item, source in pairs if source not in chose)
    if not chose:
        return capability
    if len(set(sources) - chose) < _LEAST:
        raise SuiteError(
            f"capability {capability.name}: {len(capability.items) - len(left)} of its {len(capability.items)} items "
            "chose the model (--chosen-by), or share a group with one that did, and too few are left for a "
            "claim; add other items"
        )
    return replace(capability, items=left)
