"""A repair of a damaged model: one capability given back, one that the items cannot settle."""

from driftline.results import (
    CapabilityRecovery,
    CellScale,
    Recovery,
    Repair,
    RepairedModel,
    RepairFamily,
    RepairLook,
    RepairProvenance,
    SourceProvenance,
    Subject,
    SuiteClaim,
    TargetRecovery,
)

from ..report.sample import build
from .certification_sample import KEPT, OPEN


def look(family="groups", label="layers 0-1 MLP by -0.25", **fields) -> RepairLook:
    return RepairLook(**{
        "family": family, "label": label, "target_gain": 1.2, "gain_share": 0.96,
        "kept_change": 0.71, "worst_capability": "facts", "worst_loss": 0.8, "damage": 1.1,
        "excess": 0.0, "meets_constraint": True, "is_on_front": True, **fields,
    })  # fmt: skip


def build_repair(text: str = "", **fields) -> Repair:
    """A repair whose names end in a text."""
    provenance = build().provenance
    tuned = look("ends", "tuned", target_gain=1.25, gain_share=1.0, kept_change=1.0, worst_loss=6.5,
                 damage=9.0, excess=8.0, meets_constraint=False)  # fmt: skip
    base = look("ends", "base", target_gain=0.0, gain_share=0.0, kept_change=0.0, worst_loss=0.0,
                damage=0.0, is_on_front=False)  # fmt: skip
    chosen = look(label=f"layers 0-1 MLP by -0.25{text}")
    file = SourceProvenance(name="adapter_model.safetensors", digest="sha256:" + "c" * 64)
    names = {KEPT.capability: True, OPEN.capability + text: False}
    claims = (KEPT, OPEN.model_copy(update={"capability": OPEN.capability + text}))
    return Repair(**{
        "verdict": "inconclusive",
        "reasons": (f"neither retained nor lost: {OPEN.capability}{text}",),
        "chosen": chosen,
        "scales": (
            CellScale(cell="embedding", scale=1.0, num_weights=1),
            CellScale(cell="layer 0 MLP", scale=0.75, num_weights=4),
            CellScale(cell="layer 0 attention", scale=0.75, num_weights=5),
        ),
        "recovery": Recovery(
            lost=(KEPT.capability,), tuned_damage=6.0, repaired_damage=1.5, given_back=0.75,
            reason=None,
            capabilities=tuple(
                CapabilityRecovery(
                    capability=name, unit="nats", required=True, num_items=60, tolerance=0.25,
                    was_lost=was_lost, tuned_change=-1.5, repaired_change=-0.375,
                    given_back=0.75, reason=None,
                )
                for name, was_lost in names.items()
            ),
        ),
        "target": TargetRecovery(
            metric="nll_nats", unit="nats per token", num_items=64, base=4.0, tuned=2.75,
            repaired=2.8, tuned_gain=1.25, repaired_gain=1.2, low=1.1, high=1.3,
            confidence_level=0.95, gain_share=0.96, reason=None,
        ),
        "families": (
            RepairFamily(family="ends", num_points=2, best=base),
            RepairFamily(family="groups", num_points=24, best=chosen),
        ),
        "looks": (tuned, base, chosen),
        "suite_claim": SuiteClaim(
            verdict="inconclusive", pvalue=None, num_required=2, reason="neither retained nor lost"
        ),
        "claims": claims,
        "output": RepairedModel(
            folder="repaired", kind="adapter", digest="sha256:" + "d" * 64, files=(file,)
        ),
        "cost": build().cost,
        "caveats": ("The first caveat.", f"The second caveat{text}."),
        "provenance": RepairProvenance(
            driftline_version="0.1.0", python_version="3.11", packages={"torch": "2"},
            command="repair",
            base=_subject("path/to/base", "model"),
            tuned=_subject(f"path/to/tuned{text}", "adapter"),
            base_model=provenance.model, data=provenance.data, suites=provenance.suites,
            numerics=provenance.numerics, alpha=0.05, max_cost=0.05, num_search_items=32, seed=0,
            created="2026-01-01T00:00:00+00:00",
        ),
        **fields,
    })  # fmt: skip


def _subject(source: str, kind: str) -> Subject:
    file = SourceProvenance(name="model.safetensors", digest="sha256:" + "a" * 64)
    return Subject(source=source, revision=None, kind=kind, files=(file,))
