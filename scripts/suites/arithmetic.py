"""Arithmetic as sets of four questions with four neighbouring results.

The four results of a set are the choices of all its questions, so that a model cannot do
better than chance by preferring a number.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ._items import Item, QuestionSet, choice_items, number_choices

_SETS_PER_FORMAT = 4
_Draw = Callable[[random.Random], tuple[str, int]]
"""Draws one question and its result."""


class _Format(NamedTuple):
    name: str
    draw: _Draw


def _binary(
    template: str,
    first: tuple[int, int],
    second: tuple[int, int],
    result: Callable[[int, int], int],
) -> _Draw:
    """Build a drawer of questions about two numbers."""

    def draw(rng: random.Random) -> tuple[str, int]:
        a, b = rng.randint(*first), rng.randint(*second)
        return template.format(a=a, b=b), result(a, b)

    return draw


def _unary(template: str, numbers: tuple[int, int], result: Callable[[int], int]) -> _Draw:
    """Build a drawer of questions about one number."""

    def draw(rng: random.Random) -> tuple[str, int]:
        a = rng.randint(*numbers)
        return template.format(a=a, b=a + 1), result(a)

    return draw


def _series(step: int, limit: int, sign: int = 1) -> _Draw:
    """Build a drawer of number series with a constant step."""

    def draw(rng: random.Random) -> tuple[str, int]:
        start = rng.randint(1, limit)
        terms = [start + k * step for k in range(5)][::sign]
        return ", ".join(map(str, terms[:4])) + ",", terms[4]

    return draw


def _plus(a: int, b: int) -> int:
    return a + b


def _minus(a: int, b: int) -> int:
    return a - b


def _times(a: int, b: int) -> int:
    return a * b


_FORMATS = (
    _Format("sum", _binary("1 + 4 = 5\n6 + 2 = 8\n{a} + {b} =", (1, 6), (1, 6), _plus)),
    _Format(
        "sum_asked", _binary("Q: What is {a} plus {b}?\nA: {a} + {b} =", (2, 9), (2, 9), _plus)
    ),
    _Format("sum_in_words", _binary("The sum of {a} and {b} is", (2, 9), (1, 6), _plus)),
    _Format("sum_in_teens", _binary("12 + 5 = 17\n{a} + {b} =", (11, 19), (2, 9), _plus)),
    _Format("sum_of_tens", _binary("20 + 14 = 34\n{a} + {b} =", (20, 60), (11, 30), _plus)),
    _Format(
        "sum_of_apples",
        _binary("Ann has {a} apples and gets {b} more. Now she has", (2, 9), (1, 6), _plus),
    ),
    _Format("difference", _binary("9 - 4 = 5\n{a} - {b} =", (8, 14), (1, 6), _minus)),
    _Format("difference_in_teens", _binary("16 - 2 = 14\n{a} - {b} =", (14, 19), (1, 6), _minus)),
    _Format("difference_of_tens", _binary("58 - 20 = 38\n{a} - {b} =", (50, 80), (10, 30), _minus)),
    _Format(
        "difference_asked",
        _binary("Q: What is {a} minus {b}?\nA: {a} - {b} =", (9, 18), (2, 8), _minus),
    ),
    _Format(
        "difference_of_coins",
        _binary("Tom had {a} coins and lost {b} of them. He has", (8, 15), (1, 6), _minus),
    ),
    _Format("product", _binary("5 x 1 = 5\n2 x 4 = 8\n{a} x {b} =", (2, 9), (2, 6), _times)),
    _Format("product_by_ten", _binary("3 * 10 = 30\n{a} * {b} =", (2, 12), (10, 12), _times)),
    _Format("product_asked", _binary("Q: What is {a} times {b}?\nA:", (2, 9), (2, 6), _times)),
    _Format("double", _unary("Twice {a} is", (3, 20), lambda a: 2 * a)),
    _Format("successor", _unary("The number after {a} is", (3, 60), lambda a: a + 1)),
    _Format("predecessor", _unary("The number before {a} is", (4, 60), lambda a: a - 1)),
    _Format("counting", _unary("Count up: {a}, {b},", (5, 80), lambda a: a + 2)),
    _Format("series_by_one", _series(1, 40)),
    _Format("series_by_two", _series(2, 30)),
    _Format("series_by_five", _series(5, 30)),
    _Format("series_down", _series(1, 40, -1)),
)


def _set(rng: random.Random, kind: _Format, taken: set[str]) -> QuestionSet:
    """Draw four questions with different results that lie close together."""
    while True:
        anchor = kind.draw(rng)[1]
        chosen: dict[int, str] = {}
        for _ in range(200):
            prompt, result = kind.draw(rng)
            near = abs(result - anchor) <= _spread(kind)
            if near and result not in chosen and prompt not in taken and len(chosen) < 4:
                chosen[result] = prompt
        if len(chosen) == 4:
            taken.update(chosen.values())
            return QuestionSet("", tuple(chosen.values()), number_choices(list(chosen)))


def _spread(kind: _Format) -> int:
    return 12 if "ten" in kind.name or "product" in kind.name else 4


def _sets() -> Iterator[QuestionSet]:
    rng = random.Random(21)
    taken: set[str] = set()
    for kind in _FORMATS:
        for number in range(1, _SETS_PER_FORMAT + 1):
            yield _set(rng, kind, taken)._replace(name=f"{kind.name}-{number}")


def items() -> list[Item]:
    """Build the items.

    Returns:
        Four-way questions in sets.
    """
    return choice_items("arithmetic", _sets(), seed=22)
