"""Small sums as four-way questions, in eight formats with operands drawn at random.

Formats that the small reference model could not do were dropped whole (number
words, word problems, differences of digits, counting down).
Distractors are the nearest numbers on both sides, among them the usual slips (one off,
two off). Choices differ in their last digit only, so that one forward pass scores
all four.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from ._items import Item, Question, multiple_choice

_ITEMS_PER_FORMAT = 8


def _question(rng: random.Random, prompt: str, right: int, low: int = 1, high: int = 9) -> Question:
    """Adds three distinct numbers next to `right` within [low, high]."""
    near = sorted(
        (n for n in range(low, high + 1) if n != right),
        key=lambda n: (abs(n - right), n),
    )
    wrong = tuple(f" {n}" for n in rng.sample(near[:4], k=3))
    return Question(prompt, f" {right}", wrong)


def _sum(rng: random.Random) -> Question:
    a, b = rng.randint(2, 5), rng.randint(2, 4)
    return _question(rng, f"1 + 4 = 5\n6 + 2 = 8\n{a} + {b} =", a + b)


def _sum_as_question(rng: random.Random) -> Question:
    a, b = rng.randint(2, 5), rng.randint(2, 4)
    return _question(rng, f"Q: What is {a} plus {b}?\nA: {a} + {b} =", a + b)


def _sum_of_three(rng: random.Random) -> Question:
    a, b, c = rng.randint(1, 3), rng.randint(1, 3), rng.randint(1, 3)
    return _question(rng, f"1 + 2 + 2 = 5\n{a} + {b} + {c} =", a + b + c)


def _sum_in_teens(rng: random.Random) -> Question:
    a, b = rng.randint(11, 15), rng.randint(2, 4)
    return _question(rng, f"12 + 5 = 17\n{a} + {b} =", a + b, 10, 19)


def _successor(rng: random.Random) -> Question:
    a, b = rng.sample(range(1, 9), k=2)
    return _question(rng, f"After {a} comes {a + 1}, after {b} comes", b + 1)


def _difference_in_teens(rng: random.Random) -> Question:
    a, b = rng.randint(14, 19), rng.randint(1, 3)
    return _question(rng, f"16 - 2 = 14\n{a} - {b} =", a - b, 10, 19)


def _steps(rng: random.Random) -> Question:
    step = rng.randint(1, 2)
    start = rng.randint(0, 9 - 3 * step)
    terms = ", ".join(str(start + k * step) for k in range(3))
    return _question(rng, f"{terms},", start + 3 * step)


def _product(rng: random.Random) -> Question:
    a, b = rng.choice([(2, 2), (2, 3), (3, 2), (2, 4), (4, 2), (3, 3), (1, 6), (1, 7)])
    return _question(rng, f"5 x 1 = 5\n2 x 1 = 2\n{a} x {b} =", a * b)


_FORMATS: tuple[Callable[[random.Random], Question], ...] = (
    _sum,
    _sum_as_question,
    _sum_of_three,
    _sum_in_teens,
    _successor,
    _difference_in_teens,
    _steps,
    _product,
)


def _questions(rng: random.Random) -> Iterator[Question]:
    """Draws the questions of each format, none twice."""
    for make in _FORMATS:
        seen: set[str] = set()
        while len(seen) < _ITEMS_PER_FORMAT:
            question = make(rng)
            if question.prompt not in seen:
                seen.add(question.prompt)
                yield question


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Four-way questions; formats are strata of the design, not groups.
    """
    return multiple_choice("arithmetic", _questions(random.Random(21)), seed=22)
