"""A plan that found a protocol: one lever bought something, one was dropped, one was not measured."""

from driftline.results import (
    LeverAblation,
    LeverSetting,
    MarginLeft,
    Plan,
    PlanBudget,
    PlanFile,
    PlanLook,
    PlannedGain,
    PlannedProtocol,
    PlanProvenance,
    PlanTrial,
    SuiteClaim,
)

from ..report.sample import build
from .certification_sample import KEPT, OPEN


def look(**fields) -> PlanLook:
    return PlanLook(**{
        "trial": 2, "step": 60, "scale": 0.75, "parts": {}, "target_gain": 1.2, "worst_capability": "facts",
        "worst_loss": 0.6, "excess": 0.0, "meets_constraint": True, "is_on_front": True, **fields,
    })  # fmt: skip


BASE = look(trial=None, step=0, scale=0.0, target_gain=0.0, worst_loss=0.0)
BEYOND = look(scale=1.0, target_gain=1.5, worst_loss=2.5, excess=2.0, meets_constraint=False)
CHOSEN = look()


def ablation(**fields) -> LeverAblation:
    return LeverAblation(**{
        "lever": "KL to the base", "value": "0.1", "plain": "0", "gain_with": 1.2,
        "gain_without": 0.9, "worst_loss_with": 0.6, "worst_loss_without": 0.5, "bought": 0.3,
        "was_dropped": False, "reason": None, **fields,
    })  # fmt: skip


def trial(number: int, **fields) -> PlanTrial:
    return PlanTrial(**{
        "number": number, "purpose": "search", "state": "finished", "settings": (),
        "num_steps": 60, "best": CHOSEN, "tokens_trained": 12_000, "wall_seconds": 40.0,
        "reason": None, **fields,
    })  # fmt: skip


def build_plan(text: str = "", **fields) -> Plan:
    """A plan whose names end in a text."""
    provenance = build().provenance
    settings = (
        LeverSetting(lever="method", value="LoRA", plain="full fine-tuning"),
        LeverSetting(lever=f"KL to the base{text}", value="0.1", plain="0"),
    )
    claims = (KEPT, OPEN.model_copy(update={"capability": OPEN.capability + text}))
    return Plan(**{
        "verdict": "inconclusive",
        "reasons": (f"neither retained nor lost: {OPEN.capability}{text}",),
        "chosen": CHOSEN,
        "protocol": PlannedProtocol(
            config={"learning_rate": 1e-3, "use_peft": True},
            levers={"kl_to_base": 0.1, "interpolation": 0.75},
            num_steps=60,
            settings=settings,
        ),
        "target": PlannedGain(
            metric="nll_nats", unit="nats per token", num_items=64, base=4.0, tuned=2.8, gain=1.2,
            low=1.1, high=1.3, confidence_level=0.95,
        ),
        "margins_left": tuple(
            MarginLeft(
                capability=claim.capability, required=claim.required, unit=claim.unit,
                tolerance=claim.margin, loss=-claim.change if claim.higher_is_better else claim.change, loss_limit=claim.loss_limit,
                left=None if claim.loss_limit is None else 1 - claim.loss_limit / claim.margin,
                reason=claim.reason,
            )
            for claim in claims
        ),
        "suite_claim": SuiteClaim(
            verdict="inconclusive", pvalue=None, num_required=2, reason="neither retained nor lost"
        ),
        "claims": claims,
        "trials": (
            trial(0, best=look(trial=0, target_gain=0.7)),
            trial(1, state="stopped", best=None, reason=f"after 12 of 60 steps{text}"),
            trial(2, settings=settings),
            trial(3, purpose="KL to the base", best=BEYOND),
        ),
        "looks": (BASE, CHOSEN, BEYOND),
        "ablation": (
            ablation(),
            ablation(lever="entropy-gated loss", bought=-0.01, was_dropped=True),
            ablation(lever="steps", gain_without=None, worst_loss_without=None, bought=None,
                     reason="the budget did not hold it"),
        ),
        "files": (
            PlanFile(name="protocol.yaml", digest="sha256:" + "c" * 64),
            PlanFile(name="trl.yaml", digest="sha256:" + "d" * 64, lacks=("kl_to_base",)),
        ),
        "budget": PlanBudget(
            unit="tokens", limit=400_000, used_tokens=310_000.5, used_minutes=4.5,
            planned_run_tokens=15_000, ended="3 trials were run, the most that is allowed",
        ),
        "cost": build().cost,
        "caveats": ("The first caveat.", f"The second caveat{text}."),
        "provenance": PlanProvenance(
            driftline_version="0.1.0", python_version="3.11", packages={"torch": "2"},
            command="plan", base_model=provenance.model, data=provenance.data, held_out=40,
            config=provenance.config, suites=provenance.suites, required=("facts",),
            protected_modules=("model.layers.0.mlp.up_proj",), numerics=provenance.numerics,
            alpha=0.05, num_search_items=32, seed=0, created="2026-01-01T00:00:00+00:00",
        ),
        **fields,
    })  # fmt: skip
