"""Read from each document of a life the figures that the next step confirms or refutes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def documents(folder: Path) -> dict[str, Any]:
    """Read the figures of every document that a life has written.

    Args:
        folder: In which the life was lived.

    Returns:
        Name of the step -> its figures. Changes are gains if positive, in the metric's own unit.
    """
    return {
        step: read(json.loads((folder / path).read_text(encoding="utf-8")))
        for step, (path, read) in _DOCUMENTS.items()
        if (folder / path).exists()
    }


def _assessment(document: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    names = ("predicted_change", "low", "high", "tolerance", "confidence_level", "verdict")
    return {
        "verdict": document["verdict"],
        "probability_any_lost": document["probability_any_lost"],
        "forecast": {
            each["capability"]: {name: each[name] for name in names}
            for each in document["forecast"]
        },
        "provenance": {
            name: document["provenance"][name]
            for name in ("created", "packages", "model", "data", "suites", "numerics")
        },
    }


def _training(document: Any) -> dict[str, Any]:  # noqa: ANN401
    names = ("change", "standard_error", "num_items", "within_tolerance", "alarm_step")
    return {
        "verdict": document["verdict"],
        "num_steps": document["num_steps"],
        "planned_steps": document["planned_steps"],
        "changes": {
            each["capability"]: {name: each[name] for name in names}
            for each in document["capabilities"]
        },
        "target": document["target"],
    }


def _plan(document: Any) -> dict[str, Any]:  # noqa: ANN401
    names = ("loss", "low", "high", "confidence_level")
    return {
        "verdict": document["verdict"],
        "forecast": {
            each["capability"]: {name: each[name] for name in names}
            for each in document["trials"][0]["forecast"]
        },
        "claims": _claims(document),
        "target": document["target"],
        "settings": [] if document["protocol"] is None else document["protocol"]["settings"],
        "trials": [each["state"] for each in document["trials"]],
    }


def _certification(document: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"verdict": document["verdict"], "claims": _claims(document)}


def _repair(document: Any) -> dict[str, Any]:  # noqa: ANN401
    names = ("tuned_change", "repaired_change", "tuned_standard_error", "repaired_standard_error")
    return {
        "verdict": document["verdict"],
        "given_back": document["recovery"]["given_back"],
        "target": document["target"],
        "changes": {
            each["capability"]: {name: each[name] for name in names}
            for each in document["recovery"]["capabilities"]
        },
        "claims": _claims(document),
    }


def _claims(document: Any) -> dict[str, Any]:  # noqa: ANN401
    names = ("change", "standard_error", "low", "high", "loss_limit", "num_items", "verdict")
    return {each["capability"]: {name: each[name] for name in names} for each in document["claims"]}


_DOCUMENTS: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    "assess": ("run-assess/report.json", _assessment),
    "train-plain": ("run-plain/report.json", _training),
    "plan": ("run-plan/report.json", _plan),
    "train": ("run-train/report.json", _training),
    "certify": ("run-certify/certification.json", _certification),
    "certify-plain": ("run-lost/certification.json", _certification),
    "repair": ("run-repair/report.json", _repair),
    "certify-repaired": ("run-repaired/certification.json", _certification),
}
"""Name of a step -> its document, and how its figures are read."""
