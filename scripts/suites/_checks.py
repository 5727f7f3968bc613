"""Rules that the items of every shipped suite must keep; none of them needs a model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise

from ._items import Item

MIN_ITEMS = 250
MIN_SETS = 40
"""The fewest sets, lines or themes of a capability."""
MAX_WORDS = 90
"""The longest item with all its options, so that scoring stays cheap."""
MAX_JACCARD = 0.8
"""Items of different sets must share a smaller part of their word pairs."""
_STANDARD_ERRORS = 3.0
_WORD = re.compile(r"\w+|[^\w\s]")
Lengths = Mapping[str, Callable[[str], int]]
"""Counts the length of a text, by the name of the unit."""

LENGTHS: Lengths = {
    "characters": len,
    "bytes": lambda text: len(text.encode()),
    "words": lambda text: len(_WORD.findall(text)),
}


def right_text(item: Item) -> str:
    """Return the prompt of an item with its right answer."""
    options, right = options_of(item)
    return prompt_of(item) + " " + options[right] if options else str(item["text"])


def set_of(item: Item) -> str:
    """Return what an item shares with its kin: its group, else its id without the last number."""
    return str(item.get("group") or str(item["id"]).rpartition("-")[0])


def prompt_of(item: Item) -> str:
    """Return the prompt of an item; the empty text if it has none."""
    messages = item.get("messages")
    if isinstance(messages, list):
        return "\n".join(message["content"] for message in messages)
    return str(item.get("prompt", ""))


def options_of(item: Item) -> tuple[list[str], int]:
    """Return the options of an item and the place of the right one; none for a text."""
    if "good" in item:
        return [str(item["good"]), str(item["bad"])], 0
    choices, answer = item.get("choices"), item.get("answer")
    if isinstance(choices, list) and isinstance(answer, int):
        return choices, answer
    return [], 0


def problems_of_suite(suite: str, capabilities: Mapping[str, Sequence[Item]]) -> list[str]:
    """Find what breaks a rule in one suite.

    Args:
        suite: The suite's name; only `core-chat` may ask through a chat template.
        capabilities: The items of each capability.

    Returns:
        One line a problem.
    """
    every = [item for items in capabilities.values() for item in items]
    ids = Counter(item["id"] for item in every)
    texts = Counter(" ".join(_words(right_text(item))) for item in every)
    found = [f"{suite}: two items have the id {key}" for key, count in ids.items() if count > 1]
    found += [f"{suite}: two items say {key!r}" for key, count in texts.items() if count > 1]
    for name, items in capabilities.items():
        found += [f"{suite}: {name}: {line}" for line in problems_of_capability(items)]
        is_chat = any("messages" in item for item in items)
        if is_chat and suite != "core-chat":
            found.append(f"{suite}: {name}: needs a chat template")
    return found


def problems_of_capability(items: Sequence[Item], lengths: Lengths = LENGTHS) -> list[str]:
    """Find what breaks a rule in the items of one capability.

    Args:
        items: The items.
        lengths: Units in which a scorer by length alone must stay at chance.

    Returns:
        One line a problem.
    """
    found = []
    sets = {set_of(item) for item in items}
    if len(items) < MIN_ITEMS:
        found.append(f"{len(items)} items, fewer than {MIN_ITEMS}")
    if len(sets) < MIN_SETS:
        found.append(f"{len(sets)} sets, fewer than {MIN_SETS}")
    for item in items:
        size = len(_words(prompt_of(item) + " ".join(options_of(item)[0]) + str(item.get("text"))))
        if size > MAX_WORDS:
            found.append(f"{item['id']}: {size} words, more than {MAX_WORDS}")
    found += [
        f"{left} and {right} share {share:.0%} of their word pairs"
        for left, right, share in near_duplicates(items)
    ]
    return found + _balance(items, lengths)


def _balance(items: Sequence[Item], lengths: Lengths) -> list[str]:
    """Find scorers that do better than chance without reading the prompt."""
    found = []
    asked = [item for item in items if options_of(item)[0]]
    if not asked:
        return []
    chance = sum(1 / len(options_of(item)[0]) for item in asked) / len(asked)
    noise = _STANDARD_ERRORS * (chance * (1 - chance) / len(asked)) ** 0.5
    for rule, share in {**places(asked), **length_scorers(asked, lengths)}.items():
        if abs(share - chance) > noise:
            found.append(f"{rule} is right in {share:.0%} of the items, chance is {chance:.0%}")
    found += [
        f"the word {word!r} stands {more} times more often in right options than chance"
        for word, more in telling_words(asked)
    ]
    return found


def places(items: Sequence[Item]) -> dict[str, float]:
    """Score the choices by their place alone; pairs have no place."""
    asked = [item for item in items if "choices" in item]
    counts = Counter(options_of(item)[1] for item in asked)
    size = max((len(options_of(item)[0]) for item in asked), default=0)
    return {f"choice {place}": counts[place] / len(asked) for place in range(size)}


def length_scorers(items: Sequence[Item], lengths: Lengths) -> dict[str, float]:
    """Score the options by their length alone; options of equal length share the point.

    Args:
        items: Items with options.
        lengths: How to count, by the name of the unit.

    Returns:
        The share of items that each rule gets right.
    """
    shares: dict[str, float] = {}
    for unit, count in lengths.items():
        for rule, choose in (("longest", max), ("shortest", min)):
            hits = 0.0
            for item in items:
                options, right = options_of(item)
                sizes = [count(option) for option in options]
                tied = [place for place, size in enumerate(sizes) if size == choose(sizes)]
                hits += (right in tied) / len(tied)
            shares[f"the {rule} option in {unit}"] = hits / len(items)
    return shares


def telling_words(items: Sequence[Item], limit: float = 4.0) -> Iterator[tuple[str, float]]:
    """Find words that tell the right option without the prompt.

    Args:
        items: Items with options.
        limit: The excess of right options with the word over chance that is allowed.

    Yields:
        A word and its excess.
    """
    excess: dict[str, float] = {}
    for item in items:
        options, right = options_of(item)
        for place, option in enumerate(options):
            for word in set(_words(option)):
                excess[word] = excess.get(word, 0.0) + (place == right) - 1 / len(options)
    yield from ((word, round(more, 1)) for word, more in excess.items() if abs(more) > limit)


def near_duplicates(items: Sequence[Item]) -> Iterator[tuple[str, str, float]]:
    """Find pairs of items of different sets that say nearly the same.

    Args:
        items: The items of one capability.

    Yields:
        Two ids and the share of their word pairs that they have in common.
    """
    rows = [(str(item["id"]), set_of(item), _pairs(item)) for item in items]
    for (left, own, first), (right, other, second) in combinations(rows, 2):
        smaller, larger = sorted((len(first), len(second)))
        if own != other and smaller > MAX_JACCARD * larger:
            share = len(first & second) / len(first | second)
            if share > MAX_JACCARD:
                yield left, right, share


def _pairs(item: Item) -> set[tuple[str, str]]:
    words = ["", *_words(right_text(item)), ""]
    return set(pairwise(words))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
