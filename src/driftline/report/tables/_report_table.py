"""A table as a value: columns, cells and notes, which each renderer shows in its own way."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ...results.readings import clean, with_rise

NOTES = ("note", "where a number is missing")
"""Titles of columns of remarks; a table without a remark leaves the column out."""
_NEGATIVE = re.compile(r"(?<![\w.])-(?=\d)|(?<=\de)-(?=\d)")
Kind = Literal["text", "number", "verdict", "code"]


class Column(NamedTuple):
    """The head of a column."""

    title: str
    kind: Kind = "text"
    brief: str | None = None
    """A shorter title for a terminal; None for the same one."""
    page_only: bool = False
    """True for a column that a terminal has no room for."""


class TableCell(NamedTuple):
    """A value of which a page has room to say more than a terminal."""

    text: str
    page: str


@dataclass(frozen=True)
class ReportTable:
    """Columns with their rows; `titles`, `kinds` and `rows` are what a page shows of them.

    A page shows a verdict before the numbers, so that a narrow screen has it in sight.
    """

    columns: tuple[Column, ...]
    cells: tuple[tuple[TableCell, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def titles(self) -> tuple[str, ...]:
        """The title of each column."""
        return tuple(self.columns[place].title for place in self._order)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kind of each column."""
        return tuple(self.columns[place].kind for place in self._order)

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The cells, numbers with a true minus."""
        return tuple(
            tuple(
                minus(row[place].page) if self.columns[place].kind == "number" else row[place].page
                for place in self._order
            )
            for row in self.cells
        )

    @property
    def _order(self) -> list[int]:
        """Order the places of the columns: names, verdicts, the rest."""
        kinds = [column.kind for column in self.columns]
        first = kinds.index("number") if "number" in kinds else len(kinds)
        rest = range(first, len(kinds))
        verdicts = [place for place in rest if kinds[place] == "verdict"]
        return [*range(first), *verdicts, *(place for place in rest if place not in verdicts)]


def columns(titles: str, *, page_only: Sequence[str] = ()) -> list[Column]:
    """Read the columns of a table from its titles.

    >>> columns("capability; change #; a shorter run = shorter #")[1:]
    [Column(title='change', kind='number', brief=None, page_only=False), \
Column(title='a shorter run', kind='number', brief='shorter', page_only=False)]

    Args:
        titles: Parted by semicolons; one of numbers ends in a hash. A shorter title for a terminal
            follows an equals sign.
        page_only: Titles of the columns that a terminal has no room for.

    Returns:
        One column per title.
    """
    made = []
    for each in titles.split(";"):
        words = each.strip()
        kind: Kind = "number" if words.endswith("#") else "text"
        title, has_brief, brief = (part.strip() for part in words.removesuffix("#").partition("="))
        made.append(Column(title, kind, brief if has_brief else None, title in page_only))
    return made


def table(
    heads: Sequence[Column | tuple[str, Kind]],
    rows: Iterable[Sequence[str | TableCell]],
    notes: Iterable[str] = (),
) -> ReportTable:
    """Make a table whose text is clean.

    Args:
        heads: Columns, or title and kind of each.
        rows: One cell per column.
        notes: Sentences below it.
    """
    made = tuple(Column(clean(head[0]), *head[1:]) for head in heads)
    cells = tuple(tuple(_cell(cell) for cell, _ in zip(row, made, strict=True)) for row in rows)
    said = [
        place
        for place, column in enumerate(made)
        if column.title not in NOTES or not cells or any(row[place].text for row in cells)
    ]
    shown = tuple(tuple(row[place] for place in said) for row in cells)
    return ReportTable(tuple(made[place] for place in said), shown, tuple(notes))


def risen(text: str, unit: str, nats: float | None) -> TableCell:
    """Make a cell whose page text has the change of perplexity too, where the unit has one."""
    return TableCell(text, with_rise(text, unit, nats))


def watched(name: str, *, required: bool) -> str:
    """Mark the name of a capability that decides nothing."""
    return name if required else f"{name} (watched)"


def minus(text: str) -> str:
    """Give the text of a number a true minus, as it is printed."""
    return text.replace("-", "\N{MINUS SIGN}")


def minus_sentence(sentence: str) -> str:
    """Give the negative numbers of a sentence a true minus."""
    return _NEGATIVE.sub("\N{MINUS SIGN}", sentence)


def _cell(value: str | TableCell) -> TableCell:
    if isinstance(value, TableCell):
        return TableCell(clean(value.text), clean(value.page))
    text = clean(value)
    return TableCell(text, text)
