"""Items behind solved ones of their own kind, as a few-shot prompt."""

import random
from collections.abc import Sequence
from dataclasses import replace

from ._capability import Capability
from ._items import Alternatives, Item, MinimalPair, Passage, Prompted, right_answer, right_text

_BETWEEN = "\n\n"


def with_solved_examples(capability: Capability, num_shots: int, *, seed: int) -> Capability | None:
    """Put a few solved items before each other item of a capability.

    The examples are the same for all items and come from groups that are not scored, so that no item
    is answered by its own source. Both models get the same text.

    Args:
        capability: With more groups than examples.
        num_shots: Number of examples.
        seed: Random seed of their choice.

    Returns:
        The rest of the capability behind the examples; None where the items are passages, which have
        no form to show, are of several kinds, or too few.
    """
    groups = sorted(set(capability.groups()))
    kinds = {type(item) for item in capability.items}
    is_chat = {_is_chat(item) for item in capability.items}
    if Passage in kinds or len(kinds | is_chat) != 2 or len(groups) < num_shots + 2:
        return None
    chosen = set(random.Random(seed).sample(groups, num_shots))
    pairs = list(zip(capability.items, capability.groups(), strict=True))
    solved = [next(item for item, group in pairs if group == name) for name in sorted(chosen)]
    rest = [item for item, group in pairs if group not in chosen]
    return replace(capability, items=tuple(_behind(item, solved) for item in rest))


def _is_chat(item: Item) -> bool:
    return isinstance(item, Prompted) and item.messages is not None


def _behind(item: Item, solved: Sequence[Item]) -> Item:
    """Put solved items before one item; it is validated again, as any item."""
    before = "".join(right_text(each) + _BETWEEN for each in solved)
    fields = item.model_dump(exclude_none=True)
    if isinstance(item, MinimalPair):
        fields.update(good=before + item.good, bad=before + item.bad)
    elif isinstance(item, Alternatives):
        fields["alternatives"] = [
            {"prompt": before + option.prompt, "completion": option.completion}
            for option in item.alternatives
        ]
    elif _is_chat(item):
        turns = [turn for each in solved for turn in _turns(each)]
        fields["messages"] = [*turns, *fields["messages"]]
    else:
        fields["prompt"] = before + fields["prompt"]
    return type(item).model_validate(fields)


def _turns(item: Item) -> list[dict[str, str]]:
    """Return a solved item as turns of a chat."""
    assert isinstance(item, Prompted)
    assert item.messages is not None
    said = [message.model_dump() for message in item.messages]
    return [*said, {"role": "assistant", "content": right_answer(item).strip()}]
