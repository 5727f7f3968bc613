"""The tables of a repair."""

from ...results import CapabilityRecovery, CellScale, Repair, RepairLook
from ...results.readings import (
    CLAIM_WORDS,
    DASH,
    clean,
    fall,
    number,
    percent,
    shown_change,
    sign_notes,
    with_error,
)
from ._report_table import Column, ReportTable, TableCell, columns, risen, table, watched


def recovery_table(document: Repair) -> ReportTable:
    """Tabulate each capability as tuned and as repaired, as changes from the base."""
    claims = {claim.capability: claim for claim in document.claims}
    heads = [
        *columns(
            "capability; items #; change when tuned = tuned #; change when repaired = repaired #; "
            "given back #; accepted #; unit; lost by tuning",
            page_only=("unit", "lost by tuning"),
        ),
        Column("claim", "verdict"),
    ]
    rows = []
    for row in document.recovery.capabilities:
        claim = claims[row.capability]
        up = claim.higher_is_better
        rows.append((
            watched(row.capability, required=row.required),
            f"{row.num_items:,}",
            _changed(row.tuned_change, row.tuned_standard_error, row, up=up),
            _changed(row.repaired_change, row.repaired_standard_error, row, up=up),
            percent(row.given_back) if row.was_lost else DASH,
            risen(number(fall(row.tolerance), signed=True), row.unit, row.tolerance),
            row.unit,
            "yes" if row.was_lost else "no",
            CLAIM_WORDS[claim.verdict],
        ))  # fmt: skip
    lower = any(not claim.higher_is_better for claim in document.claims)
    units = (row.unit for row in document.recovery.capabilities)
    return table(heads, rows, sign_notes(units, any_lower=lower))


def _changed(change: float, error: float | None, row: CapabilityRecovery, *, up: bool) -> TableCell:
    turned = shown_change(change, higher_is_better=up)
    return risen(with_error(number(turned, signed=True), error), row.unit, fall(turned))


def families_table(document: Repair) -> ReportTable:
    """Tabulate the best point of each family of scales."""
    heads = columns("family; points #; best; gain kept #; damage #; worst change #; of; constraint")
    return table(
        heads,
        (
            (
                f.family,
                f"{f.num_points}",
                f.best.label,
                percent(f.best.gain_share),
                number(f.best.damage),
                number(fall(f.best.worst_loss), signed=True),
                f.best.worst_capability or DASH,
                "met" if f.best.meets_constraint else "missed",
            )
            for f in document.families
        ),
    )


def scales_table(document: Repair) -> ReportTable:
    """Tabulate parts of the update with their scales; neighbours with one scale are joined."""
    return table(columns("part; scale #"), scale_lines(document.scales))


def scale_lines(scales: tuple[CellScale, ...]) -> list[tuple[str, str]]:
    """List parts of the update with their scales; neighbours with one scale are joined."""
    by_scale: dict[float, list[str]] = {}
    for cell in scales:
        by_scale.setdefault(cell.scale, []).append(cell.cell)
    lines = []
    for scale in sorted(by_scale, reverse=True):
        names = by_scale[scale]
        everything = "every part" if len(names) == len(scales) else ", ".join(names)
        lines.append((clean(everything), number(scale)))
    return lines


def chosen_words(chosen: RepairLook) -> str:
    """Return the chosen point's family and label."""
    return clean(f"{chosen.family}, {chosen.label}")
