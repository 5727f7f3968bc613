"""The claims of certify, plan and repair on their pages, as a table and as a chart."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...results import CapabilityClaim, Plan, Repair
from ...results.readings import DASH, clean, fall, shown_change, way_out
from ..charts import Canvas as Canvas
from ..charts import (
    Chart,
    IntervalRow,
    interval_chart,
    interval_key,
    search_front,
    search_key,
    styled,
)
from ..tables import ReportTable, claims_table, table
from ._page import Figure, drawn

_STATES = {"non_inferior": "retained", "inferior": "lost", "inconclusive": "undecided"}


def claim_reasons(claims: Sequence[CapabilityClaim]) -> tuple[str, ...]:
    """List the reasons of claims, each sentence once, for the notes under a table."""
    return tuple(
        dict.fromkeys(f"{clean(c.capability)}: {clean(c.reason)}" for c in claims if c.reason)
    )


def ways_out(claims: Sequence[CapabilityClaim], alpha: float) -> tuple[str, ...]:
    """Say what settles each claim that is open."""
    return tuple(way for claim in claims if (way := way_out(claim, alpha)) is not None)


def claims_with_reasons(claims: Sequence[CapabilityClaim]) -> ReportTable:
    """Tabulate the claims, with the reason of each that has one."""
    made = claims_table(claims)
    return replace(made, notes=(*made.notes, *claim_reasons(claims)))


def claim_figures(claims: Sequence[CapabilityClaim]) -> Iterator[Figure]:
    """Draw a chart of intervals for each unit."""
    units = list(dict.fromkeys(claim.unit for claim in claims))
    for index, unit in enumerate(units, start=1):
        own = [claim for claim in claims if claim.unit == unit]
        rows = [_row(claim) for claim in own]
        title = f"change, {clean(unit)}"

        def draw(canvas: Canvas, rows: list[IntervalRow] = rows, title: str = title) -> Chart:
            return styled(interval_chart(rows, canvas, title=title))

        lost = sum(claim.verdict == "inferior" for claim in own)
        label = f"Change of {len(rows)} capabilities with limits, in {clean(unit)}; {lost} of them lost."
        yield drawn(
            draw,
            f"claims-{index}",
            label=label,
            key=interval_key(rows, words="one-sided limits on both sides"),
            caption="Change of each capability from the base, on the same items; left is worse.",
        )


def _row(claim: CapabilityClaim) -> IntervalRow:
    low, high = claim.low, claim.high
    if not claim.higher_is_better:
        low, high = fall(high), fall(low)
    return IntervalRow(
        clean(claim.capability) + ("" if claim.required else " (watched)"),
        _change(claim) or 0.0,
        low,
        high,
        claim.margin,
        _STATES[claim.verdict],
        claim.required,
    )


def _change(claim: CapabilityClaim) -> float | None:
    return shown_change(claim.change, higher_is_better=claim.higher_is_better)


def search_figure(document: Plan | Repair, numbers: ReportTable, *, points: str) -> Figure:
    """Draw every point of a search, on the items that choose.

    Args:
        document: The document to draw.
        numbers: The points of its front.
        points: Words for what each point is.

    Returns:
        The figure.
    """
    return drawn(
        lambda canvas: search_front(document, canvas),
        "front",
        label="Target gain against the worst capability's change; the numbers are in the table.",
        key=search_key(document),
        caption=f"{points}. Up is more gain, right is less loss of the capability that lost most.",
        numbers=numbers,
    )


def flip_table(claim: CapabilityClaim) -> ReportTable | None:
    """List the items that one model gets right and the other wrong, before and after side by side."""
    flips = claim.flips
    if flips is None or not (flips.lost or flips.gained):
        return None
    rows = [
        ("lost", flip.id, _quoted(flip.right), _quoted(flip.wrong, other="a wrong one"))
        for flip in flips.lost
    ]
    rows += [
        ("gained", flip.id, _quoted(flip.wrong, other="a wrong one"), _quoted(flip.right))
        for flip in flips.gained
    ]
    left = len(rows) - _MOST_FLIPS
    made = table(
        [("", "text"), ("item", "code"), ("before (base)", "text"), ("after (tuned)", "text")],
        rows[:_MOST_FLIPS],
    )
    notes = (f"{left:,} more are in the JSON.",) if left > 0 else ()
    return replace(made, notes=notes)


_MOST_FLIPS = 60
"""Items that a page lists for one capability."""


def _quoted(text: str | None, *, other: str = DASH) -> str:
    return other if text is None else repr(clean(text))
