"""Text summary of the changes that a suite's items can show."""

from ...metrics import has_perplexity
from ...results import CapabilityPower, SuitePower
from ...results.readings import DASH, clean, in_points, number, percent, with_rise
from ._columns import aligned, caveat_lines, wrapped


def suite_power_summary(document: SuitePower) -> str:
    """Write the summary for a terminal, without colour."""
    document = in_points(document)
    rows = [
        (
            "capability",
            "items",
            "groups",
            "chance",
            "tolerance",
            "unit",
            "forecast",
            "certify",
            "needs",
        )
    ]
    rows += [
        (
            clean(row.capability) + ("" if row.required else " (watched)"),
            f"{row.num_items:,}",
            f"{row.num_groups:,}",
            percent(row.chance),
            with_rise(number(row.tolerance), row.unit, row.tolerance),
            clean(row.unit),
            with_rise(f"+-{number(row.forecast_half_width)}", row.unit, row.forecast_half_width),
            with_rise(number(row.certify_margin), row.unit, row.certify_margin),
            _needed(row),
        )
        for row in document.capabilities
    ]
    lines = wrapped(
        f"{clean(document.suite.name)}: what its items can show. forecast: half the "
        f"{percent(document.confidence_level)} interval of a measured change; certify: the smallest loss "
        f"that is ruled out with a chance of {percent(document.power)} at alpha {document.alpha:g}, if nothing "
        "has changed; needs: items for that at the tolerance"
    )
    lines += aligned(rows, numeric=(1, 2, 3, 4, 6, 7, 8))
    if not all(row.has_enough or row.reason for row in document.capabilities):
        lines += wrapped("* too few items to certify at this tolerance")
    reasons: dict[str, list[str]] = {}
    for row in document.capabilities:
        if row.reason is not None:
            reasons.setdefault(row.reason, []).append(clean(row.capability))
    for reason, names in reasons.items():
        lines += wrapped(f"{DASH} never certified as retained: {', '.join(names)}: {clean(reason)}")
    spreads = {
        f"{clean(r.metric)} {number(r.spread)} {clean(r.unit)}": None for r in document.capabilities
    }
    if any(has_perplexity(row.unit) for row in document.capabilities):
        lines += wrapped("In brackets: the change of perplexity that this is")
    lines += ["", *wrapped(f"Assumed spread of an item's change: {', '.join(spreads)}")]
    lines += caveat_lines(document.caveats)
    return "\n".join(lines) + "\n"


def _needed(row: CapabilityPower) -> str:
    if row.reason is not None:
        return DASH
    text = "over 10,000,000" if row.num_items_needed is None else f"{row.num_items_needed:,}"
    return text + ("" if row.has_enough else " *")
