"""Document of `plan`: the protocol that adapts most within the tolerances."""

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from ...verdicts import TestVerdict
from ..parts import Document, ModelProvenance, Numerics, RunProvenance, SourceProvenance, Value
from ._assessment import Cost
from ._certification import CapabilityClaim, SuiteClaim

TrialState = Literal["finished", "stopped", "failed", "out of budget"]


class LeverSetting(Value):
    """Value of one lever."""

    lever: str
    value: str
    """In words; the exact value is in the protocol."""
    plain: str
    """Value in the user's own config."""


class PlanLook(Value):
    """One point of the search, on the items that choose."""

    trial: int | None
    """None for the base."""
    step: int
    scale: float
    """Scale of the update after training, except for `parts`; 0 for the base."""
    parts: dict[str, float] = Field(default_factory=dict)
    """Parts of the model whose update has a scale of its own; empty where all have one."""
    merit: float | None = None
    """Objective of the search: the gain, less a tenth of it for each tolerance that the worst
    capability loses; None in documents of older versions."""
    target_gain: float
    """Fall of the target's loss from the base, nats per token, on rows that were not trained on."""
    worst_capability: str | None
    """None where the base is not shown to have any required capability, so that nothing holds it back."""
    worst_loss: float | None
    """Mean loss of that capability, in its tolerances; below 0 where even that one gained; None where there is none."""
    excess: float
    """Tolerances by which upper bounds of losses pass them, added up; 0 meets the constraint."""
    meets_constraint: bool
    is_on_front: bool
    """No other point has both more gain and a smaller worst loss."""


class TrialForecast(Value):
    """The forecast of a trial's end from its early look, of one required capability."""

    in_unit: ClassVar[tuple[str, ...]] = ("tolerance", "loss", "low", "high")

    capability: str
    unit: str
    tolerance: float
    loss: float
    """Predicted at the end of the run, before any scaling; positive is worse."""
    low: float
    high: float
    confidence_level: float
    probability_lost: float
    """Probability that the loss ends beyond the tolerance."""


class PlanTrial(Value):
    """One protocol that was tried."""

    number: int
    purpose: str
    """`search`, or the lever that was switched back."""
    state: TrialState
    """stopped: at its early look, since a finished trial had gained more and clearly lost less there, or
    since it is forecast to break a tolerance at every scale; the reason says which."""
    settings: tuple[LeverSetting, ...]
    num_steps: int
    """Planned; a stopped trial took fewer."""
    best: PlanLook | None
    """Best of all evaluations at its end; None if it did not finish."""
    tokens_trained: int
    wall_seconds: float
    reason: str | None
    forecast: tuple[TrialForecast, ...] = ()
    """Forecasts of what can hold it back, from its look at a fifth of its steps; that of trial 0 is of the user's
    own config."""


class LeverAblation(Value):
    """Benefit of one lever: the protocol with it and without it, all else equal."""

    lever: str
    value: str
    plain: str
    gain_with: float
    """At the best scale of each, on the items that choose."""
    gain_without: float | None
    worst_loss_with: float | None
    worst_loss_without: float | None
    bought: float | None
    """gain_with - gain_without; None where the one without meets the constraint at no scale that was
    looked at, or was not measured."""
    was_dropped: bool
    """The protocol did no worse without it, so it is not in the protocol."""
    reason: str | None
    """Reason why there is no number."""


class MarginLeft(Value):
    """Share of a tolerance that the protocol leaves, on held-out items."""

    in_unit: ClassVar[tuple[str, ...]] = ("tolerance", "loss", "loss_limit", "standard_error")

    capability: str
    required: bool
    unit: str
    tolerance: float
    loss: float
    """Mean, in the unit; negative where the capability gained."""
    standard_error: float | None = None
    """Standard error of the mean, over groups of items."""
    loss_limit: float | None
    """Upper limit of the mean loss, one-sided, by the standard errors that `assess` goes by. The limit of the
    claim, which assumes less about the items, is with the claim."""
    left: float | None
    """1 - loss_limit / tolerance; negative where the limit passes the tolerance."""
    reason: str | None
    """Reason why there is no limit."""


class PlannedGain(Value):
    """The target before and after, on rows that were neither trained on nor chose."""

    metric: str
    unit: str
    num_items: int
    base: float
    tuned: float
    gain: float
    """Fall of the loss."""
    low: float
    """One-sided lower limit."""
    high: float
    """One-sided upper limit."""
    confidence_level: float
    """Confidence level of each limit."""
    standard_error: float | None = None
    """Standard error of the gain, over groups of rows."""


class PlannedProtocol(Value):
    """The protocol that was chosen, exactly."""

    config: dict[str, JsonValue]
    """Fields of TRL and PEFT."""
    levers: dict[str, JsonValue]
    num_steps: int
    settings: tuple[LeverSetting, ...]
    """Those that differ from the user's own config."""


class PlanFile(Value):
    """A file in which the protocol was written."""

    name: str
    digest: str
    lacks: tuple[str, ...] = ()
    """Levers that its format does not support; a comment in it names them."""


class PlanBudget(Value):
    """Budget of the search, and how much of it was used."""

    unit: Literal["tokens", "minutes"]
    limit: float
    """Limit in that unit. A token that only goes forward counts a quarter of a trained one."""
    used_tokens: float
    used_minutes: float
    planned_run_tokens: float
    """Tokens of the user's own run, for comparison."""
    ended: str
    """Reason why the search ended."""
    needed_tokens: float | None = None
    """Tokens of a budget that holds the search to its end; None where this one did."""
    needed_minutes: float | None = None
    """The same in minutes of this machine, at the pace of this run."""
    estimated_minutes: float | None = None
    """Minutes of the whole plan as estimated after its first trial, to compare with those it used."""


class PlanProvenance(RunProvenance):
    """Everything that is needed to plan the same again."""

    base_model: ModelProvenance
    data: SourceProvenance
    held_out: int
    """Rows of the data that were not trained on."""
    config: SourceProvenance | None
    """None where TRL's own defaults were the plain config."""
    suites: tuple[SourceProvenance, ...]
    required: tuple[str, ...]
    protected_modules: tuple[str, ...]
    """The most fragile quarter, which trials may freeze or slow."""
    numerics: Numerics
    alpha: float
    num_search_items: int
    """Largest number of items per capability used to choose."""
    num_candidates: int = 1
    """Points for which the bounds that choose are corrected; 1 in documents of older versions."""
    prefer: Literal["gain", "safety"] = "gain"
    """Choice among points within the tolerances."""
    chosen_on: tuple[str, ...] = ()
    """Keys of the items that choose, as `item_key` makes them; empty in documents of older versions."""
    seed: int
    created: str
    """Time of writing, ISO 8601, UTC."""


class Plan(Document):
    """The document of `plan`."""

    schema_: Literal["driftline/plan/1"] = Field(default="driftline/plan/1", alias="schema")
    verdict: TestVerdict
    """pass: every required capability is retained and the target gained. fail: one is lost, or no
    protocol within the tolerances gains anything, by a search that ran to its end. inconclusive: the items or
    the budget do not settle it."""
    reasons: tuple[str, ...]
    chosen: PlanLook
    protocol: PlannedProtocol | None
    """None where the best that was found is the base itself."""
    target: PlannedGain
    margins_left: tuple[MarginLeft, ...]
    suite_claim: SuiteClaim
    claims: tuple[CapabilityClaim, ...]
    """Claims about the chosen point, on held-out items."""
    trials: tuple[PlanTrial, ...]
    looks: tuple[PlanLook, ...]
    """Every point of the search, in its order; the first is the base."""
    ablation: tuple[LeverAblation, ...]
    files: tuple[PlanFile, ...]
    budget: PlanBudget
    cost: Cost
    caveats: tuple[str, ...]
    provenance: PlanProvenance
