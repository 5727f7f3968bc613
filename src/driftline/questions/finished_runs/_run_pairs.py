"""The values of two documents of one kind, in pairs, and the settings that differ."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ...results import (
    Assessment,
    CapabilityClaim,
    CapabilityForecast,
    CapabilityScore,
    Certification,
    Comparison,
    ConfigComparison,
    Document,
    Plan,
    ReadingPair,
    Repair,
    RunReading,
    Scores,
    SettingPair,
    TrainingRun,
    WeightDiff,
)
from ...results.documents import Quantity
from ...results.readings import fall, metric_sign, shown_change

Named = tuple[str, str, RunReading]
"""Capability, unit and reading."""
_IN_TOLERANCES = "times what is accepted"
_SHARE = "of the norm of the weights"
_LEFT_OUT = ("created", "command")
_DIGEST_LENGTH = len("sha256:") + 12


def quantity_of(document: Document) -> Quantity:
    """Say what the values of a document's capabilities are."""
    if isinstance(document, Scores) or (isinstance(document, Assessment) and not document.forecast):
        return "score"
    return "relative change" if isinstance(document, WeightDiff) else "change"


def pairs_of(first: Document, second: Document) -> tuple[ReadingPair, ...]:
    """Pair the values of two documents by capability and unit.

    Args:
        first: A document with the same quantity as the second.
        second: The other one.

    Returns:
        In the order of the first; what only the second has comes last.
    """
    left = {(name, unit): reading for name, unit, reading in _readings(first)}
    right = {(name, unit): reading for name, unit, reading in _readings(second)}
    return tuple(
        ReadingPair(
            capability=key[0],
            unit=key[1],
            first=left.get(key),
            second=right.get(key),
            difference=_difference(left.get(key), right.get(key)),
        )
        for key in dict.fromkeys([*left, *right])
    )


def settings_of(first: Document, second: Document) -> tuple[SettingPair, ...]:
    """List the settings and inputs that differ: those of the config first.

    Args:
        first: A document with provenance.
        second: The other one.

    Returns:
        A row each; digests are shortened.
    """
    left, right = (dict(_settings(each)) for each in (first, second))
    return tuple(
        SettingPair(name=name, first=left.get(name), second=right.get(name))
        for name in dict.fromkeys([*left, *right])
        if left.get(name) != right.get(name)
    )


def _difference(first: RunReading | None, second: RunReading | None) -> float | None:
    if first is None or second is None or first.value is None or second.value is None:
        return None
    return second.value - first.value


def _readings(document: Document) -> Iterator[Named]:
    if isinstance(document, Assessment) and document.forecast:
        return (_forecast(each, document.not_shown) for each in document.forecast)
    if isinstance(document, Assessment | Scores):
        return map(_score, document.scores)
    if isinstance(document, Certification | Plan | Repair):
        return map(_claim, document.claims)
    if isinstance(document, TrainingRun):
        return _courses(document)
    if isinstance(document, Comparison):
        return ((each.label, _IN_TOLERANCES, _worst(each)) for each in document.checkpoints)
    if isinstance(document, ConfigComparison):
        return ((each.label, _IN_TOLERANCES, _worst(each)) for each in document.configs)
    groups = document.by_role if isinstance(document, WeightDiff) else ()
    return (
        (group.role or "all", _SHARE, RunReading(value=group.relative_change)) for group in groups
    )


def _score(score: CapabilityScore) -> Named:
    reading = RunReading(value=score.value, low=score.low, high=score.high, required=score.required)
    return score.capability, score.unit, reading


def _forecast(forecast: CapabilityForecast, lacking: Collection[str]) -> Named:
    is_higher = metric_sign(forecast.metric) < 0
    ends = [shown_change(end, higher_is_better=is_higher) for end in (forecast.low, forecast.high)]
    low, high = ends if is_higher else ends[::-1]
    reading = RunReading(
        value=shown_change(forecast.predicted_change, higher_is_better=is_higher),
        low=low,
        high=high,
        accepted=forecast.tolerance,
        verdict="not_shown" if forecast.capability in lacking else forecast.verdict,
        required=forecast.required,
    )
    return forecast.capability, forecast.unit, reading


def _claim(claim: CapabilityClaim) -> Named:
    ends = [
        shown_change(end, higher_is_better=claim.higher_is_better)
        for end in (claim.low, claim.high)
    ]
    low, high = ends if claim.higher_is_better else ends[::-1]
    reading = RunReading(
        value=shown_change(claim.change, higher_is_better=claim.higher_is_better),
        low=low,
        high=high,
        accepted=claim.margin,
        verdict={"non_inferior": "retained", "inferior": "lost"}.get(claim.verdict, claim.verdict),
        required=claim.required,
    )
    return claim.capability, claim.unit, reading


def _courses(run: TrainingRun) -> Iterator[Named]:
    last = run.checks[-1].losses if run.checks else {}
    for course in run.capabilities:
        reading = RunReading(
            value=fall(last.get(course.capability)),
            accepted=course.tolerance,
            verdict=None if course.within_tolerance is None else _within(course.within_tolerance),
            required=course.required,
        )
        yield course.capability, course.unit, reading


def _within(is_within: bool) -> str:
    return "retained" if is_within else "lost"


def _worst(compared: Any) -> RunReading:  # noqa: ANN401 - a checkpoint or a config, which share fields
    # The worst loss of either is in units of what is accepted.
    return RunReading(
        value=fall(compared.worst_loss),
        low=fall(compared.worst_high),
        high=fall(compared.worst_low),
        accepted=1.0,
        verdict=compared.verdict,
    )


def _settings(document: Document) -> Iterator[tuple[str, str]]:
    provenance = document.model_dump(mode="json").get("provenance", {})
    yield from _flat(provenance.pop("config_values", {}), "")
    if isinstance(document, Plan) and document.protocol is not None:
        yield from _flat(document.protocol.config, "protocol.")
        yield from _flat(document.protocol.levers, "levers.")
    rest = {key: value for key, value in provenance.items() if key not in _LEFT_OUT}
    yield from _flat(rest, "")


def _flat(values: Mapping[str, Any], lead: str) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{lead}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from _flat(
                {str(n): each for n, each in enumerate(value, start=1)}, f"{lead}{key}."
            )
        elif value is not None:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{lead}{key}", text[:_DIGEST_LENGTH] if text.startswith("sha256:") else text
