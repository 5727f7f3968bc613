"""Copying from the context as four-way questions, in eight formats.

Words, names and their pairing are drawn at random, so that nothing but the context
tells the answer. Every distractor occurs in the same context, in the same role.
Formats that the small reference model could not do were dropped whole (looking up one
of several facts out of order).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from ._items import Item, Question, multiple_choice, split_words

_NAMES = split_words(
    "Anna Ben Carl Emma Frank George Helen Ivan Jane Kevin Laura Mark Nina Paul Rose Sam Tom"
)
_OBJECTS = split_words(
    "apple book bottle box bread brick chair clock coin cup drum flag glass hammer hat "
    "key knife lamp leaf letter map mirror nail pen plate ring rope shell spoon stone "
    "table ticket"
)
_COLORS = split_words("red blue green yellow white black brown purple pink")
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_ITEMS_PER_FORMAT = 8


def _ask(prompt: str, options: Sequence[str], right: int, space: str = " ") -> Question:
    wrong = tuple(f"{space}{o}" for k, o in enumerate(options) if k != right)
    return Question(prompt, f"{space}{options[right]}", wrong)


def _repeated_words(rng: random.Random) -> Question:
    words = rng.sample(_OBJECTS, k=4)
    cut = rng.randint(1, 3)
    return _ask("Words: " + " ".join(words * 2 + words[:cut]), words, cut)


def _repeated_list(rng: random.Random) -> Question:
    words = rng.sample(_OBJECTS, k=4)
    cut = rng.randint(1, 3)
    once, again = ", ".join(words), ", ".join(words[:cut])
    return _ask(f"We need {once}. Again: {again},", words, cut)


def _repeated_letters(rng: random.Random) -> Question:
    letters = rng.sample(_LETTERS, k=5)
    cut = rng.randint(2, 4)
    wrong = rng.sample(letters[:cut] + letters[cut + 1 :], k=3)
    return _ask("Letters: " + " ".join(letters + letters[:cut]), [letters[cut], *wrong], 0)


def _repeated_digits(rng: random.Random) -> Question:
    digits = rng.sample("123456789", k=5)
    cut = rng.randint(2, 4)
    wrong = rng.sample(digits[:cut] + digits[cut + 1 :], k=3)
    prompt = f"Code {''.join(digits)}, {''.join(digits[:cut])}"
    return _ask(prompt, [digits[cut], *wrong], 0, space="")


def _repeated_pairs(rng: random.Random) -> Question:
    names, codes = rng.sample(_NAMES, k=4), rng.sample("123456789", k=4)
    cut = rng.randint(1, 3)
    rows = [f"{n} {c}" for n, c in zip(names, codes, strict=True)]
    prompt = "Scores: " + ", ".join(rows + rows[:cut]) + f", {names[cut]}"
    return _ask(prompt, codes, cut)


def _repeated_colors(rng: random.Random) -> Question:
    colors, objects = rng.sample(_COLORS, k=4), rng.sample(_OBJECTS, k=4)
    cut = rng.randint(1, 3)
    rows = [f"{c} {o}" for c, o in zip(colors, objects, strict=True)]
    prompt = "Items: " + ", ".join(rows + rows[:cut]) + f", {colors[cut]}"
    return _ask(prompt, objects, cut)


def _doubled(rng: random.Random) -> Question:
    words = rng.sample(_OBJECTS, k=4)
    doubled = " ".join(f"{w} {w}" for w in words[:3])
    return _ask(f"Echo: {doubled} {words[3]}", words, 3)


def _echo(rng: random.Random) -> Question:
    words = rng.sample(_NAMES, k=4)
    rows = "\n".join(f"{w} -> {w}" for w in words[:3])
    return _ask(f"{rows}\n{words[3]} ->", words, 3)


_FORMATS: tuple[Callable[[random.Random], Question], ...] = (
    _repeated_words,
    _repeated_list,
    _repeated_letters,
    _repeated_digits,
    _repeated_pairs,
    _repeated_colors,
    _doubled,
    _echo,
)


def _questions(rng: random.Random) -> Iterator[Question]:
    """Draws the questions of each format."""
    for make in _FORMATS:
        for _ in range(_ITEMS_PER_FORMAT):
            yield make(rng)


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Four-way questions; formats are strata of the design, not groups.
    """
    return multiple_choice("induction", _questions(random.Random(31)), seed=32)
