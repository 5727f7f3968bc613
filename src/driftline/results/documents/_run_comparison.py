"""Two finished runs side by side: what `report A B` returns and writes."""

from typing import ClassVar, Literal

from pydantic import Field

from ..parts import Document, Value

Quantity = Literal["change", "score", "relative change"]
"""`change` is from the base, negative is worse; `score` is in the metric's own direction; `relative
change` is the norm of an update over that of the weights."""


class RunReading(Value):
    """The value that one run gives for a capability."""

    in_unit: ClassVar[tuple[str, ...]] = ("value", "low", "high", "accepted")

    value: float | None
    low: float | None = None
    high: float | None = None
    accepted: float | None = None
    """The loss that is accepted, positive; None where the document has none."""
    verdict: str | None = None
    required: bool = True


class ReadingPair(Value):
    """One capability in both runs; of `compare` one checkpoint or config, of `diff` one role of weights."""

    in_unit: ClassVar[tuple[str, ...]] = ("difference",)

    capability: str
    unit: str
    first: RunReading | None
    """None where this run did not ask for it."""
    second: RunReading | None
    difference: float | None
    """Second value - first value; None where one of them is missing. No test of it is made."""


class SettingPair(Value):
    """A setting or an input that differs between the runs."""

    name: str
    first: str | None
    """None where this run does not have it."""
    second: str | None


class ComparedRun(Value):
    """One of the two runs."""

    name: str
    schema_: str = Field(alias="schema")
    created: str
    verdict: str | None
    reasons: tuple[str, ...]


class RunComparison(Document):
    """The document of `report A B`; it judges nothing by itself."""

    schema_: Literal["driftline/report/1"] = Field(default="driftline/report/1", alias="schema")
    verdict: None = None
    quantity: Quantity
    first: ComparedRun
    second: ComparedRun
    readings: tuple[ReadingPair, ...]
    settings: tuple[SettingPair, ...]
    caveats: tuple[str, ...]
    driftline_version: str
