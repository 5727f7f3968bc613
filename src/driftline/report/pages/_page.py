"""The common frame of pages: one order of sections, escaped text, charts with key and numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

import jinja2

from ...errors import MissingPackageError
from ...escapes import replaced
from ...extras import install_line, missing_module
from ...results import PagedDocument, RunComparison
from ...results.readings import LIMITS_PAGE, clean, standing_caveats
from ..charts import NARROW, WIDE, Canvas, Chart, Key, palette_css, to_svg
from ..tables import ReportTable, minus_sentence
from ..terminal import Screen, next_command

CHAPTERS = (
    ("v1", "V1", "Observed phenomenon"),
    ("v2", "V2", "Structural cause"),
    ("v3", "V3", "Stability margins"),
    ("v4", "V4", "Decision in detail"),
)
"""Chapters of every page, in order; a page leaves out those that it has nothing for."""
BADGES = {
    "pass": "safe",
    "no_alarm": "safe",
    "fail": "unsafe",
    "inconclusive": "inconclusive",
    "at_risk": "inconclusive",
}
"""Verdict to the colour of its badge; another verdict is its own colour."""


MOST_PRINTED, WIDEST_PRINTED = 24, 11
"""Rows and columns of a folded table that a print still shows."""


@dataclass(frozen=True)
class Figure:
    """A chart in the page, drawn for a wide and a narrow screen, with its words and its numbers."""

    wide: str | None
    """None where the packages that draw are not installed; the page then shows the numbers alone."""
    narrow: str | None
    """None for diagnostics, which scroll sideways where there is no room."""
    key: tuple[Key, ...]
    caption: str
    numbers: ReportTable | None


@dataclass(frozen=True)
class Head:
    """The decision on top of a page."""

    document: PagedDocument | RunComparison
    title: str
    screen: Screen
    facts: tuple[tuple[str, str], ...]
    """Facts to name in the head, besides the date."""
    tiles: tuple[tuple[str, str, str], ...]
    cost: tuple[str, ...]
    provenance: ReportTable
    footer: str = "A claim is statistical, about items drawn like these."
    """One sentence about what such a page can say."""
    own_badge: str | None = None
    """Colour of the badge where it does not follow from the document's verdict."""

    @property
    def badge(self) -> str | None:
        """Colour of the verdict's badge; None without a verdict."""
        verdict = self.document.verdict
        return self.own_badge or (BADGES.get(verdict, verdict) if verdict else None)

    @property
    def dated_facts(self) -> tuple[tuple[str, str], ...]:
        """The facts and the date, as people read it."""
        if isinstance(self.document, RunComparison):
            return self.facts
        return (*self.facts, ("date", created_words(self.document.provenance.created)))

    @property
    def version(self) -> str:
        """The version of Driftline that made the document."""
        if isinstance(self.document, RunComparison):
            return clean(self.document.driftline_version)
        return clean(self.document.provenance.driftline_version)


def created_words(created: str) -> str:
    """Write a time as people read it."""
    return clean(created).replace("T", " ").replace("Z", " UTC")


def drawn(
    draw: Callable[[Canvas], Chart], name: str, *, label: str, key: Sequence[Key], caption: str,
    numbers: ReportTable | None = None,
) -> Figure:  # fmt: skip
    """Draw a chart for both widths.

    Args:
        draw: Makes the chart for the room that there is.
        name: What the ids in it begin with.
        label: A text alternative.
        key: What each mark means.
        caption: Below it.
        numbers: The numbers that it shows; None where a table beside it has them.
    """
    wide: str | None
    narrow: str | None
    try:
        wide = to_svg(draw(WIDE), prefix=name, label=label)
        narrow = to_svg(draw(NARROW), prefix=f"{name}-narrow", label=label)
    except MissingPackageError:
        wide = narrow = None
    return Figure(wide, narrow, tuple(key), caption, numbers)


def page(template: str, head: Head, **values: object) -> str:
    """Make a page from a template of this room.

    Args:
        template: The template's file name.
        head: The decision, and what ends every page.
        values: What its chapters show; one that it asks for and that is not there is an error.

    Returns:
        One HTML document.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_part),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["printed"] = _is_printed
    command = head.screen.command or next_command(head.document)
    tiles = tuple((what, minus_sentence(value), more) for what, value, more in head.tiles)
    head = replace(head, screen=replace(_typeset(head.screen), command=command), tiles=tiles)
    shared = {
        "head": head,
        "chapters": CHAPTERS,
        "standing": [clean(each) for each in standing_caveats(head.document.caveats)],
        "limits_page": LIMITS_PAGE,
        "palette": palette_css(),
        "install_charts": install_line("charts") if missing_module("charts") else None,
    }
    return replaced(environment.get_template(template).render(**shared, **values))


def _is_printed(folded: ReportTable) -> bool:
    return len(folded.rows) <= MOST_PRINTED and len(folded.columns) <= WIDEST_PRINTED


def _typeset(screen: Screen) -> Screen:
    """Give numbers in sentences a true minus; a command stays as it is typed."""
    return replace(
        screen,
        statement=minus_sentence(screen.statement),
        loss=screen.loss and minus_sentence(screen.loss),
        action=screen.action and minus_sentence(screen.action),
    )


def _part(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
