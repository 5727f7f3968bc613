"""The claims of certify, plan and repair."""

from collections.abc import Sequence

from ...results import CapabilityClaim
from ...results.readings import (
    CLAIM_WORDS,
    DASH,
    fall,
    items_in_groups,
    number,
    shown_change,
    sign_notes,
    with_error,
)
from ._report_table import Column, ReportTable, columns, risen, table, watched

_COLUMNS = [
    *columns(
        "capability; items in groups #; base #; tuned #; change #; at worst #; accepted #; unit; p #; Holm p #",
        page_only=("unit",),
    ),
    Column("claim", "verdict"),
]


def claims_table(claims: Sequence[CapabilityClaim]) -> ReportTable:
    """Tabulate every claim: both means, the change, its limit, what is accepted, p-values."""
    rows = []
    for claim in claims:
        change = shown_change(claim.change, higher_is_better=claim.higher_is_better)
        told = with_error(number(change, signed=True), claim.standard_error)
        rows.append((
            watched(claim.capability, required=claim.required),
            items_in_groups(claim.num_items, claim.num_groups),
            number(claim.base),
            number(claim.tuned),
            risen(told, claim.unit, fall(change)),
            risen(number(fall(claim.loss_limit), signed=True), claim.unit, claim.loss_limit),
            risen(number(fall(claim.margin), signed=True), claim.unit, claim.margin),
            claim.unit,
            pvalue_text(claim.pvalue),
            pvalue_text(claim.adjusted_pvalue),
            CLAIM_WORDS[claim.verdict],
        ))  # fmt: skip
    lower = any(not claim.higher_is_better for claim in claims)
    return table(_COLUMNS, rows, sign_notes((c.unit for c in claims), any_lower=lower))


def pvalue_text(value: float | None) -> str:
    """Format a p-value, or a dash if there is none."""
    if value is None:
        return DASH
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"
