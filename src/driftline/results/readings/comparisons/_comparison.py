"""A comparison of checkpoints in words and rows that every rendering shares."""

import math
from collections.abc import Iterator

from ...documents import ComparedCheckpoint, Comparison, TrainerHistory
from .._readings import clean, number, with_error

_NEXT = (
    "score more items (driftline sample-size says how many), or compare fewer checkpoints at a time"
)
_ALPHA_STEPS = 10_000
"""Levels are rounded to four decimals; certify takes none below 0.0001."""


def comparison_headline(document: Comparison) -> str:
    """Say in one sentence which checkpoint to take, or why none."""
    rows = document.checkpoints
    chosen = next((row for row in rows if row.label == document.recommended), None)
    if chosen is None:
        if document.verdict == "fail":
            return (
                f"each of {len(rows)} checkpoints lost a required capability beyond its tolerance"
            )
        return f"no checkpoint is shown to keep every required capability; {_NEXT}"
    kept = [row for row in rows if row.verdict == "kept"]
    text = f"take {clean(chosen.label)}: it keeps every required capability"
    if chosen.gain is None:
        return text + (" with the smallest worst loss" if len(kept) > 1 else "")
    if chosen.gain.gain <= 0:
        return f"{text}, but it gains nothing on the target ({_gain(chosen)} nats a token)"
    most = "gains most of those that do," if len(kept) > 1 else "gains"
    return f"{text} and {most} {_gain(chosen)} nats a token on the target"


def reason_lines(document: Comparison) -> Iterator[str]:
    """Say of each checkpoint that is not kept why, and why its capabilities are undecided."""
    for row in document.checkpoints:
        if row.reason is not None:
            yield f"{clean(row.label)} is {row.verdict}: {clean(row.reason)}"
    reasons: dict[str, list[str]] = {}
    for row in document.checkpoints:
        for claim in row.claims:
            if claim.reason:
                reasons.setdefault(f"{claim.capability}: {claim.reason}", []).append(row.label)
    for reason, labels in reasons.items():
        yield f"{clean(reason)} ({', '.join(map(clean, labels))})"


def history_sentence(history: TrainerHistory) -> str:
    """Say which step the trainer's evaluations found best, and whether it was saved."""
    name, value = clean(history.metric), number(history.best_value)
    text = f"{clean(history.file)}: the best evaluation ({name} {value}) was at step {history.best_step}"
    if history.is_best_saved:
        return f"{text}, which was saved."
    values = {each.step: each.value for each in history.evaluations}
    near = sorted(history.saved_steps, key=lambda step: (abs(step - history.best_step), step))[:2]
    told = [
        f"step {step}" + (f" ({name} {number(values[step])})" if step in values else "")
        for step in sorted(near)
    ]
    saved = f"; the nearest saved: {', '.join(told)}" if told else "; no step was saved"
    return (
        f"{text}, which was never saved, or was deleted since{saved}. Set save_steps equal to "
        "eval_steps, and save_total_limit high enough, to keep it."
    )


def _gain(row: ComparedCheckpoint) -> str:
    if row.gain is None:
        return number(None)
    return with_error(number(row.gain.gain, signed=True), row.gain.standard_error)


def alpha_after_choice(document: Comparison) -> float | None:
    """Find the alpha of a certification on the items that recommended a checkpoint.

    The best of k, tested at alpha / k, passes wrongly with a chance of at most alpha (Bonferroni).

    Args:
        document: A comparison.

    Returns:
        The level, rounded down to four decimals; None where nothing was chosen among several.
    """
    num = sum(not row.is_base for row in document.checkpoints)
    if document.recommended is None or num == 1:
        return None
    # The sum keeps 0.05 / 2 from being rounded down to 0.0249.
    return max(1, math.floor(document.provenance.alpha / num * _ALPHA_STEPS + 1e-9)) / _ALPHA_STEPS
