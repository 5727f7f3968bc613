"""A finished training run under the monitor: what `train` returns and writes."""

from typing import ClassVar, Literal

from pydantic import Field

from ...verdicts import TrainingVerdict
from ..parts import Document, Provenance, Value
from ._comparison import TargetGain


class CapabilityCourse(Value):
    """One capability along the run, on the monitor's items."""

    in_unit: ClassVar[tuple[str, ...]] = ("tolerance", "change", "largest_loss", "standard_error")

    capability: str
    metric: str
    unit: str
    tolerance: float
    required: bool
    num_items: int
    num_groups: int | None = None
    """Independent units of evidence; None in documents of earlier versions."""
    change: float | None
    """Change of the final weights: tuned - base, mean over items; None if no check finished."""
    standard_error: float | None = None
    """Standard error of the change, over groups of items."""
    base_accuracy: float | None = None
    """Share of items that the base gets right, where the scorer has options."""
    accuracy: float | None = None
    """The same of the weights that the run ended with."""
    within_tolerance: bool | None
    """None if no check finished, or the base is no better than guessing, so that nothing can be lost."""
    largest_loss: float | None
    """Along the run; positive is worse."""
    largest_loss_step: int | None
    alarm_step: int | None
    """Step of the first alarm that named it; None if none did."""


class MonitorAlarm(Value):
    """One alarm."""

    step: int
    detector: str
    capabilities: tuple[str, ...]
    evidence: tuple[str, ...]
    """In words; the strongest first."""
    action: str
    averted: bool = False
    """The step was not taken as it was looked at, so that this loss never came to be."""


class LossPoint(Value):
    """One check."""

    in_unit: ClassVar[tuple[str, ...]] = ("losses", "standard_errors")

    step: int
    losses: dict[str, float]
    """Mean loss of each capability, in its own unit; positive is worse."""
    standard_errors: dict[str, float] | None = None
    """Standard errors of these, over groups of items."""
    kl_suite_nats: float
    representation_drift: float | None
    update_relative_norm: float | None
    steps_left: float | None


class TrainingCost(Value):
    """Cost of the run and of its monitor."""

    wall_seconds: float
    """Seconds of this process; a resumed run had others before."""
    monitor_seconds: float
    monitor_share: float
    """Share of this process's wall time."""


class TrainingRun(Document):
    """The document of `train`.

    `no_alarm`: the run ended as planned, no alarm, and every required capability ended within its
    tolerance on the monitor's items; whether it is retained is for a certificate to say. `unsafe`: an alarm stands, and the weights were not rolled back
    to safe ones. `inconclusive`: anything else; a rolled-back run is safe to keep and not what was
    planned.
    """

    schema_: Literal["driftline/train/1"] = Field(default="driftline/train/1", alias="schema")
    verdict: TrainingVerdict
    reasons: tuple[str, ...]
    num_steps: int
    """Optimiser steps that were taken."""
    planned_steps: int
    probe_steps: int | None = None
    """Steps that a probe had trained before, where the run was continued from its checkpoint."""
    rolled_back_to: int | None
    """The step whose weights were saved, where a roll-back ended the run."""
    every_steps: int
    alpha: float
    capabilities: tuple[CapabilityCourse, ...]
    alarms: tuple[MonitorAlarm, ...]
    checks: tuple[LossPoint, ...]
    target: TargetGain | None = None
    """Gain on rows that were held out and not trained on; None where there were none."""
    best_step: int | None = None
    """The step whose weights were kept, where the trainer loaded its best checkpoint at the end."""
    planned_by: str | None = None
    """Run folder of the plan that chose the protocol; None where none did, or where the protocol lies elsewhere."""
    model_folder: str
    """Beside the document: the tuned model or adapter, ready for `certify`."""
    cost: TrainingCost
    caveats: tuple[str, ...]
    provenance: Provenance
