"""Wording for a replayed merge: headline, one row per layer, and deviating weights."""

from collections.abc import Sequence

from ..documents import MergedWeight, MergeReplay
from ._readings import clean, number

MERGE_TITLES = (
    "layer", "present", "other strength", "absent", "other", "undecided", "strength", "residual",
)  # fmt: skip
_STATES = ("present", "scaled", "absent", "other", "undecided")
_WORDS = {
    "scaled": "at another strength",
    "absent": "absent",
    "other": "changed by more than the adapter",
    "undecided": "hidden by rounding",
}
_NUM_NAMED = 4


def merge_headline(merge: MergeReplay) -> str:
    """Say in one line whether the merged model contains its adapter."""
    num = len(merge.weights)
    if merge.verdict == "pass":
        exact = sum(weight.is_exact for weight in merge.weights)
        how = "number for number" if exact == num else "within rounding"
        return f"HOLDS THE ADAPTER: its change is in all {num} weights, {how}"
    told = [
        f"{count} of {num} weights {_WORDS[state]}"
        for state in _STATES[1:]
        if (count := sum(weight.state == state for weight in merge.weights))
    ]
    if strengths := [w.strength for w in merge.weights if w.state == "scaled" and w.strength]:
        told.append(f"strength {_span(strengths)}")
    if merge.moved_elsewhere:
        told.append(f"{len(merge.moved_elsewhere)} weights moved that the adapter leaves alone")
    if merge.verdict == "fail":
        return f"NOT THIS MERGE: {', '.join(told)}"
    if not num:
        return "CANNOT BE TOLD: the adapter changes no weight"
    return f"CANNOT BE TOLD: {', '.join(told) or 'weights have no partner'}"


def merge_rows(merge: MergeReplay) -> list[tuple[str, ...]]:
    """Return one row per layer: weights by state, strengths, and the largest residual."""
    layers: dict[int | None, list[MergedWeight]] = {}
    for weight in merge.weights:
        layers.setdefault(weight.layer, []).append(weight)
    rows = []
    for layer in sorted(layers, key=lambda layer: (layer is None, layer or 0)):
        held = layers[layer]
        counts = [sum(weight.state == state for weight in held) for state in _STATES]
        strengths = [weight.strength for weight in held if weight.strength is not None]
        residuals = [weight.residual for weight in held if weight.residual is not None]
        rows.append(
            (
                "outside the layers" if layer is None else str(layer),
                *(str(count) for count in counts),
                _span(strengths),
                number(max(residuals, default=None)),
            )
        )
    return rows


def merge_lines(merge: MergeReplay) -> list[str]:
    """List the weights that differ from the adapter's merge, and those that moved without it."""
    lines = []
    for state in _STATES[1:]:
        names = [weight.name for weight in merge.weights if weight.state == state]
        if names:
            lines.append(f"{_WORDS[state]}: {_some(names)}")
    if merge.moved_elsewhere:
        lines.append(f"moved, and the adapter leaves them alone: {_some(merge.moved_elsewhere)}")
    return lines


def _span(strengths: Sequence[float]) -> str:
    if not strengths:
        return number(None)
    low, high = (f"{value:.2f}" for value in (min(strengths), max(strengths)))
    return low if low == high else f"{low} to {high}"


def _some(names: Sequence[str]) -> str:
    told = ", ".join(clean(name) for name in names[:_NUM_NAMED])
    return told + (f" and {len(names) - _NUM_NAMED} more" if len(names) > _NUM_NAMED else "")
