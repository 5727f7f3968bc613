"""Lines and columns of plain text that fit a terminal."""

import textwrap
from collections.abc import Iterable, Sequence

from ...results.readings import caveats_of_run, clean, standing_caveats
from ..tables import ReportTable

WIDTH = 100


def wrapped(line: str, *, indent: str = "  ") -> list[str]:
    """Wrap a line to the width of a terminal."""
    return textwrap.wrap(clean(line), WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def caveat_lines(caveats: Sequence[str]) -> list[str]:
    """Number the caveats, those of this run first."""
    ordered = (*caveats_of_run(caveats), *standing_caveats(caveats))
    return [
        line
        for index, caveat in enumerate(ordered, start=1)
        for line in wrapped(f"[{index}] {clean(caveat)}", indent="    ")
    ]


def table_lines(table: ReportTable) -> list[str]:
    """Align a table as text, without the columns that a page alone has room for."""
    shown = [place for place, column in enumerate(table.columns) if not column.page_only]
    heads = [table.columns[place] for place in shown]
    rows = [[head.title if head.brief is None else head.brief for head in heads]]
    rows += [[row[place].text for place in shown] for row in table.cells]
    numeric = [place for place, head in enumerate(heads) if head.kind == "number"]
    notes = (part for note in table.notes for part in wrapped(f"  {note}", indent="    "))
    return [*aligned(rows, numeric=numeric), *notes]


def aligned(rows: Sequence[Sequence[str]], *, numeric: Iterable[int]) -> list[str]:
    """Align rows as columns of text, numeric ones on the right."""
    right = set(numeric)
    rows = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
