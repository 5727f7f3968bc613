"""What change a suite's items can show: what `driftline suite` returns."""

from typing import ClassVar, Literal

from pydantic import Field

from ..metrics import has_perplexity
from ._document import Document, Value
from ._perplexity import with_rise
from ._points import in_points
from ._provenance import SourceProvenance
from ._readings import DASH, clean, number, percent
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
    num_items_needed: int | None
    """For a certification at the tolerance, with the power, if nothing has changed; None where no
    number could pass, or ten million are too few."""
    reason: str | None = None
    """Why no number of items could pass a certification."""

    @property
    def has_enough(self) -> bool:
        """A certification at the tolerance can pass with these items."""
        return self.num_items_needed is not None and self.num_items >= self.num_items_needed


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
            with_rise(number(row.tolerance), row.unit, row.tolerance),
            clean(row.unit),
            with_rise(f"+-{number(row.forecast_half_width)}", row.unit, row.forecast_half_width),
            with_rise(number(row.certify_margin), row.unit, row.certify_margin),
            _needed(row),
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
    if not all(row.has_enough or row.reason for row in found.capabilities):
        lines += wrapped("* too few items to certify at this tolerance")
    reasons: dict[str, list[str]] = {}
    for row in found.capabilities:
        if row.reason is not None:
            reasons.setdefault(row.reason, []).append(clean(row.capability))
    for reason, names in reasons.items():
        lines += wrapped(f"{DASH} never certified as retained: {', '.join(names)}: {clean(reason)}")
    spreads = {
        f"{clean(r.metric)} {number(r.spread)} {clean(r.unit)}": None for r in found.capabilities
    }
    if any(has_perplexity(row.unit) for row in found.capabilities):
        lines += wrapped("In brackets: the change of perplexity that this is")
    lines += ["", *wrapped(f"Assumed spread of an item's change: {', '.join(spreads)}")]
    for index, caveat in enumerate(found.caveats, start=1):
        lines += wrapped(f"[{index}] {clean(caveat)}", indent="    ")
    return "\n".join(lines) + "\n"


def _needed(row: CapabilityPower) -> str:
    if row.reason is not None:
        return DASH
    text = "over 10,000,000" if row.num_items_needed is None else f"{row.num_items_needed:,}"
    return text + ("" if row.has_enough else " *")
