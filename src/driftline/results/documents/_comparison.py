"""The document of `compare` with checkpoints: which one keeps everything and gains most."""

from typing import Literal

from pydantic import Field

from ...verdicts import KeepVerdict, TestVerdict
from ..parts import Document, ModelProvenance, Numerics, RunProvenance, SourceProvenance, Value
from ._assessment import Cost
from ._certification import CapabilityClaim, EqualItems
from ._weight_diff import Subject


class TargetGain(Value):
    """The gain of a checkpoint over the base in predicting the target rows."""

    gain: float
    """base - tuned, mean loss in nats a token over rows; positive is better."""
    standard_error: float | None
    """Standard error of the paired difference, over groups of rows with the same prompt."""
    low: float | None
    """90 % interval of the gain (Student-t over groups)."""
    high: float | None
    base_nats: float
    tuned_nats: float
    num_rows: int
    num_groups: int


class ComparedCheckpoint(Value):
    """One checkpoint or adapter, judged against the base."""

    label: str
    source: str
    kind: Literal["model", "adapter"]
    step: int | None
    """Optimiser step, from the name of its folder; None where the name says none."""
    digest: str | None
    """Digest of the weights as they were scored; None where the base is quantised or offloaded."""
    is_base: bool
    """The weights are the base's, bit for bit."""
    verdict: KeepVerdict
    """kept: every required capability is within its tolerance. lost: one of them is not. Both hold for
    all checkpoints of the document together."""
    reason: str | None
    """The capabilities that the verdict is about; None where it is kept."""
    pvalue: float | None
    """P-value of "some required capability lost at least its tolerance"; None where a test has none."""
    adjusted_pvalue: float | None
    """The p-value corrected by Holm over the checkpoints."""
    worst_capability: str | None
    """The required capability with the largest loss in tolerances; None where none is required."""
    worst_loss: float | None
    """The loss of `worst_capability`, in tolerances: above 1 the tolerance is passed, below 0 nothing was
    lost."""
    worst_low: float
    """90 % interval of the largest loss in tolerances, by resampling items."""
    worst_high: float
    gain: TargetGain | None
    """None without target rows."""
    probability_safest: float | None
    """Probability that its worst loss is the smallest, by resampling items."""
    probability_best: float | None
    """Probability that it keeps everything and gains most among those that do, by resampling items and
    rows."""
    probability_keeps: float | None
    """Probability that every required loss is within its tolerance, by resampling items; the verdict is
    by tests."""
    trainer_value: float | None
    """The trainer's own evaluation at its step, in the history's metric."""
    claims: tuple[CapabilityClaim, ...]
    """Capability by capability at alpha; `adjusted_pvalue` is by Holm over all claims of the document."""


class TrainerEvaluation(Value):
    """One evaluation that the trainer made."""

    step: int
    value: float


class TrainerHistory(Value):
    """The trainer's own record of a run, from its trainer_state.json."""

    file: str
    metric: str
    higher_is_better: bool
    evaluations: tuple[TrainerEvaluation, ...]
    best_step: int
    best_value: float
    saved_steps: tuple[int, ...]
    """The steps of the checkpoints on disk."""
    is_best_saved: bool


class ComparisonProvenance(RunProvenance):
    """Everything that is needed to compare the same again."""

    base: Subject
    base_model: ModelProvenance
    checkpoints: tuple[Subject, ...]
    suites: tuple[SourceProvenance, ...]
    data: SourceProvenance | None
    numerics: Numerics
    alpha: float
    num_draws: int
    """Number of resamples behind the probabilities."""


class Comparison(Document):
    """The document of `compare` with checkpoints."""

    schema_: Literal["driftline/comparison/1"] = Field(
        default="driftline/comparison/1", alias="schema"
    )
    verdict: TestVerdict
    """pass: a checkpoint keeps everything. fail: each one is shown to have lost something."""
    recommended: str | None
    """Label of the checkpoint that is kept and gains most; without target rows, of the one that is kept
    with the smallest worst loss. None where none is kept."""
    checkpoints: tuple[ComparedCheckpoint, ...]
    histories: tuple[TrainerHistory, ...]
    """One a training run, where the trainer left evaluations."""
    equal_items: tuple[EqualItems, ...]
    """Items that count once, being the same to the model."""
    cost: Cost
    caveats: tuple[str, ...]
    provenance: ComparisonProvenance
