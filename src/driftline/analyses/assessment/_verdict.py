"""The verdict on a planned run, with its reasons."""

from collections.abc import Collection, Sequence

from ...metrics import has_perplexity
from ...results import CapabilityForecast, StabilityMargin, Verdict, in_points, rise_text


def judge(
    forecast: Sequence[CapabilityForecast],
    margins: Sequence[StabilityMargin] = (),
    *,
    lacking: Collection[str] = (),
) -> tuple[Verdict, tuple[str, ...]]:
    """Judge a run by the forecasts of its required capabilities.

    Args:
        forecast: One row a capability.
        margins: Among them the path margins, where they were asked for.
        lacking: Capabilities that the base is not shown to have. Whoever has nothing to lose keeps
            nothing: such a capability is never a reason for `safe`.

    Returns:
        `unsafe` if a required capability is lost by its whole interval, else `inconclusive` if the
        tolerance of one lies inside its interval or is passed on the way, or the base lacks one,
        else `safe`; and why, most important first. Without a required capability nothing can be said:
        `inconclusive`.
    """
    required = [row for row in forecast if row.required]
    lost = [row for row in required if row.verdict == "lost"]
    unclear = [row for row in required if row.verdict == "inconclusive"]
    retained = [row for row in required if row.verdict == "retained"]
    kept = [row for row in retained if row.capability not in lacking]
    absent = [row.capability for row in retained if row.capability in lacking]
    if not required:
        return "inconclusive", ("no capability is required, so there is nothing to judge by",)
    reasons = [
        *(f"{row.capability}: {_range(row)}, beyond its tolerance" for row in lost),
        *(f"{row.capability}: {_range(row)}, the tolerance lies inside" for row in unclear),
    ]
    if absent:
        reasons.append(
            f"the base is not shown to have {', '.join(absent)}, so a loss there cannot be seen; give "
            "items that the base can answer, or write `required: false`"
        )
    if kept:
        told = ", ".join(row.capability for row in kept)
        reasons.append(f"within tolerance at its end, by the whole interval: {told}")
    names = {row.capability for row in kept}
    passed = [m for m in margins if m.capability in names and m.critical_steps is not None]
    reasons += [
        f"{m.capability}: passes its tolerance on the way, at step {m.critical_steps:.0f}"
        for m in passed
    ]
    if lost:
        return "unsafe", tuple(reasons)
    return ("inconclusive" if unclear or passed or absent else "safe"), tuple(reasons)


def _range(row: CapabilityForecast) -> str:
    shown = in_points(row)
    said = (
        f"forecast change {shown.predicted_change:+.2f} {shown.unit} "
        f"({shown.confidence_level:.0%} interval {shown.low:+.2f} to {shown.high:+.2f}, "
        f"tolerance {shown.tolerance:.3g})"
    )
    if not has_perplexity(row.unit):
        return said
    return (
        f"{said}, of perplexity {rise_text(row.predicted_change)} ({rise_text(row.low)} to "
        f"{rise_text(row.high)}, tolerance {rise_text(row.tolerance)})"
    )
