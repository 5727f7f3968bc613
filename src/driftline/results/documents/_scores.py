"""The scores of one model: what `score` returns and writes."""

from typing import Literal

from pydantic import Field

from ...escapes import visible
from ..parts import Document, Provenance, Value
from ._assessment import CapabilityScore, Cost


class ItemScore(Value):
    """One item of one capability, measured."""

    capability: str
    id: str
    group: str | None
    """None where the item is its own."""
    values: dict[str, float]
    """Every metric that the capability's scorer gives."""


class Scores(Document):
    """The document of `score`: each capability of one model, without any judgement."""

    schema_: Literal["driftline/score/1"] = Field(default="driftline/score/1", alias="schema")
    verdict: None = None
    """Scores of one model judge nothing."""
    scores: tuple[CapabilityScore, ...]
    cost: Cost
    caveats: tuple[str, ...]
    provenance: Provenance


def item_lines(items: tuple[ItemScore, ...]) -> str:
    """Return the items as JSON Lines, as in `scores.jsonl`.

    Args:
        items: The items.

    Returns:
        One JSON object a line, each line ended.
    """
    return "".join(visible(item.model_dump_json()) + "\n" for item in items)
