"""Items that a model cannot tell apart count once: copies are no evidence of their own."""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ...capabilities import Capability, Generation, Item, options_of
from ...engine import Engine
from ...errors import SuiteError
from ...results import EqualItems


class Distinct(NamedTuple):
    """Capabilities without copies, and what was found of copies."""

    capabilities: tuple[Capability, ...]
    equal_items: tuple[EqualItems, ...]
    """Within a capability: which item counts, and which were left out."""
    shared: tuple[tuple[str, str, int], ...]
    """Two capabilities with the same metric, and how many items they have in common."""


def distinct(capabilities: Sequence[Capability], engine: Engine) -> Distinct:
    """Keep the first of all items of a capability that are the same to the model.

    Two items are the same where the same tokens are scored and the same answer is right: other ids,
    groups, an order of options, or white space that makes no other tokens do not matter. Counted
    twice they would pass for independent evidence, which no test corrects.

    Cost: that of the tokenizer, once for each capability.

    Args:
        capabilities: As their suites have them.
        engine: Makes the tokens.

    Returns:
        The same capabilities where all items differ.

    Raises:
        SuiteError: A capability has fewer than two items or groups left.
    """
    kept, equal, keys = [], [], {}
    for capability in capabilities:
        places: dict[Hashable, list[int]] = {}
        for place, key in enumerate(_keys(capability, engine)):
            places.setdefault(key, []).append(place)
        keys[capability.name] = (capability.metric, set(places))
        copies = [same for same in places.values() if len(same) > 1]
        equal += [
            EqualItems(
                capability=capability.name,
                kept=capability.items[same[0]].id,
                left_out=tuple(capability.items[place].id for place in same[1:]),
            )
            for same in copies
        ]
        chosen = tuple(capability.items[same[0]] for same in places.values())
        kept.append(_reduced(capability, chosen) if copies else capability)
    names = list(keys)
    shared = tuple(
        (first, second, common)
        for index, first in enumerate(names)
        for second in names[index + 1 :]
        if keys[first][0] == keys[second][0] and (common := len(keys[first][1] & keys[second][1]))
    )
    return Distinct(tuple(kept), tuple(equal), shared)


def _reduced(capability: Capability, items: tuple[Item, ...]) -> Capability:
    """Return the capability with some of its items."""
    try:
        return replace(capability, items=items)
    except SuiteError as error:
        raise SuiteError(
            f"{error}; {len(capability.items) - len(items)} of its {len(capability.items)} items are "
            f"copies of others under other ids, as {capability.items[1].id}, and count once"
        ) from None


def _keys(capability: Capability, engine: Engine) -> list[Hashable]:
    """Return the tokens that the model sees of each item, and which answer is right."""
    encoded = engine.scorer.encode(capability)
    if capability.scorer == "generate":
        answers = [item.answer.strip() for item in capability.items if isinstance(item, Generation)]
        return list(zip(encoded.prompts, answers, strict=True))
    result: list[Hashable] = []
    for item, (start, end) in zip(capability.items, encoded.spans, strict=True):
        texts = [(tuple(s.tokens), s.start) for s in encoded.sequences[start:end]]
        options = options_of(item)
        if options is not None:
            result.append((texts.pop(options.right), frozenset(texts)))
        else:
            result.append(tuple(texts))
    return result
