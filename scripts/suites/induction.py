"""Copying from the context as sets of four questions.

Words, names and their pairing are drawn at random, so that only the context tells the
answer. Every wrong choice occurs in the same context, in the same role, and each choice of
a set is right for one of its four questions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from ._items import Item, QuestionSet, choice_items, split_words

_NAMES = split_words(
    "Anna Ben Carl Emma Frank George Helen Ivan Jane Kevin Laura Mark Nina Paul Rose Sam Tom "
    "Alice Bruce Clara David Fiona Grace Henry Julia Peter Sarah Simon"
)
_OBJECTS = split_words(
    "apple book bottle box bread brick chair clock coin cup drum flag glass hammer hat key knife "
    "lamp leaf letter map mirror nail pen plate ring rope shell spoon stone table ticket basket "
    "candle card chain fork ladder needle paint pipe shirt shoe soap wheel"
)
_COLORS = split_words("red blue green yellow white black brown purple pink orange gray")
_PLACES = split_words(
    "Rome Paris London Berlin Madrid Vienna Moscow Tokyo Cairo Athens Dublin Lisbon"
)
_LETTERS = list("BCDFGHJKLMNPQRSTVWXZ")
_DIGITS = list("123456789")
_Question = Callable[[list[str], int, random.Random], str]
"""Writes a prompt from four words in order and the position of the one to be copied."""


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)


def _twice(words: list[str], cut: int, _: random.Random) -> str:
    return "Words: " + " ".join(words * 2 + words[:cut])


def _again(words: list[str], cut: int, _: random.Random) -> str:
    return f"We need {_listed(words)}. Again: {_listed(words[:cut])},"


def _rows(words: list[str], cut: int, _: random.Random) -> str:
    return "\n".join(["List:", *words, "", "List:", *words[:cut], ""])


def _quoted(words: list[str], cut: int, _: random.Random) -> str:
    start = " ".join(words[:cut])
    return f'The sign says "{" ".join(words)}". Once more, the sign says "{start}'


def _arrows(words: list[str], cut: int, _: random.Random) -> str:
    return " > ".join(words) + "\n" + " > ".join(words[:cut]) + " >"


def _numbered(words: list[str], cut: int, _: random.Random) -> str:
    rows = [f"{number}. {word}" for number, word in enumerate(words, 1)]
    return "\n".join([*rows, "Copy:", *rows[:cut], f"{cut + 1}."])


def _paired(template: str, keys: list[str], separator: str = ", ") -> _Question:
    """Build a writer that pairs each word with a key and repeats the pairs."""

    def write(words: list[str], cut: int, rng: random.Random) -> str:
        chosen = rng.sample([key for key in keys if key not in words], k=4)
        rows = [template.format(key=k, word=w) for k, w in zip(chosen, words, strict=True)]
        last = template.format(key=chosen[cut], word="\0").split("\0")[0].rstrip()
        return separator.join([*rows, last])

    return write


def _echo(words: list[str], cut: int, _: random.Random) -> str:
    rest = [word for index, word in enumerate(words) if index != cut]
    rows = "\n".join(f"{word} -> {word}" for word in rest)
    return f"{rows}\n{words[cut]} ->"


def _doubled(words: list[str], cut: int, _: random.Random) -> str:
    rest = [word for index, word in enumerate(words) if index != cut]
    return "Echo: " + " ".join(f"{word} {word}" for word in rest) + f" {words[cut]}"


_FORMATS: dict[str, tuple[_Question, list[str]]] = {
    "objects_twice": (_twice, _OBJECTS),
    "names_twice": (_twice, _NAMES),
    "letters_twice": (_twice, _LETTERS),
    "digits_twice": (_twice, _DIGITS),
    "objects_again": (_again, _OBJECTS),
    "colors_again": (_again, _COLORS),
    "places_quoted": (_quoted, _PLACES),
    "objects_quoted": (_quoted, _OBJECTS),
    "names_arrows": (_arrows, _NAMES),
    "letters_arrows": (_arrows, _LETTERS),
    "objects_numbered": (_numbered, _OBJECTS),
    "places_numbered": (_numbered, _PLACES),
    "scores": (_paired("{key} {word}", _NAMES), _DIGITS),
    "colored_objects": (_paired("{key} {word}", _COLORS), _OBJECTS),
    "owners": (_paired("{key} has the {word}.", _NAMES, " "), _OBJECTS),
    "homes": (_paired("{key} lives in {word}.", _NAMES, " "), _PLACES),
    "dictionary": (_paired("{key}: {word}", _OBJECTS, "\n"), _COLORS),
    "names_echo": (_echo, _NAMES),
    "objects_echo": (_echo, _OBJECTS),
    "objects_doubled": (_doubled, _OBJECTS),
}
_SETS_PER_FORMAT = 4


def _sets() -> Iterator[QuestionSet]:
    """Draw the sets of each format; every question of a set has an order of its own."""
    rng = random.Random(31)
    for name, (write, words) in _FORMATS.items():
        for number in range(1, _SETS_PER_FORMAT + 1):
            chosen = rng.sample(words, k=4)
            prompts = tuple(_prompt(write, chosen, word, rng) for word in chosen)
            answers = tuple(_space(prompts[0]) + word for word in chosen)
            yield QuestionSet(f"{name}-{number}", prompts, answers)


def _prompt(write: _Question, chosen: list[str], word: str, rng: random.Random) -> str:
    """Write one question; the word to be copied is never the first one of a list."""
    while True:
        order = rng.sample(chosen, k=4)
        cut = order.index(word)
        if cut > 0:
            return write(order, cut, rng)


def _space(prompt: str) -> str:
    return "" if prompt.endswith("\n") else " "


def items() -> list[Item]:
    """Build the items.

    Returns:
        Four-way questions in sets.
    """
    return choice_items("induction", _sets(), seed=32)
