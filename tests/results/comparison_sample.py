"""A comparison of checkpoints, and one of configs."""

from driftline.results import (
    ComparedCheckpoint,
    ComparedConfig,
    Comparison,
    ComparisonProvenance,
    ComparisonRound,
    ConfigComparison,
    ConfigComparisonProvenance,
    SourceProvenance,
    Subject,
    TargetGain,
    TrainerEvaluation,
    TrainerHistory,
)

from ..report.sample import build
from .certification_sample import KEPT, OPEN

FILE = SourceProvenance(name="file", digest="sha256:00")


def subject(source: str) -> Subject:
    return Subject(source=source, revision=None, kind="model", files=(FILE,))


def checkpoint(step: int, text: str = "", **fields) -> ComparedCheckpoint:
    gain = TargetGain(
        gain=step / 1000, standard_error=0.01, low=step / 1000 - 0.02, high=step / 1000 + 0.02,
        base_nats=3.0, tuned_nats=3.0 - step / 1000, num_rows=100, num_groups=90,
    )  # fmt: skip
    claims = (KEPT, OPEN.model_copy(update={"capability": OPEN.capability + text}))
    usual = {
        "label": f"checkpoint-{step}{text}", "source": f"out/checkpoint-{step}{text}",
        "kind": "model", "step": step, "digest": "sha256:01", "is_base": False, "verdict": "kept",
        "reason": None, "pvalue": 0.004, "adjusted_pvalue": 0.012, "worst_capability": "facts" + text,
        "worst_loss": 0.4, "worst_low": 0.1, "worst_high": 0.7, "gain": gain,
        "probability_safest": 0.7, "probability_best": 0.6, "probability_keeps": 0.99,
        "trainer_value": 1.5, "claims": claims,
    }  # fmt: skip
    return ComparedCheckpoint(**{**usual, **fields})


def build_comparison(text: str = "", *, has_gain: bool = True, **fields) -> Comparison:
    """A comparison whose names end in a text: one checkpoint is kept, one open, one lost."""
    gain = {} if has_gain else {"gain": None, "probability_best": None}
    rows = (
        checkpoint(100, text, **gain),
        checkpoint(
            200, text, verdict="inconclusive", reason=f"not shown to be kept: {OPEN.capability}{text}",
            pvalue=None, adjusted_pvalue=None, worst_loss=0.9, worst_low=0.5, worst_high=1.4, **gain,
        ),
        checkpoint(
            300, text, verdict="lost", reason=f"lost beyond the tolerance: facts{text}",
            worst_loss=6.0, worst_low=5.0, worst_high=7.0, **gain,
        ),
    )  # fmt: skip
    history = TrainerHistory(
        file=f"out{text}/trainer_state.json", metric=f"eval_loss{text}", higher_is_better=False,
        evaluations=tuple(
            TrainerEvaluation(step=step, value=value)
            for step, value in ((100, 1.5), (150, 1.2), (200, 1.3), (300, 1.6))
        ),
        best_step=150, best_value=1.2, saved_steps=(100, 200, 300), is_best_saved=False,
    )  # fmt: skip
    assessment = build()
    usual = {
        "verdict": "pass", "recommended": f"checkpoint-100{text}", "checkpoints": rows,
        "histories": (history,), "equal_items": (), "cost": assessment.cost,
        "caveats": ("The first caveat.", f"The second caveat{text}."),
        "provenance": ComparisonProvenance(
            driftline_version="0.1.0", python_version="3.11", packages={}, command="compare",
            base=subject(f"base{text}"), base_model=assessment.provenance.model,
            checkpoints=tuple(subject(row.source) for row in rows),
            suites=assessment.provenance.suites, data=FILE,
            numerics=assessment.provenance.numerics, alpha=0.05, num_draws=2000, seed=0,
            created="2026-01-01T00:00:00+00:00",
        ),
    }  # fmt: skip
    return Comparison(**{**usual, **fields})


def planned(name: str, text: str = "", **fields) -> ComparedConfig:
    usual = {
        "label": f"{name}{text}", "config": FILE, "data": FILE, "verdict": "safe", "probe": 0.3,
        "dropped_after": None, "largest_probability_lost": 0.05, "worst_capability": f"world_facts{text}",
        "worst_loss": 0.3, "worst_low": 0.0, "worst_high": 0.6, "probability_safest": 0.8,
        "gain": 0.5, "gain_low": 0.3, "gain_high": 0.7, "gain_confidence_level": 0.9,
        "forecast": build({"world_facts": f"world_facts{text}"}).forecast,
    }  # fmt: skip
    return ComparedConfig(**{**usual, **fields})


def build_config_comparison(text: str = "", **fields) -> ConfigComparison:
    """A comparison whose names end in a text: one config is safe, one dropped out."""
    assessment = build()
    names = (f"gentle.yaml{text}", f"rough.yaml{text}")
    usual = {
        "verdict": "pass", "safest": names[0], "recommended": names[0],
        "configs": (
            planned("gentle.yaml", text),
            planned(
                "rough.yaml", text, verdict="unsafe", probe=0.1, dropped_after=1,
                largest_probability_lost=0.995, worst_loss=9.0, worst_low=6.0, worst_high=12.0,
                probability_safest=0.2,
            ),
        ),
        "rounds": (
            ComparisonRound(probe=0.1, forecast=names, dropped=names[1:]),
            ComparisonRound(probe=0.3, forecast=names[:1], dropped=()),
        ),
        "cost": assessment.cost,
        "caveats": ("The first caveat.", f"The second caveat{text}."),
        "provenance": ConfigComparisonProvenance(
            driftline_version="0.1.0", python_version="3.11", packages={}, command="compare",
            model=assessment.provenance.model, suites=assessment.provenance.suites,
            numerics=assessment.provenance.numerics, num_items=64, dropped_from=0.9, seed=0,
            created="2026-01-01T00:00:00+00:00",
        ),
    }  # fmt: skip
    return ConfigComparison(**{**usual, **fields})
