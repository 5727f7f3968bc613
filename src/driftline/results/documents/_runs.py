"""The run folders of a machine, as `driftline runs` tells of them."""

from typing import Literal

from pydantic import Field

from ..parts import Document, Value

RunState = Literal["finished", "unfinished", "in use", "damaged"]


class RunOwner(Value):
    """The process that has a run folder open; None where it could not be read."""

    pid: int | None
    host: str | None
    since: str | None
    """ISO 8601, UTC."""


class RunSummary(Value):
    """One run folder."""

    path: str
    command: str | None
    """None where an earlier Driftline began the run and did not write it down."""
    model: str | None
    created: str | None
    """ISO 8601, UTC."""
    changed: str
    """Time of the last change of its files, ISO 8601, UTC."""
    state: RunState
    owner: RunOwner | None
    """Process that has it open, if it is in use."""
    num_points: int | None
    """Points with scores in the store; None where it cannot be read."""
    num_scores: int | None
    """Capabilities at points."""
    num_bytes: int
    """Bytes of Driftline's own files."""


class StoredScore(Value):
    """One capability at one point, as the store has it."""

    point: str
    capability: str
    num_items: int
    num_tokens: int


class RunList(Document):
    """The run folders under one folder."""

    schema_: Literal["driftline/runs/1"] = Field(alias="schema", default="driftline/runs/1")
    root: str
    runs: tuple[RunSummary, ...]


class RunContents(Document):
    """One run folder, and what is stored in it."""

    schema_: Literal["driftline/run/1"] = Field(alias="schema", default="driftline/run/1")
    run: RunSummary
    scores: tuple[StoredScore, ...]


class PrunedRuns(Document):
    """Run folders that were deleted, and chosen ones that could not be."""

    schema_: Literal["driftline/runs-pruned/1"] = Field(
        alias="schema", default="driftline/runs-pruned/1"
    )
    root: str
    removed: tuple[RunSummary, ...]
    kept: tuple[RunSummary, ...]
    """In use, or changed since they were chosen."""
