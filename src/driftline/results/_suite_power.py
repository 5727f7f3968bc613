"""What change a suite's items can show: what `driftline suite` returns."""

import math
from typing import ClassVar, Literal

from pydantic import Field

from ._document import Document, Value
from ._points import in_points
from ._provenance import SourceProvenance
from ._readings import clean, number, percent
from ._summary import aligned, wrapped


class CapabilityPower(Value):
    """One capability: its items, and what they can show."""

    in_unit: ClassVar[tuple[str, ...]] = (
        "tolerance",
        "spread",
        "forecast_half_width",
        "certify_margin",
    )

    capability: str
    scorer: str
    metric: str
    unit: str
    num_items: int
    num_groups: int
    chance: float | None
    tolerance: float
    required: bool
    spread: float
    """Assumed standard deviation of an item's change; of a share, the share of items that flip."""
    forecast_half_width: float
    """Half the interval of a measured change, which is paired."""
    certify_margin: float | None
    """The smallest loss that a certification can rule out with the power, if nothing has changed;
    None where these items can rule out none."""
    num_items_needed: int
    """For a certification at the tolerance, with the power, if nothing has changed."""


class SuitePower(Document):
    """The document of `suite`: nothing is measured, everything is said before."""

    schema_: Literal["driftline/suite_power/1"] = Field(
        default="driftline/suite_power/1", alias="schema"
    )
    verdict: None = None
    suite: SourceProvenance
    alpha: float
    power: float
    confidence_level: float
    capabilities: tuple[CapabilityPower, ...]
    caveats: tuple[str, ...]


def suite_power_summary(found: SuitePower) -> str:
    """What a suite can show, for a terminal, without colour.

    Args:
        found: The document.

    Returns:
        Text of lines up to about 100 characters, ending in a newline.
    """
    found = in_points(found)
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
            tolerance_text(row.metric, row.tolerance),
            clean(row.unit),
            f"+-{number(row.forecast_half_width)}",
            number(row.certify_margin),
            f"{row.num_items_needed:,}" + ("" if row.num_items >= row.num_items_needed else " *"),
        )
        for row in found.capabilities
    ]
    lines = wrapped(
        f"{clean(found.suite.name)}: what its items can show. forecast: half the "
        f"{percent(found.confidence_level)} interval of a measured change; certify: the smallest loss "
        f"that is ruled out with a chance of {percent(found.power)} at alpha {found.alpha:g}, if nothing "
        "has changed; needs: items for that at the tolerance"
    )
    lines += aligned(rows, numeric=(1, 2, 3, 4, 6, 7, 8))
    if any(row.num_items < row.num_items_needed for row in found.capabilities):
        lines += wrapped("* too few items to certify at this tolerance")
    spreads = {
        f"{clean(r.metric)} {number(r.spread)} {clean(r.unit)}": None for r in found.capabilities
    }
    lines += ["", *wrapped(f"Assumed spread of an item's change: {', '.join(spreads)}")]
    for index, caveat in enumerate(found.caveats, start=1):
        lines += wrapped(f"[{index}] {clean(caveat)}", indent="    ")
    return "\n".join(lines) + "\n"


def tolerance_text(metric: str, tolerance: float) -> str:
    """Write a tolerance; of a likelihood, with the rise of perplexity that it is.

    >>> tolerance_text("nll_nats", 0.0487901641694), tolerance_text("margin_nats", 0.25)
    ('0.0488 (perplexity +5%)', '0.250')

    Args:
        metric: Of the capability.
        tolerance: As it is shown.

    Returns:
        Its text.
    """
    text = number(tolerance)
    if metric == "nll_nats":
        text += f" (perplexity +{100 * math.expm1(tolerance):.2g}%)"
    return text
