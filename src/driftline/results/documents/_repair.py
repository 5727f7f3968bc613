"""Document of `repair`: benefit and cost of scaling an update."""

from typing import ClassVar, Literal

from pydantic import Field

from ...verdicts import TestVerdict
from ..parts import Document, ModelProvenance, Numerics, RunProvenance, SourceProvenance, Value
from ._assessment import Cost
from ._certification import CapabilityClaim, SuiteClaim
from ._weight_diff import Subject


class RepairLook(Value):
    """One point of the search, on the items that choose."""

    family: str
    label: str
    target_gain: float | None
    """Fall of the target's loss from the base; None without a target."""
    gain_share: float | None
    """Share of the tuned model's gain; None without a target, or if that model gained nothing."""
    kept_change: float
    """Norm of the scaled update over the norm of the update."""
    worst_capability: str | None
    """None where the base is not shown to have any required capability."""
    worst_loss: float | None
    """Mean loss of that capability, in its tolerances; below 0 where even that one gained; None where there is none."""
    damage: float
    """Mean losses of all required capabilities, in their tolerances, added up; gains count as 0."""
    excess: float
    """Tolerances by which upper bounds of losses pass them, added up; 0 meets the constraint."""
    meets_constraint: bool
    """No excess, and the gain that must be kept is kept."""
    is_on_front: bool
    """No other point of the search has both more gain and a smaller worst loss."""


class RepairFamily(Value):
    """Result of one way to scale, by itself."""

    family: str
    num_points: int
    best: RepairLook
    """By the order of the search."""


class CellScale(Value):
    """Scale of one block of the update."""

    cell: str
    scale: float
    num_weights: int


class CapabilityRecovery(Value):
    """One capability before and after the repair, on items that chose nothing."""

    in_unit: ClassVar[tuple[str, ...]] = (
        "tolerance",
        "tuned_change",
        "repaired_change",
        "tuned_standard_error",
        "repaired_standard_error",
    )

    capability: str
    unit: str
    required: bool
    num_items: int
    tolerance: float
    was_lost: bool
    """True if the base is shown to have it and tuning cost more than the tolerance, by the items used to choose."""
    tuned_change: float
    """tuned - base in the unit."""
    repaired_change: float
    """repaired - base in the unit."""
    tuned_standard_error: float | None = None
    """Standard error of the change, over groups of items."""
    repaired_standard_error: float | None = None
    given_back: float | None
    """Share of the loss that is no longer there; negative where the repair lost more."""
    reason: str | None
    """Reason why there is no share."""


class Recovery(Value):
    """All capabilities that tuning cost more than their tolerance, on items that chose nothing."""

    lost: tuple[str, ...]
    """Required ones, named by the items that choose."""
    tuned_damage: float
    """Their losses in their tolerances, added up; a gain counts as 0."""
    repaired_damage: float
    given_back: float | None
    """1 - repaired / tuned damage."""
    reason: str | None
    """Reason why there is no share."""
    capabilities: tuple[CapabilityRecovery, ...]
    """Recovery of each capability of the suite."""


class TargetRecovery(Value):
    """The run's own task before and after the repair, on examples that chose nothing."""

    metric: str
    unit: str
    num_items: int
    base: float
    tuned: float
    repaired: float
    tuned_gain: float
    """Fall of the loss from the base."""
    repaired_gain: float
    low: float
    """One-sided lower limit of the repaired model's gain."""
    high: float
    """One-sided upper limit."""
    confidence_level: float
    """Confidence level of each limit."""
    standard_error: float | None = None
    """Standard error of the repaired model's gain, over groups of examples."""
    gain_share: float | None
    """Share of the tuned model's gain."""
    reason: str | None
    """Reason why there is no share."""


class RepairedModel(Value):
    """Written model."""

    folder: str
    """Inside the run folder."""
    kind: Literal["adapter", "model"]
    digest: str | None
    """Digest of all weights, as they were scored for the claims; None if they cannot be merged into
    the base, because it is quantised or offloaded."""
    files: tuple[SourceProvenance, ...]


class RepairProvenance(RunProvenance):
    """Everything that is needed to repair the same again."""

    base: Subject
    tuned: Subject
    base_model: ModelProvenance
    data: SourceProvenance | None
    suites: tuple[SourceProvenance, ...]
    numerics: Numerics
    alpha: float
    max_cost: float | None
    """Share of the target's gain that the search was allowed to give up; None for no limit."""
    num_search_items: int
    """Largest number of items per capability used to choose."""
    num_candidates: int = 1
    """Looks for which the bounds that choose are corrected; 1 in documents of older versions."""
    prefer: Literal["gain", "safety"] = "gain"
    """Choice among points within the tolerances."""
    chosen_on: tuple[str, ...] = ()
    """Keys of the items that choose, as `item_key` makes them; empty in documents of older versions."""
    seed: int
    """Random seed of the split, and of the tests."""
    created: str
    """Time of writing, ISO 8601, UTC."""


class Repair(Document):
    """The document of `repair`."""

    schema_: Literal["driftline/repair/1"] = Field(default="driftline/repair/1", alias="schema")
    verdict: TestVerdict
    """pass: every required capability is retained and, where a target was given, some of its gain
    is kept. fail: a required one is lost, or no gain is left."""
    reasons: tuple[str, ...]
    chosen: RepairLook
    scales: tuple[CellScale, ...]
    """From the embedding up."""
    recovery: Recovery
    target: TargetRecovery | None
    families: tuple[RepairFamily, ...]
    looks: tuple[RepairLook, ...]
    """Every point of the search, in its order; the first is the tuned model."""
    suite_claim: SuiteClaim
    claims: tuple[CapabilityClaim, ...]
    """Claims about the repaired model as written, on held-out items."""
    output: RepairedModel | None
    """None where the best that was found is the base itself."""
    cost: Cost
    caveats: tuple[str, ...]
    provenance: RepairProvenance
