"""The assessment: what `assess`, `margin`, `map` and `forecast` return and write."""

import time
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from ...verdicts import ForecastVerdict, LossVerdict
from ..parts import (
    BeliefSpace,
    Document,
    ForecastExplanation,
    KeptCheckpoint,
    ProbeReading,
    Provenance,
    RowGains,
    SafeEnvelope,
    Value,
)

Probability = Annotated[float, Field(gt=0, lt=1)]
LARGEST_RISK = 0.5
"""Accepted risks are below it: else a run could be safe and unsafe at once."""


class CapabilityScore(Value):
    """One capability of one model, measured."""

    in_unit: ClassVar[tuple[str, ...]] = ("value", "low", "high", "standard_error", "tolerance")

    capability: str
    description: str = ""
    metric: str
    unit: str
    higher_is_better: bool
    value: float
    low: float
    """Lower end of the interval for the mean over items of this kind (Student t, clustered; of
    right or wrong items Korn and Graubard's)."""
    high: float
    standard_error: float | None = None
    """Standard error of the value, over groups of items of this kind; None in documents of earlier
    versions."""
    confidence_level: Probability
    num_items: int
    num_groups: int | None = None
    """Independent units of evidence; the interval has one degree of freedom less."""
    accuracy: float | None = None
    chance: float | None = None
    """Expected accuracy of a guess, where the capability has one."""
    tolerance: float
    required: bool
    nothing_to_lose: str | None = None
    """Reason why the model cannot lose the capability: it is not shown to beat guessing, or the
    tolerance allows a fall to it. None if it has the capability, or guessing has no meaning."""


class CurvePoint(Value):
    """One point of a curve; of a path it is predicted beyond `StabilityMargin.measured_steps`."""

    in_unit: ClassVar[tuple[str, ...]] = ("value",)

    scale: float
    """Relative norm for a radius, optimiser steps for a path."""
    value: float
    """Change of the capability, tuned - base, in its own unit."""


class MarginTail(Value):
    """The radius below which a small share of all random directions pass the tolerance."""

    share_of_directions: Probability
    critical_relative_norm: float | None
    """None where some direction does not pass within the range that was looked at."""
    low: float | None
    high: float | None


class StabilityMargin(Value):
    """Distance that the weights may move before one capability passes its tolerance.

    A `radius` is a norm relative to the base weights along one kind of direction. A `path` is in
    the config's own units along real training. A number that is None has its reason in `reason`.
    """

    in_unit: ClassVar[tuple[str, ...]] = ("tolerance", "base_value", "base_standard_error")

    capability: str
    kind: Literal["radius", "path"]
    direction: str
    tolerance: float
    unit: str
    base_value: float
    base_standard_error: float | None = None
    num_items: int | None = None
    """Items that it was measured on; None in documents of earlier versions."""
    num_groups: int | None = None
    low: float | None
    """Lower end of the interval for the critical number (relative norm, or steps)."""
    high: float | None
    """Upper end; None where the measured range does not bound it."""
    confidence_level: Probability
    critical_relative_norm: float | None = None
    """Over random directions their median."""
    num_directions: int | None = None
    """Number of directions behind the radius; None for a path."""
    tail: MarginTail | None = None
    """None where there is one direction only."""
    critical_steps: float | None = None
    critical_learning_rate: float | None = None
    """The peak rate at which the planned number of steps would just stay within the tolerance."""
    critical_learning_rate_low: float | None = None
    """Lower end of its range, from the ranges of the largest loss and of its power of the rate."""
    critical_learning_rate_high: float | None = None
    used_fraction: float | None = None
    """Planned learning rate as a share of the critical one; above 1 the margin is overdrawn."""
    measured_steps: int | None = None
    """Number of a path's steps that were really trained; beyond them its curve is predicted."""
    reason: str | None = None
    curve: tuple[CurvePoint, ...]


class ModuleFragility(Value):
    """Loss of one capability per unit of relative update in one module alone.

    `sensitivity * relative_norm` is the loss that taking back the probe's update of this module
    would give back, to first order, at the end of the probe.
    """

    in_unit: ClassVar[tuple[str, ...]] = ("sensitivity", "low", "high")

    module: str
    layer: int | None
    role: str
    capability: str
    sensitivity: float
    """Loss of the capability per unit of relative update: positive means that it falls."""
    unit: str
    low: float
    high: float
    rank: int
    """1 is the most fragile module for this capability."""
    relative_norm: float | None = None
    """||update||_F / ||W||_F of the probe's update in this module; None where nobody wrote it."""
    num_parameters: int | None = None

    @property
    def loss(self) -> float | None:
        """The loss that taking back the probe's update of this module would give back."""
        return None if self.relative_norm is None else self.sensitivity * self.relative_norm


class ModuleNoise(Value):
    """Cost of moving one module's weights at random as far as the probe moved them.

    The expected divergence is r^2 / 2 * tr F, with r the root mean square of the weights' change and
    F the Fisher information of the module at texts of the suite.
    """

    module: str
    layer: int | None
    role: str
    num_parameters: int
    root_mean_square_change: float
    expected_kl_nats: float
    """D_KL(base || moved), nats per token."""
    low: float
    """Lower end of the interval over draws of labels; texts are not drawn again."""
    high: float


class LayerRegion(Value):
    """The directions of one layer's hidden states that matter for one capability.

    They span the gradients of the capability's losses with respect to the states that leave the
    layer. A share is of energy, sum of squared gradients. A number that is None has its reason in
    `reason`.
    """

    capability: str
    layer: int
    width: int
    participation_ratio: float | None
    """(tr C)^2 / tr(C^2) of the gradients' uncentred second moment, over pairs of items."""
    dimension: int | None
    """Directions that are taken for the region: the participation ratio, rounded."""
    own_share: float | None
    """Share of the capability's gradients on items that the region was not computed from."""
    data_share: float | None
    """Share of the planned data's gradients: how much of the training signal touches the region."""
    random_share: float | None
    """dimension / width: what gradients without preference would have in the region."""
    reason: str | None = None


class CapabilityForecast(Value):
    """Predicted effect of the planned run on one capability, with a prediction interval."""

    in_unit: ClassVar[tuple[str, ...]] = (
        "base_value",
        "base_standard_error",
        "predicted_change",
        "low",
        "high",
        "tolerance",
        "measured_change",
        "measured_standard_error",
    )

    capability: str
    metric: str
    unit: str
    base_value: float
    base_standard_error: float | None = None
    predicted_change: float
    """tuned - base at the end of the run: the median of the forecast."""
    low: float
    high: float
    confidence_level: Probability
    tolerance: float
    required: bool
    at_risk: bool
    """The predicted change passes the tolerance; false where the verdict is `not_shown`."""
    verdict: LossVerdict
    """`retained` where `probability_lost` is at most the accepted risk, `lost` where it is at least 1 - risk
    or the loss was measured and stays with a probability above 0.65; `not_shown` where the base is not
    shown to have the capability, so that it can be neither."""
    probability_lost: float | None = Field(default=None, ge=0, le=1)
    """Probability that the run ends beyond the tolerance; None in documents of earlier versions."""
    measured_change: float | None = None
    """At the end of the probe."""
    measured_standard_error: float | None = None
    is_measured_lost: bool = False
    """The measured loss is beyond the tolerance, with 95 % confidence."""
    novelty: float | None = None
    """Factor by which the spread of what is to come is larger because the run lies outside of what was
    calibrated on: another model, or learning rates or lengths beyond those of the finished runs."""


class ForecastAdvice(Value):
    """The one thing to do next."""

    action: Literal["train", "lower_learning_rate", "fewer_steps", "measure_more", "give_items"]
    """`train` as planned; train at `learning_rate`; train `num_steps`; train a longer probe, or score
    `num_items`; give items that the base can answer."""
    learning_rate: float | None = None
    """The largest peak rate, at most the planned one, at which the probability of any loss is at most the
    accepted risk; None where none was found above a hundredth of the planned one."""
    probability_any_lost: float | None = None
    """At that learning rate, after that many steps, or as planned."""
    num_steps: int | None = None
    """The most steps that keep the accepted risk; None where they are not the cheapest change."""
    num_items: int | None = None
    """Items of each capability with which the run is forecast to be decided; None where more items are not
    what helps."""
    changes: dict[str, JsonValue] = Field(default_factory=dict)
    """Fields of the config that are recommended to change, in TRL's words."""
    config_file: str | None = None
    """Name of the config with these changes in the run folder; None where none was written."""
    sentence: str
    """In words."""


class TargetForecast(Value):
    """Predicted effect of the planned run on its own task: mean NLL of a sample of its data."""

    metric: str
    unit: str
    base_value: float
    predicted_change: float
    low: float
    high: float
    confidence_level: Probability
    """As high as the calibration allows, at most that of the capabilities."""
    num_items: int
    num_groups: int | None = None
    base_standard_error: float | None = None


class Cost(Value):
    """Cost of the answer."""

    wall_seconds: float
    tokens_forward: int
    tokens_backward: int
    fraction_of_planned_run: float | None
    """Optimiser steps taken for the answer as a share of the planned steps."""

    @classmethod
    def since(
        cls, started: float, *, forward: int = 0, backward: int = 0, share: float | None = None
    ) -> "Cost":
        """Sum up the cost of an answer that was begun at a time of the monotonic clock."""
        return cls(
            wall_seconds=round(time.monotonic() - started, 1),
            tokens_forward=forward,
            tokens_backward=backward,
            fraction_of_planned_run=share,
        )


class Assessment(Document):
    """The document of the main job and of its parts; a part that was not asked for is empty."""

    schema_: Literal[
        "driftline/assess/1", "driftline/margin/1", "driftline/map/1", "driftline/forecast/1"
    ] = Field(alias="schema")
    verdict: ForecastVerdict | None
    """None where the command does not judge the config (`map`)."""
    reasons: tuple[str, ...]
    """Reasons of the verdict, most important first."""
    risk: float | None = None
    """Accepted probability that a required capability ends beyond its tolerance."""
    probability_any_lost: float | None = Field(default=None, ge=0, le=1)
    """Probability that any required capability ends beyond its tolerance; None without a forecast."""
    advice: ForecastAdvice | None = None
    """The one thing to do; None where the command does not judge the config."""
    scores: tuple[CapabilityScore, ...]
    margins: tuple[StabilityMargin, ...] = ()
    envelope: SafeEnvelope | None = None
    fragility: tuple[ModuleFragility, ...] = ()
    target_fragility: tuple[ModuleFragility, ...] = ()
    """The same of the run's own task: negative where a module's update serves it."""
    noise: tuple[ModuleNoise, ...] = ()
    protect: tuple[str, ...] = ()
    """Most fragile modules, up to a quarter of the parameters inside layers; empty under an
    adapter, or if no required capability could be mapped."""
    protect_share: float | None = None
    """The share of the parameters inside layers that `protect` holds; None without it."""
    unmapped: tuple[str, ...] = ()
    """Modules that the probe moves and that could not be mapped."""
    unmapped_share: float | None = None
    """Their share of the parameters inside layers; None without a map."""
    map_failure: str | None = None
    """Reason why the report has no map, if it should have one."""
    regions: tuple[LayerRegion, ...] = ()
    forecast: tuple[CapabilityForecast, ...] = ()
    target: TargetForecast | None = None
    row_gains: RowGains | None = None
    """Gain on rows that the probe trained on, and on others; None where no other rows are known."""
    method: str = "driftline"
    """Method of the forecast; the name of a baseline if one was requested."""
    probe: ProbeReading | None = None
    """Measurements behind the forecast; with the outcome of the run, `driftline calibrate` reads
    them."""
    explanation: ForecastExplanation | None = None
    belief_space: BeliefSpace | None = None
    """None where it was not asked for, or, as a caveat says, cannot be watched."""
    checkpoint: KeptCheckpoint | None = None
    """Checkpoint of the probe's last step; None if none was kept."""
    cost: Cost
    caveats: tuple[str, ...]
    provenance: Provenance

    @property
    def not_shown(self) -> frozenset[str]:
        """Capabilities that the base is not shown to have: they can be neither lost nor kept, and decide nothing."""
        return frozenset(s.capability for s in self.scores if s.nothing_to_lose is not None)
