"""Copying from the context as four-way questions, in eight formats.

Words, names and their pairing are drawn at random, so that nothing but the context
tells the answer. Every distractor occurs in the same context, in the same role.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from ._items import Item, Question, multiple_choice

_NAMES = (
    "Anna Ben Carl Dora Emma Frank George Helen Ivan Jane Kevin Laura Mark Nina Paul "
    "Rose Sam Tom"
).split()
_OBJECTS = (
    "apple book bottle box bread brick chair clock coin cup drum flag glass hammer hat "
    "key knife lamp leaf letter map mirror nail pen plate ring rope shell spoon stone "
    "table ticket"
).split()
_COLORS = "red blue green yellow white black brown purple orange pink".split()
_PLACES = (
    "garden kitchen garage office attic hall shop school church park forest market"
).split()
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_ITEMS_PER_FORMAT = 8


def _ask(prompt: str, options: list[str], right: int) -> Question:
    wrong = tuple(f" {o}" for k, o in enumerate(options) if k != right)
    return Question(prompt, f" {options[right]}", wrong)


def _repeated_words(rng: random.Random) -> Question:
    words = rng.sample(_OBJECTS, k=6)
    cut = rng.randint(2, 4)
    options = [words[cut], *rng.sample(words[:cut] + words[cut + 1 :], k=3)]
    return _ask(" ".join(words + words[:cut]), options, 0)


def _repeated_letters(rng: random.Random) -> Question:
    letters = rng.sample(_LETTERS, k=6)
    cut = rng.randint(2, 4)
    options = [letters[cut], *rng.sample(letters[:cut] + letters[cut + 1 :], k=3)]
    return _ask(" ".join(letters + letters[:cut]), options, 0)


def _lookup_number(rng: random.Random) -> Question:
    names = rng.sample(_NAMES, k=4)
    codes = rng.sample("123456789", k=4)
    k = rng.randrange(3)
    lines = "\n".join(f"{n}: {c}" for n, c in zip(names, codes, strict=True))
    return _ask(f"{lines}\n{names[k]}:", codes, k)


def _lookup_word(rng: random.Random) -> Question:
    colors, objects = rng.sample(_COLORS, k=4), rng.sample(_OBJECTS, k=4)
    k = rng.randrange(3)
    lines = "\n".join(f"{c} = {o}" for c, o in zip(colors, objects, strict=True))
    return _ask(f"{lines}\n{colors[k]} =", objects, k)


def _owner_to_object(rng: random.Random) -> Question:
    names, objects = rng.sample(_NAMES, k=4), rng.sample(_OBJECTS, k=4)
    k = rng.randrange(3)
    pairs = zip(names, objects, strict=True)
    text = " ".join(f"{n} has the {o}." for n, o in pairs)
    return _ask(f"{text} {names[k]} has the", objects, k)


def _object_to_owner(rng: random.Random) -> Question:
    names, objects = rng.sample(_NAMES, k=4), rng.sample(_OBJECTS, k=4)
    k = rng.randrange(3)
    pairs = zip(names, objects, strict=True)
    text = " ".join(f"The {o} belongs to {n}." for n, o in pairs)
    return _ask(f"{text} The {objects[k]} belongs to", names, k)


def _object_to_place(rng: random.Random) -> Question:
    names, places = rng.sample(_NAMES, k=4), rng.sample(_PLACES, k=4)
    k = rng.randrange(3)
    pairs = zip(names, places, strict=True)
    text = " ".join(f"{n} is in the {p}." for n, p in pairs)
    return _ask(f"{text} So {names[k]} is now in the", places, k)


def _object_to_color(rng: random.Random) -> Question:
    objects, colors = rng.sample(_OBJECTS, k=4), rng.sample(_COLORS, k=4)
    k = rng.randrange(3)
    pairs = zip(colors, objects, strict=True)
    listed = ", ".join(f"a {c} {o}" for c, o in pairs)
    return _ask(f"On the floor are {listed}. The color of the {objects[k]} is", colors, k)


_FORMATS: tuple[Callable[[random.Random], Question], ...] = (
    _repeated_words,
    _repeated_letters,
    _lookup_number,
    _lookup_word,
    _owner_to_object,
    _object_to_owner,
    _object_to_place,
    _object_to_color,
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
