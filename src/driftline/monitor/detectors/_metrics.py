"""Numbers of a check: for `monitor.jsonl`, and under `drift/` for the trainer's reporters."""

import math
from collections.abc import Sequence

from pydantic import JsonValue

from ..signals import StepsLeft
from ._check import CheckResult
from ._detectors import Finding, Severity
from ._state import MonitorState


def metrics_of(
    look: CheckResult, left: StepsLeft | None, state: MonitorState
) -> tuple[dict[str, JsonValue], dict[str, float]]:
    """Return the numbers of a check.

    Args:
        left: Steps to the path margin.
        state: Evidence so far.

    Returns:
        Fields of the log's event, with None for what is undefined; and metrics by name, without it.
    """
    reading, anchors, step = look.reading, look.reading.anchors, look.reading.step_reading
    magnitudes = [
        n.functional_magnitude for n in anchors.layers if n.functional_magnitude is not None
    ]
    magnitude = sum(magnitudes) / len(magnitudes) if magnitudes else None
    log_evidence: dict[str, JsonValue] = {n: held[1] for n, held in state.evidence.items()}
    numbers: dict[str, float | None] = {
        "kl_suite_nats": anchors.kl_suite_nats,
        "kl_task_nats": anchors.kl_task_nats,
        "representation_drift": anchors.representation_drift,
        "functional_magnitude": magnitude,
        "update_relative_norm": look.update.relative,
        "margin_fraction": look.update.margin_fraction,
        "unpredictability": step.unpredictability,
        "steps_left": None if left is None else left.steps,
    }
    layers: list[JsonValue] = [layer._asdict() for layer in anchors.layers]
    fields: dict[str, JsonValue] = {
        **numbers,
        "losses": dict(reading.mean_losses),
        "standard_errors": dict(reading.standard_errors),
        "accuracies": dict(reading.accuracies),
        "loss_lower_limits": dict(reading.lower_limits),
        "log_evidence": log_evidence,
        "layers": layers,
        "step_nats": {
            "first_order": step.first_order_nats,
            "second_order": step.second_order_nats,
            "measured": step.measured_nats,
        },
        "steps_left_of": None if left is None else left.capability,
    }
    undefined: list[str] = []
    finite = {name: _finite(value, name, undefined) for name, value in fields.items()}
    reasons = [reason for reason in (step.reason, look.update.reason) if reason]
    if undefined:
        reasons.append(f"beyond the range of numbers, so undefined: {', '.join(undefined)}")
    finite["reasons"] = list[JsonValue](reasons)
    metrics = {f"drift/{name}": value for name, value in numbers.items() if value is not None}
    metrics |= {f"drift/loss/{name}": loss for name, loss in reading.mean_losses.items()}
    return finite, {name: value for name, value in metrics.items() if math.isfinite(value)}


def words_of(result: Sequence[Finding], severity: Severity) -> list[JsonValue]:
    """Return the findings of one severity as fields of the log's event.

    Args:
        result: All findings of a check.

    Returns:
        Detector, evidence and capabilities of each.
    """
    return [
        {"detector": f.detector, "evidence": list(f.evidence), "capabilities": list(f.capabilities)}
        for f in result
        if f.severity == severity
    ]


def _finite(value: JsonValue, name: str, undefined: list[str]) -> JsonValue:
    """Return a field without its infinite or NaN numbers, whose names are added to the list."""
    if isinstance(value, float) and not math.isfinite(value):
        undefined.append(name)
        return None
    if isinstance(value, dict):
        return {key: _finite(each, f"{name}.{key}", undefined) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each, f"{name}[{at}]", undefined) for at, each in enumerate(value)]
    return value
