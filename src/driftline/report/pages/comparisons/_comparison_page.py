"""The frame of both pages of a comparison: one chart of gain against loss, one table of rows, one of details."""

from collections.abc import Sequence
from dataclasses import dataclass

from ....results import Comparison, ConfigComparison
from ....results.readings import cost_sentence
from ...charts import ComparedPoint, compared_key, gain_against_loss
from ...tables import ReportTable
from ...terminal import Screen
from .._page import Figure, Head, drawn, page


@dataclass(frozen=True)
class ComparisonContent:
    """The parts in which the pages differ."""

    title: str
    facts: tuple[tuple[str, str], ...]
    footer: str
    tiles: tuple[tuple[str, str, str], ...]
    provenance: ReportTable
    points: Sequence[ComparedPoint]
    gain_title: str
    label: str
    """Text alternative of the chart."""
    caption: str
    lead: str
    numbers: ReportTable
    details: ReportTable
    reasons: tuple[str, ...] = ()
    history: tuple[str, ...] = ()


def comparison_page(
    document: Comparison | ConfigComparison, screen: Screen, content: ComparisonContent
) -> str:
    """Write a comparison as a page."""
    head = Head(
        document,
        title=content.title,
        screen=screen,
        facts=content.facts,
        tiles=content.tiles,
        cost=(cost_sentence(document.cost),),
        provenance=content.provenance,
        footer=content.footer,
    )
    # Where the base is not shown to have anything that is required there is no loss to draw.
    figure = Figure(None, None, (), content.caption, None)
    if content.points:
        figure = drawn(
            lambda canvas: gain_against_loss(content.points, canvas, gain_title=content.gain_title),
            "gain",
            label=f"{content.label}; the numbers are in the table.",
            key=compared_key(content.points),
            caption=content.caption,
        )
    return page(
        "_comparison.html.j2",
        head,
        figure=figure,
        content=content,
    )
