"""Small sums as four-way questions, in eight formats with operands drawn at random.

Formats that the small reference model could not do at all were dropped whole.
Distractors are the nearest numbers on both sides, among them the usual slips (one off,
the other operation's result). Choices differ in one digit or one number word only, so
that one forward pass scores all four.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from ._items import Item, Question, multiple_choice

_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve".split()
)
_NAMES = ("Tom", "Anna", "Ben", "Lucy", "Sam", "Emma", "Max", "Kate")
_THINGS = ("apples", "books", "coins", "eggs", "cards", "stones", "cups", "pens")
_ITEMS_PER_FORMAT = 8


def _near(rng: random.Random, right: int, low: int, high: int) -> tuple[int, ...]:
    """Draws three distinct numbers next to `right` within [low, high]."""
    near = sorted(
        (n for n in range(low, high + 1) if n != right),
        key=lambda n: (abs(n - right), n),
    )
    return tuple(rng.sample(near[:4], k=3))


def _digits(
    rng: random.Random, prompt: str, right: int, low: int = 1, high: int = 9
) -> Question:
    wrong = tuple(f" {n}" for n in _near(rng, right, low, high))
    return Question(prompt, f" {right}", wrong)


def _words(rng: random.Random, prompt: str, right: int) -> Question:
    wrong = tuple(f" {_WORDS[n]}" for n in _near(rng, right, 1, 12))
    return Question(prompt, f" {_WORDS[right]}", wrong)


def _sum(rng: random.Random, _: int) -> Question:
    a, b = rng.randint(2, 5), rng.randint(2, 4)
    return _digits(rng, f"1 + 4 = 5\n6 + 2 = 8\n{a} + {b} =", a + b)


def _difference(rng: random.Random, _: int) -> Question:
    b, c = rng.randint(2, 4), rng.randint(2, 5)
    return _digits(rng, f"7 - 1 = 6\n5 - 3 = 2\n{b + c} - {b} =", c)


def _sum_in_teens(rng: random.Random, _: int) -> Question:
    a, b = rng.randint(11, 15), rng.randint(2, 4)
    return _digits(rng, f"12 + 5 = 17\n{a} + {b} =", a + b, 10, 19)


def _sum_in_words(rng: random.Random, _: int) -> Question:
    a, b = rng.randint(2, 6), rng.randint(2, 5)
    shots = "One plus four is five. Six plus two is eight."
    return _words(rng, f"{shots} {_WORDS[a].title()} plus {_WORDS[b]} is", a + b)


def _difference_in_words(rng: random.Random, _: int) -> Question:
    b, c = rng.randint(1, 4), rng.randint(2, 6)
    shots = "Five minus one is four. Eight minus six is two."
    return _words(rng, f"{shots} {_WORDS[b + c].title()} minus {_WORDS[b]} is", c)


def _word_problem(rng: random.Random, number: int) -> Question:
    name, things = _NAMES[number], _THINGS[number]
    a, b = rng.randint(2, 6), rng.randint(2, 4)
    text = f"{name} has {_WORDS[a]} {things} and gets {_WORDS[b]} more. "
    return _words(rng, f"{text}Now {name} has", a + b)


def _steps(rng: random.Random, number: int) -> Question:
    step = (1, 2, -1, -2)[number % 4]
    start = rng.randint(1, 9 - 3 * step) if step > 0 else rng.randint(1 - 3 * step, 9)
    terms = [start + k * step for k in range(4)]
    return _digits(rng, ", ".join(map(str, terms[:3])) + ",", terms[3])


def _product(rng: random.Random, _: int) -> Question:
    a, b = rng.choice([(2, 2), (2, 3), (3, 2), (2, 4), (4, 2), (3, 3), (1, 6), (1, 7)])
    return _digits(rng, f"5 x 1 = 5\n2 x 1 = 2\n{a} x {b} =", a * b)


_FORMATS: tuple[Callable[[random.Random, int], Question], ...] = (
    _sum,
    _difference,
    _sum_in_teens,
    _sum_in_words,
    _difference_in_words,
    _word_problem,
    _steps,
    _product,
)


def _questions(rng: random.Random) -> Iterator[Question]:
    """Draws the questions of each format, none twice."""
    for make in _FORMATS:
        seen: set[str] = set()
        while len(seen) < _ITEMS_PER_FORMAT:
            question = make(rng, len(seen))
            if question.prompt not in seen:
                seen.add(question.prompt)
                yield question


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Four-way questions; formats are strata of the design, not groups.
    """
    return multiple_choice("arithmetic", _questions(random.Random(21)), seed=22)
