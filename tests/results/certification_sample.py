"""A certification with one capability retained and one that the items cannot settle."""

from driftline.results import (
    CapabilityClaim,
    Certification,
    CertificationGuards,
    CertificationProvenance,
    Flip,
    Flips,
    NoiseFloor,
    SourceProvenance,
    Subject,
    SuiteClaim,
)

from ..report.sample import build

KEPT = CapabilityClaim(
    capability="facts",
    metric="accuracy",
    unit="share of items",
    higher_is_better=True,
    num_items=1200,
    num_groups=1200,
    base=0.9,
    tuned=0.895,
    change=-0.005,
    low=-0.014,
    high=0.004,
    loss_limit=0.014,
    margin=0.02,
    pvalue=0.004,
    adjusted_pvalue=0.008,
    verdict="non_inferior",
    adjusted_verdict="non_inferior",
    required=True,
    method="flips",
    reason=None,
    base_accuracy=0.9,
    chance=0.25,
    flips=Flips(
        lost=tuple(Flip(id=f"item-{i}", right=" Paris", wrong=None) for i in range(9)),
        gained=(Flip(id="won", right=" Rome", wrong=" Bern"),),
        chance_adjusted_loss=0.004,
    ),
)
OPEN = KEPT.model_copy(
    update={
        "capability": "bad\x1b[31mname",
        "metric": "nll_nats",
        "unit": "nats per token",
        "higher_is_better": False,
        "num_items": 12,
        "change": 0.25,
        "low": None,
        "high": None,
        "loss_limit": None,
        "pvalue": None,
        "adjusted_pvalue": None,
        "verdict": "inconclusive",
        "adjusted_verdict": "inconclusive",
        "method": "unbounded",
        "reason": "12 independent items are too few\x07",
        "base_accuracy": None,
        "chance": None,
        "flips": None,
    }
)


def _subject(source: str) -> Subject:
    file = SourceProvenance(name="model.safetensors", digest="sha256:00")
    return Subject(source=source, revision=None, kind="model", files=(file,))


def build_certification(*claims: CapabilityClaim) -> Certification:
    assessment = build()
    provenance = assessment.provenance
    return Certification(
        verdict="inconclusive",
        suite_claim=SuiteClaim(
            verdict="inconclusive",
            pvalue=None,
            num_required=2,
            reason="neither retained nor lost: bad\x1b[31mname",
        ),
        claims=claims or (KEPT, OPEN),
        guards=CertificationGuards(
            tuned_is_base=False,
            num_items_moved=700,
            num_items=1212,
            noise=(
                NoiseFloor(
                    capability="facts", unit="share of items", num_items=16, largest_difference=0.0
                ),
            ),
            tokenizer="same tokens",
        ),
        cost=assessment.cost,
        caveats=("The first caveat.", "The second \x1b[31mcaveat."),
        provenance=CertificationProvenance(
            driftline_version="0.1.0",
            python_version="3.11",
            packages={},
            command="certify",
            base=_subject("base"),
            tuned=_subject("tuned\x1b[2J"),
            base_model=provenance.model,
            tuned_digest=None,
            suites=provenance.suites,
            numerics=provenance.numerics,
            alpha=0.05,
            seed=0,
            created="2026-01-01T00:00:00+00:00",
        ),
    )
