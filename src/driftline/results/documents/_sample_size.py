"""Result of `sample-size`: the number of items that a certificate needs."""

from typing import Literal

from pydantic import Field

from ..parts import Document, Value


class SampleSizeClaim(Value):
    """Items that one kind of claim needs."""

    claim: Literal["one", "all", "each"]
    """All: every capability passes at alpha. Each: Holm's correction, at its first and hardest step."""
    num_items: int
    """Items of each capability."""
    alpha: float
    """Level of the test of a single capability."""
    power: float
    """Power of the test of a single capability, with that number of items."""


class SampleSize(Document):
    """The document of `sample-size`: items, margin and power that go together."""

    schema_: Literal["driftline/sample_size/1"] = Field(
        default="driftline/sample_size/1", alias="schema"
    )
    verdict: None = None
    """Nothing was measured."""
    metric: str = "accuracy"
    unit: str = "share of items"
    margin: float
    """Accepted loss, in the unit."""
    discordance: float | None
    """Share of items that flip, lost and gained together; None where a metric is no share."""
    spread: float | None = None
    """Standard deviation of an item's change, where the metric is no share."""
    is_measured: bool = False
    """The discordance or the spread was not stated; it is that of the benchmark."""
    change: float
    """The true change for which the power is wanted."""
    power: float
    """Wanted for the claim as a whole."""
    alpha: float
    num_capabilities: int
    claims: tuple[SampleSizeClaim, ...]
    caveats: tuple[str, ...]
