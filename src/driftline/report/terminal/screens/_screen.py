"""The first screen: at most twelve lines that say the verdict, the loss and the next thing to do."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from ....results.readings import LIMITS_PAGE, clean
from .._columns import WIDTH, wrapped

MOST_LINES = 12
MOST_CAVEATS = 3
_MOST_OF_ONE = 2
"""Lines of one statement; all of it is in the report."""


@dataclass(frozen=True)
class Screen:
    """The decision of a document in words, for the first screen of terminal and report."""

    verdict: str | None
    """One word; None where a command judges nothing."""
    statement: str
    """One sentence behind the verdict."""
    loss: str | None = None
    """Loss in the unit shown, and as a multiple of the loss that is accepted."""
    action: str | None = None
    """The one thing to do."""
    command: str | None = None
    """The next command."""
    rows: tuple[str, ...] = ()
    """Lines of a short table, where that is the answer."""
    caveats: tuple[str, ...] = ()
    """Those of this run."""
    num_standing: int = 0
    """Caveats that hold for every run."""


def screen_text(screen: Screen, files: Sequence[str] = (), *, most: int = MOST_LINES) -> str:
    """Write a screen for a terminal, without colour."""
    first = f"{screen.verdict}: {screen.statement}" if screen.verdict else screen.statement
    lines = _cut(first)
    for lead, words in (("", screen.loss), ("Do: ", screen.action)):
        if words:
            lines += _cut(lead + words)
    if screen.command:
        # A command is one line, so that it can be copied.
        lines.append(f"Next: {clean(screen.command)}")
    room = most - len(lines) - len(files)
    rows = screen.rows[: max(room - 1 if screen.caveats else room, 0)]
    lines += [row if len(row) <= WIDTH else f"{row[: WIDTH - 2]} …" for row in rows]
    lines += _caveats(screen, most - len(lines) - len(files))
    return "\n".join([*lines, *map(clean, files)]) + "\n"


def _cut(text: str) -> list[str]:
    lines = wrapped(text)
    if len(lines) <= _MOST_OF_ONE:
        return lines
    first, *rest = lines
    left = " ".join(line.strip() for line in rest)
    return [first, "  " + textwrap.shorten(left, WIDTH - 2, placeholder=" …")]


def _caveats(screen: Screen, room: int) -> list[str]:
    """Return the caveats of this run that there is room for, a line each, with the number of the rest."""
    if room <= 0:
        return []
    caveats = screen.caveats
    shown = min(len(caveats), MOST_CAVEATS, room)
    if len(caveats) > shown or screen.num_standing:
        shown = min(shown, room - 1)
    lines = [
        textwrap.shorten(f"[{index}] {clean(caveat)}", WIDTH, placeholder=" …")
        for index, caveat in enumerate(caveats[:shown], start=1)
    ]
    left = len(caveats) - shown
    told = []
    if left:
        told.append(f"{left} more caveat{'s' * (left > 1)} of this run: -v")
    if screen.num_standing:
        told.append(f"limits of every run: {LIMITS_PAGE}")
    if told:
        said = "; ".join(told)
        lines.append(f"[{said}]")
    return lines
