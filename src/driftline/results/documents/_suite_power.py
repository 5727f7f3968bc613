"""Result of `driftline suite`: the changes that a suite's items can show."""

from typing import ClassVar, Literal

from pydantic import Field

from ..parts import Document, SourceProvenance, Value


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
    """Items that a certification at the tolerance needs with that power, if nothing has changed; None where no
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
