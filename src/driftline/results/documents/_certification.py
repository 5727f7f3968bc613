"""Does a tuned model keep what its base could do? What `certify` returns and writes."""

from typing import ClassVar, Literal

from pydantic import Field

from ...choices import TestMethod
from ...verdicts import ClaimVerdict, TestVerdict
from ..parts import (
    CertificationPolicy,
    Document,
    ModelProvenance,
    Numerics,
    RecoveryProbe,
    RunProvenance,
    SourceProvenance,
    Value,
)
from ._assessment import Cost
from ._weight_diff import Subject


class Flip(Value):
    """An item that one of the two models gets right and the other wrong."""

    id: str
    right: str | None
    """The right answer, which one of them gave; None where the scorer has no options."""
    wrong: str | None
    """Option or text of the wrong model; None if scores of an earlier version do not tell."""


class Flips(Value):
    """The items that changed sides."""

    lost: tuple[Flip, ...]
    """Base right, tuned wrong."""
    gained: tuple[Flip, ...]
    """Base wrong, tuned right."""
    chance_adjusted_loss: float | None
    """Share of items lost, less the share that guessing alone would lose:
    (1 - a_base) / (k - 1) * (1 - a_tuned), with k options (Harmon et al., arXiv 2510.17776). Below 0
    where fewer were lost than that; None without a chance level."""


class SequentialUse(Value):
    """Course of a claim whose scoring stopped as soon as the decision was clear."""

    num_scored: int
    """Items that were scored; the claim rests on those up to its decision, `num_items`."""
    num_available: int
    """Items of the capability."""
    num_looks: int
    """Batches after which the decision was looked for."""
    evidence_non_inferior: float | None
    """The e-value, at its highest, against a loss of the margin; retained at 1 / alpha. None where
    no test was made."""
    evidence_inferior: float | None
    """Evidence against a loss smaller than the margin."""


class CapabilityClaim(Value):
    """One capability of both models, on the same items, judged against its margin."""

    in_unit: ClassVar[tuple[str, ...]] = (
        "base",
        "tuned",
        "change",
        "low",
        "high",
        "loss_limit",
        "margin",
        "base_standard_error",
        "tuned_standard_error",
        "standard_error",
    )

    capability: str
    metric: str
    unit: str
    higher_is_better: bool
    num_items: int
    num_groups: int
    """Independent units of evidence."""
    base: float
    tuned: float
    change: float
    """tuned - base in the unit, whichever way is better."""
    low: float | None
    """Lower limit of the true change, one-sided at 1 - alpha; None where no test was made."""
    high: float | None
    """Upper limit, one-sided at 1 - alpha; None where no test was made."""
    loss_limit: float | None
    """The largest loss that the data leave possible: -low where higher is better, otherwise high."""
    margin: float
    """The loss that the suite accepts, fixed before the data; positive."""
    pvalue: float | None
    """P-value of "the loss is at least the margin"."""
    adjusted_pvalue: float | None
    """By Holm, over all claims of the document; a claim without a p-value counts there as 1."""
    verdict: ClaimVerdict
    """At alpha by itself."""
    adjusted_verdict: ClaimVerdict
    """Retained only if the adjusted p-value says so; a loss stands as it was found."""
    required: bool
    method: TestMethod
    reason: str | None
    """Reason why the verdict is inconclusive."""
    base_accuracy: float | None
    chance: float | None
    flips: Flips | None
    """None where an item is not right or wrong."""
    basis: Literal["test", "identical"] = "test"
    """identical: the tuned weights are the base's, bit for bit, so that the change is 0 without a
    test."""
    score_range: tuple[float, float] | None = None
    """The scores that an item can have, as the suite declares them; None where the metric has bounds
    of its own, or none."""
    max_group_size: int | None = None
    """The most items that a group can hold, as the suite declares it."""
    base_standard_error: float | None = None
    """Standard error of each model's mean, and of the paired change, over groups; None if items
    were not drawn at a fixed number, and in documents of earlier versions."""
    tuned_standard_error: float | None = None
    standard_error: float | None = None
    tuned_accuracy: float | None = None
    nats_change: float | None = None
    """tuned - base of the margin, of a probability, in documents of earlier versions."""
    sequential: SequentialUse | None = None
    """Course of a sequential claim; None if all items were scored regardless."""


class SuiteClaim(Value):
    """The claim about all required capabilities together."""

    claim: Literal["all required capabilities retained"] = "all required capabilities retained"
    verdict: ClaimVerdict
    pvalue: float | None
    """The largest of the required ones (intersection-union test); None where one has none."""
    num_required: int
    reason: str | None


class NoiseFloor(Value):
    """Change of the base's own scores when some of its items are scored twice."""

    in_unit: ClassVar[tuple[str, ...]] = ("largest_difference",)

    capability: str
    unit: str
    num_items: int
    """In the second scoring; 0 where there were too few for one."""
    largest_difference: float | None


class EqualItems(Value):
    """Items of one capability that are the same to the model and therefore count once."""

    capability: str
    kept: str
    """The id of the item that counts."""
    left_out: tuple[str, ...]
    """The ids of the others."""


class CertificationGuards(Value):
    """Checks of the comparison itself."""

    tuned_is_base: bool
    """Every weight is equal, bit for bit."""
    num_items_moved: int
    """Items of which any score differs between the two models."""
    num_items: int
    noise: tuple[NoiseFloor, ...]
    tokenizer: Literal["same tokens", "the base's", "not checked"]
    """`the base's` where the tuned model came without one; `not checked` for logs."""
    equal_items: tuple[EqualItems, ...] = ()
    """Items that count once; empty where all differ."""


class ChosenBy(Value):
    """A plan or a repair that chose the tuned model."""

    name: str
    """The name of its run, as the user gave it."""
    digest: str
    """`sha256:` and the hex digest of its document."""


class CertificationProvenance(RunProvenance):
    """Everything that is needed to compare the same again."""

    base: Subject
    tuned: Subject
    base_model: ModelProvenance | None
    """The base as it was opened, with the digest of its weights; None for logs, of which no weights were
    scored."""
    tuned_digest: str | None
    """Digest of the tuned weights as they were scored; None where they cannot be put into the base,
    since it is quantised or offloaded."""
    suites: tuple[SourceProvenance, ...]
    numerics: Numerics | None
    """Numerics of both models; None for logs."""
    policy: CertificationPolicy | None = None
    """Policy that fixed margins, tiers and alpha; None if suites and command line did."""
    alpha: float
    sequential: bool = False
    """True if items were scored in batches until each decision was clear."""
    chosen_by: tuple[ChosenBy, ...] = ()
    """Runs whose choosing items were left out."""
    num_left_out: dict[str, int] = Field(default_factory=dict)
    """Items of each capability that chose, or share a group with one that did; without those that lost none."""


class Certification(Document):
    """The document of `certify`."""

    schema_: Literal["driftline/certification/1"] = Field(
        default="driftline/certification/1", alias="schema"
    )
    verdict: TestVerdict
    """pass: all required capabilities are retained. fail: one of them is inferior."""
    suite_claim: SuiteClaim
    claims: tuple[CapabilityClaim, ...]
    guards: CertificationGuards
    recovery: tuple[RecoveryProbe, ...] | None = None
    """Recovery probes of inferior capabilities; None if not requested. They change no verdict."""
    cost: Cost
    caveats: tuple[str, ...]
    provenance: CertificationProvenance
