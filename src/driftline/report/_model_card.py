"""A certification for a Hugging Face model card: evaluation results, and a section to read."""

import html
import re
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from ..results import CapabilityClaim, Certification
from ..results.readings import (
    CLAIM_WORDS,
    clean,
    in_points,
    items_in_groups,
    number,
    with_error,
    with_rise,
)
from .tables import pvalue_text
from .terminal import outcome_sentence, recovery_sentence

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$@:])")
"""Characters with a meaning in Markdown, in its tables, or in the rendering of either by the hub."""


def render_model_card(document: Certification) -> str:
    """Write a certification as a model card of its own.

    It stands as a card, and its two parts can be moved into another: the YAML block holds one
    evaluation result a capability under `model-index`, as `huggingface_hub.metadata_load` reads it,
    and what follows is a section for people. Folders of this machine are in neither.

    Args:
        document: The certification.

    Returns:
        Markdown behind a YAML block.
    """
    data = ModelCardData(
        model_name=_model_name(document),
        eval_results=[_result(claim, document) for claim in document.claims],
    )
    return f"---\n{data.to_yaml()}\n---\n\n{_section(in_points(document))}"


def _model_name(document: Certification) -> str:
    return clean(Path(document.provenance.tuned.source).name) or "model"


def _result(claim: CapabilityClaim, document: Certification) -> EvalResult:
    """Make the result of a claim: the tuned model's value, and the claim about its change."""
    name = clean(claim.capability)
    claimed = {
        "base": claim.base,
        "change": claim.change,
        "low": claim.low,
        "high": claim.high,
        "margin": claim.margin,
        "alpha": document.provenance.alpha,
        "pvalue": claim.pvalue,
        "verdict": claim.verdict,
        "required": claim.required,
        "num_items": claim.num_items,
        "num_groups": claim.num_groups,
        "standard_error": claim.standard_error,
    }
    return EvalResult(
        task_type="text-generation",
        dataset_type="driftline-suite",
        dataset_name=name,
        # Results are collected by type and config, so the name alone would not part them.
        dataset_config=name,
        metric_type=clean(claim.metric),
        metric_name=clean(f"{claim.metric} ({claim.unit})"),
        metric_value=claim.tuned,
        metric_args={key: value for key, value in claimed.items() if value is not None},
    )


def _section(document: Certification) -> str:
    suite, provenance = document.suite_claim, document.provenance
    lines = [
        "## Certification of a tuned model",
        "",
        f"**{document.verdict.upper()}**: {_escaped(outcome_sentence(document))}.",
        "",
        f"Paired with the base on the same items; a capability is retained where its loss is shown to be "
        f"below its margin, at alpha = {provenance.alpha:g}. All required ones together: "
        f"{CLAIM_WORDS[suite.verdict]}, p = {pvalue_text(suite.pvalue)} (intersection-union).",
        "",
        "| capability | metric | items in groups | base | tuned | change | loss below | margin | p | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_row(claim) for claim in document.claims),
        "",
        *(
            f"- {_escaped(f'{claim.capability} is inconclusive: {claim.reason}')}"
            for claim in document.claims
            if claim.reason
        ),
        *(
            f"- Recovery probe, {_escaped(recovery_sentence(probe))}"
            for probe in document.recovery or ()
        ),
        *(f"- {_escaped(caveat)}" for caveat in document.caveats),
        "",
        f"Suites: {', '.join(f'{_escaped(s.name)} ({_code(s.digest)})' for s in provenance.suites)}.",
        f"{_kind(document)}: {_files(document)}. Driftline {_escaped(provenance.driftline_version)}.",
    ]
    if provenance.policy is not None:
        lines.append(
            f"Policy: {_escaped(provenance.policy.name)} ({_code(provenance.policy.digest)})."
        )
    return "\n".join(lines) + "\n"


def _kind(document: Certification) -> str:
    is_log = document.provenance.tuned.kind == "log"
    return (
        "Log of the tuned model, whose weights Driftline did not score"
        if is_log
        else "Tuned weights"
    )


def _row(claim: CapabilityClaim) -> str:
    cells = (
        _escaped(claim.capability) + ("" if claim.required else " (watched)"),
        _escaped(f"{claim.metric}, {claim.unit}"),
        items_in_groups(claim.num_items, claim.num_groups),
        number(claim.base),
        number(claim.tuned),
        with_rise(_change(claim), claim.unit, claim.change),
        with_rise(number(claim.loss_limit), claim.unit, claim.loss_limit),
        with_rise(number(claim.margin), claim.unit, claim.margin),
        pvalue_text(claim.pvalue),
        CLAIM_WORDS[claim.verdict],
    )
    return f"| {' | '.join(cells)} |"


def _change(claim: CapabilityClaim) -> str:
    return with_error(number(claim.change, signed=True), claim.standard_error)


def _files(document: Certification) -> str:
    files = document.provenance.tuned.files
    return ", ".join(f"{_escaped(file.name)} ({_code(file.digest)})" for file in files)


def _escaped(text: str) -> str:
    """Escape a text so that Markdown and HTML show it as it is."""
    marked = _SPECIAL.sub(r"\\\1", html.escape(clean(text), quote=False))
    return marked.replace("www.", r"www\.")


def _code(text: str) -> str:
    """Write a text as code, where a backslash escapes nothing: a backtick in it would end it."""
    return f"`{html.escape(clean(text), quote=False).replace('`', '')}`"
