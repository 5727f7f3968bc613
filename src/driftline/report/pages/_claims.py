"""The claims of certify, plan and repair on their pages, as a table and as a chart."""

from collections.abc import Iterator, Sequence

from ...results import CapabilityClaim
from ...results.readings import (
    CLAIM_WORDS,
    DASH,
    clean,
    fall,
    items_in_groups,
    number,
    shown_change,
    sign_notes,
    way_out,
    with_error,
    with_rise,
)
from ..charts import Canvas as Canvas
from ..charts import Chart, IntervalRow, interval_chart, interval_key, styled
from ..terminal import pvalue_text
from ._page import Figure, drawn
from ._tables import Table, table

_STATES = {"non_inferior": "retained", "inferior": "lost", "inconclusive": "undecided"}


def claim_reasons(claims: Sequence[CapabilityClaim]) -> tuple[str, ...]:
    """List the reasons of claims, each sentence once, for the notes under a table."""
    return tuple(
        dict.fromkeys(f"{clean(c.capability)}: {clean(c.reason)}" for c in claims if c.reason)
    )


def ways_out(claims: Sequence[CapabilityClaim]) -> tuple[str, ...]:
    """Say what settles each claim that is open."""
    return tuple(way for claim in claims if (way := way_out(claim)) is not None)


def claims_table(claims: Sequence[CapabilityClaim]) -> Table:
    """Tabulate every claim: both means, the change, its limit, what is accepted, p-values."""
    made = table(
        [
            ("capability", "text"),
            ("items in groups", "number"),
            ("base", "number"),
            ("tuned", "number"),
            ("change", "number"),
            ("at worst", "number"),
            ("accepted", "number"),
            ("unit", "text"),
            ("p", "number"),
            ("Holm p", "number"),
            ("claim", "verdict"),
        ],
        (
            (
                claim.capability + ("" if claim.required else " (watched)"),
                items_in_groups(claim.num_items, claim.num_groups),
                number(claim.base),
                number(claim.tuned),
                with_rise(
                    with_error(number(_change(claim), signed=True), claim.standard_error),
                    claim.unit,
                    fall(_change(claim)),
                ),
                with_rise(
                    number(fall(claim.loss_limit), signed=True), claim.unit, claim.loss_limit
                ),
                with_rise(number(fall(claim.margin), signed=True), claim.unit, claim.margin),
                claim.unit,
                pvalue_text(claim.pvalue),
                pvalue_text(claim.adjusted_pvalue),
                CLAIM_WORDS[claim.verdict],
            )
            for claim in claims
        ),
    )
    notes = sign_notes(
        (c.unit for c in claims), any_lower=any(not c.higher_is_better for c in claims)
    )
    return Table(made.titles, made.kinds, made.rows, (*notes, *claim_reasons(claims)))


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


def flip_table(claim: CapabilityClaim) -> Table | None:
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
    return Table(made.titles, made.kinds, made.rows, notes)


_MOST_FLIPS = 60
"""Items that a page lists for one capability."""


def _quoted(text: str | None, *, other: str = DASH) -> str:
    return other if text is None else repr(clean(text))
