"""Shapes of suite items, and the readers of the tables that they are written in."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

Item = dict[str, object]
"""One line of a JSONL file; `id` comes first."""

_TABLES = Path(__file__).parent / "tables"
_ALTERNATIVES = re.compile(r"\{([^{}]*\|[^{}]*)\}")
_AFTER_APOSTROPHE = re.compile(r"\b([ldjmtsn]|qu)' ", re.IGNORECASE)


class QuestionSet(NamedTuple):
    """Questions that share their choices; each choice is right for exactly one of them.

    A scorer that looks at the choices alone, at their length or at their own likelihood,
    is right in one question of each set, which is chance.

    Attributes:
        name: The name of the set.
        prompts: One prompt a question.
        answers: The right choice of each question, in the same order.
    """

    name: str
    prompts: tuple[str, ...]
    answers: tuple[str, ...]


def split_words(text: str) -> list[str]:
    """Split a list that is written as one line of words."""
    return text.split()


def table_lines(name: str) -> Iterator[str]:
    """Read the lines of a table that are not empty and not a comment.

    Args:
        name: The file's name without its ending.

    Yields:
        One line at a time.
    """
    for line in (_TABLES / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("%% "):
            yield line


def split_line(line: str, size: int, separator: str = " | ") -> list[str]:
    """Split a line into a known number of parts.

    Args:
        line: The line of a table.
        size: The number of parts.
        separator: The text between two parts.

    Returns:
        The parts.

    Raises:
        ValueError: If the line has another number of parts.
    """
    parts = line.split(separator)
    if len(parts) != size:
        raise ValueError(f"expected {size} parts, found {len(parts)}: {line}")
    return parts


def template_sets(name: str, *, separator: str = " | ", equals: str = "=") -> Iterator[QuestionSet]:
    """Read a table of templates with four keys and four answers each.

    Args:
        name: The file's name without its ending.
        separator: The text between the parts of a line.
        equals: The text between a key and its answer.

    Yields:
        One set of four questions a line; the answers carry no leading space of their own.
    """
    for number, line in enumerate(table_lines(name), start=1):
        template, *pairs = split_line(line, 5, separator)
        keys, answers = zip(*(pair.split(equals, 1) for pair in pairs), strict=True)
        gap = "_ALL_" if "_ALL_" in template else "_"
        prompts = tuple(template.replace(gap, key) for key in keys)
        yield QuestionSet(f"set-{number:03d}", prompts, answers)


def choice_items(
    name: str, sets: Iterable[QuestionSet], *, seed: int, space: str = "", is_chat: bool = False
) -> list[Item]:
    """Turn sets of questions into multiple-choice items.

    Each set has its answers at all positions equally often; wrong choices are shuffled. The items
    of a set share the number in their ids but are not a group, because they do not change alike
    (`noise` in `evidence/suites/base.json`).

    Args:
        name: The capability; the prefix of the ids.
        sets: The sets.
        seed: Seed of the order of the choices.
        space: Text before each choice.
        is_chat: Whether the prompt is a user's message.

    Returns:
        The items in the order of the sets.

    Raises:
        ValueError: If a set repeats an answer.
    """
    rng = random.Random(seed)
    items: list[Item] = []
    for number, (title, prompts, answers) in enumerate(sets, start=1):
        size = len(answers)
        if len(set(answers)) != size or len(prompts) != size:
            raise ValueError(f"{name}: {title}: answers repeat or are missing: {answers}")
        for question, position in enumerate(rng.sample(range(size), k=size)):
            wrong = [answer for index, answer in enumerate(answers) if index != question]
            rng.shuffle(wrong)
            choices = [*wrong[:position], answers[question], *wrong[position:]]
            item: Item = {"id": f"{name}-{number:03d}-{question + 1}"}
            if is_chat:
                item["messages"] = [{"role": "user", "content": prompts[question]}]
            else:
                item["prompt"] = prompts[question]
            item |= {"choices": [space + choice for choice in choices], "answer": position}
            items.append(item)
    return items


def _filled(context: str, own: str, other: str) -> str:
    """Put words into a context and mend French apostrophes."""
    text = context.replace("_", own).replace("~", other)
    return _AFTER_APOSTROPHE.sub(r"\1'", text)


def mirrored_pairs(name: str, prefix: str = "") -> list[Item]:
    """Read a table of two contexts and two forms as minimal pairs.

    Each form is right in one context and wrong in the other, so that neither its length
    nor its frequency tells which one is right.

    Args:
        name: The capability, and the table's name.
        prefix: Text before every sentence.

    Returns:
        Two items a line; lines with = only order the table.

    Raises:
        ValueError: If a line has no place for its forms.
    """
    items: list[Item] = []
    lines = (line for line in table_lines(name) if not line.startswith("= "))
    for number, line in enumerate(lines, start=1):
        contexts, forms = (parts := split_line(line, 4))[:2], parts[2:]
        for place, context in enumerate(contexts):
            own, other = forms[place], forms[1 - place]
            if context.count("_") != 1:
                raise ValueError(f"{name}: no single _ in {context!r}")
            good, bad = _filled(context, own, other), _filled(context, other, own)
            item_id = f"{name}-{number:03d}-{place + 1}"
            items.append({"id": item_id, "good": prefix + good, "bad": prefix + bad})
    return items


def passages(name: str, seed: int) -> list[Item]:
    """Read a table of themes as short passages.

    Args:
        name: The capability, and the table's name.
        seed: Seed of the alternatives that are taken.

    Returns:
        One passage for each opening and closing of a theme; the group is the theme.
    """
    rng = random.Random(seed)
    themes: dict[str, tuple[list[str], list[str]]] = {}
    theme = ""
    for line in table_lines(name):
        mark, text = line[0], line[2:]
        if mark == "=":
            theme = text
            themes[theme] = ([], [])
        else:
            themes[theme][mark == ">"].append(text)
    items: list[Item] = []
    for theme, (openings, closings) in themes.items():
        drawn = _Drawn(rng)
        for closing in closings:
            for opening in openings:
                text = f"{drawn.fill(opening)} {drawn.fill(closing)}"
                items.append({"id": f"{name}-{len(items) + 1:03d}", "text": text, "group": theme})
    return items


class _Drawn:
    """Takes alternatives in turn, so that a line repeats none before all were taken."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._left: dict[tuple[str, int], list[str]] = {}

    def fill(self, line: str) -> str:
        """Replace each {a|b|c} of a line by one of its alternatives."""

        def take(match: re.Match[str]) -> str:
            key = (line, match.start())
            if not self._left.get(key):
                options = match.group(1).split("|")
                self._left[key] = self._rng.sample(options, k=len(options))
            return self._left[key].pop()

        return _ALTERNATIVES.sub(take, line)


def number_choices(right: Sequence[int]) -> tuple[str, ...]:
    """Write numbers as choices, each with its leading space."""
    return tuple(f" {number}" for number in right)
