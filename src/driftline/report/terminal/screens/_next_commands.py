"""The next command after a document, from the document alone: for pages, which are read elsewhere."""

import shlex

from ....results import (
    Assessment,
    Certification,
    Comparison,
    ConfigComparison,
    Plan,
    Repair,
    TrainingRun,
    WeightDiff,
)
from ....results.parts import SourceProvenance
from ....results.readings import alpha_after_choice, clean, lacks_what_is_required

_SHIPPED = ("core", "core-chat", "core-0.1")
_SUITE = "SUITE"
"""Stands for a suite of the user's own, whose path no document holds."""


def next_command(document: object) -> str | None:
    """Choose the command that follows a document.

    Args:
        document: Of any kind.

    Returns:
        The command, with the names of the document's own inputs and capitals for what it does not name.
        None where nothing follows.
    """
    words: tuple[str, ...] | None = None
    match document:
        case Assessment():
            words = _after_assessment(document)
        case Certification():
            words = _after_claims(document)
        case Comparison():
            words = _after_checkpoints(document)
        case ConfigComparison():
            words = _after_configs(document)
        case Plan() if document.protocol is not None:
            words = ("train", "protocol.yaml")
        case Repair() if document.verdict != "fail":
            base, suites = document.provenance.base.source, _suites(document)
            words = ("certify", base, "repaired", *suites, "--chosen-by", "report.json")
        case TrainingRun():
            words = _after_training(document)
        case WeightDiff() if document.changes and not document.not_finite:
            p = document.provenance
            words = ("certify", p.base.source, p.tuned.source, "--suite", "core")
    return None if words is None else shlex.join(("driftline", *map(clean, words)))


def _after_assessment(document: Assessment) -> tuple[str, ...] | None:
    p, advice = document.provenance, document.advice
    if document.verdict is None or p.data is None or p.config is None:
        return None
    named = (p.model.source, "--data", p.data.name, "--config")
    run = (*named, p.config.name)
    if advice is not None and advice.config_file is not None and advice.action != "measure_more":
        return ("forecast", *named, advice.config_file)
    if advice is not None and advice.num_items is not None:
        return ("forecast", *run, "--items", str(advice.num_items))
    if advice is not None and advice.action == "give_items":
        return ("suite", p.suites[0].name if p.suites and p.suites[0].name in _SHIPPED else _SUITE)
    if document.verdict == "safe":
        return ("train", p.config.name, "--model", p.model.source, "--data", p.data.name)
    if document.verdict == "unsafe":
        return ("plan", *run)
    return ("forecast", *run, "--until", "decided")


def _after_claims(document: Certification) -> tuple[str, ...] | None:
    p = document.provenance
    if document.guards.tuned_is_base and p.base_model is not None:
        return ("certify", p.base.source, "TUNED", *_suites(document))
    if document.verdict == "pass":
        return ("sign", "certification.json", "--key", "keys/private.pem")
    if p.base_model is None:
        return None
    if document.verdict == "fail":
        return ("repair", p.base.source, p.tuned.source, *_suites(document))
    return ("suite", _suites(document)[1])


def _after_checkpoints(document: Comparison) -> tuple[str, ...]:
    p, suites = document.provenance, _suites(document)
    if document.recommended is not None:
        level = alpha_after_choice(document)
        more = () if level is None else ("--alpha", f"{level:g}")
        return ("certify", p.base.source, document.recommended, *suites, *more)
    if document.verdict == "fail":
        return ("plan", p.base.source, "--data", "DATA", *suites)
    return ("suite", suites[1])


def _after_configs(document: ConfigComparison) -> tuple[str, ...]:
    model, suites = document.provenance.model.source, _suites(document)
    label = document.recommended or document.safest
    row = next(each for each in document.configs if each.label == label)
    if document.recommended is not None:
        return ("train", row.config.name, "--model", model, "--data", row.data.name, *suites)
    if lacks_what_is_required(document):
        return ("suite", suites[1])
    run = (model, "--data", row.data.name, "--config", row.config.name, *suites)
    return (
        ("plan", *run) if document.verdict == "fail" else ("forecast", *run, "--until", "decided")
    )


def _after_training(document: TrainingRun) -> tuple[str, ...]:
    p, suites = document.provenance, _suites(document)
    if document.verdict != "unsafe":
        chosen = () if document.planned_by is None else ("--chosen-by", document.planned_by)
        return ("certify", p.model.source, document.model_folder, *suites, *chosen)
    data = p.data.name if p.data else "DATA"
    config = ("--config", p.config.name) if p.config else ()
    return ("plan", p.model.source, "--data", data, *config, *suites)


def _suites(
    document: Certification | Comparison | ConfigComparison | Repair | TrainingRun,
) -> tuple[str, ...]:
    """Name the suites: the shipped ones by name, one of the user's own by capitals."""
    suites: tuple[SourceProvenance, ...] = document.provenance.suites
    names = [each.name if each.name in _SHIPPED else _SUITE for each in suites]
    return tuple(word for name in names or [_SUITE] for word in ("--suite", name))
