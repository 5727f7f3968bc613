"""The shapes of suite items, and the short notations that the tables are written in."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

Item = dict[str, object]
"""One line of a JSONL file; `id` comes first."""

_ALTERNATIVE = re.compile(r"\{([^{}|]*)\|([^{}|]*)\}")


class Question(NamedTuple):
    """A multiple-choice question before its choices are shuffled.

    Attributes:
        prompt: Text before the choice, or the user's message if `is_chat`.
        right: The correct choice.
        wrong: The distractors.
        group: Name of the source that the item shares with others, or "".
        is_chat: Whether the prompt is a chat message instead of plain text.
    """

    prompt: str
    right: str
    wrong: tuple[str, ...]
    group: str = ""
    is_chat: bool = False


def split_words(text: str) -> list[str]:
    """Splits a list that is written as one line of words."""
    return text.split()


def split_pair(text: str) -> tuple[str, str]:
    """Reads the `{good|bad}` notation.

    Args:
        text: A sentence with one or more `{good|bad}` alternatives.

    Returns:
        The sentence with every first alternative, and with every second one.

    Raises:
        ValueError: If the sentence holds no alternative.
    """
    good = _ALTERNATIVE.sub(r"\1", text)
    bad = _ALTERNATIVE.sub(r"\2", text)
    if good == bad:
        raise ValueError(f"no alternative in {text!r}")
    return good, bad


def minimal_pairs(
    name: str, table: Mapping[str, Sequence[str]], prefix: str = "", is_grouped: bool = True
) -> list[Item]:
    """Turns sentences in `{good|bad}` notation into minimal pairs.

    Args:
        name: The capability; the prefix of the ids.
        table: Sentences by construction or theme.
        prefix: Text before every sentence.
        is_grouped: Whether the key of the table becomes the group of its items.

    Returns:
        The items in the order of the table.
    """
    rows = [(group, text) for group, texts in table.items() for text in texts]
    items: list[Item] = []
    for number, (group, text) in enumerate(rows, start=1):
        good, bad = split_pair(prefix + text)
        item_id = f"{name}-{number:03d}"
        items.append({"id": item_id, "good": good, "bad": bad})
        if is_grouped:
            items[-1]["group"] = group
    return items


def multiple_choice(name: str, questions: Iterable[Question], seed: int) -> list[Item]:
    """Shuffles choices so that the answer is at each position equally often.

    Args:
        name: The capability; the prefix of the ids.
        questions: The questions, each with the same number of choices.
        seed: Seeds the positions of the answers and the order of the distractors.

    Returns:
        The items in the order of the questions.

    Raises:
        ValueError: If a question repeats a choice.
    """
    rng = random.Random(seed)
    rows = list(questions)
    positions = [k % (len(row.wrong) + 1) for k, row in enumerate(rows)]
    rng.shuffle(positions)
    items: list[Item] = []
    for number, (row, position) in enumerate(zip(rows, positions, strict=True), 1):
        choices = rng.sample(row.wrong, k=len(row.wrong))
        choices.insert(position, row.right)
        if len(set(choices)) != len(choices):
            raise ValueError(f"repeated choice for {row.prompt!r}: {choices}")
        item: Item = {"id": f"{name}-{number:03d}"}
        if row.is_chat:
            item["messages"] = [{"role": "user", "content": row.prompt}]
        else:
            item["prompt"] = row.prompt
        item |= {"choices": choices, "answer": position}
        if row.group:
            item["group"] = row.group
        items.append(item)
    return items
