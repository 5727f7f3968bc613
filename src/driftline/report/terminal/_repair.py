"""A repair as plain text."""

from collections.abc import Iterator

from ...results import CellScale, Repair, RepairLook
from ...results.readings import (
    CLAIM_WORDS,
    DASH,
    clean,
    duration,
    fall,
    in_points,
    interval,
    number,
    percent,
    shown_change,
)
from ._columns import aligned, caveat_lines, wrapped


def repair_summary(document: Repair) -> str:
    """Render a repair for a terminal, without colour.

    Args:
        document: Document to describe.

    Returns:
        Text of lines up to about 100 characters, but for long names: the verdict, what was given
        back at which cost, a row a capability, what each family gave, what was chosen, where the
        model lies, the cost, numbered caveats. It ends in a newline.
    """
    document = in_points(document)
    blocks = [
        wrapped(f"{document.verdict.upper()}: {repair_headline(document)}"),
        ["On items that chose nothing, as changes from the base", *_capabilities(document)],
        ["What each family gave, on the items that choose", *_families(document)],
        _chosen(document),
        _closing(document),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def repair_headline(document: Repair) -> str:
    """Say in one line what a repair restored and kept, and what its verdict rests on."""
    parts = []
    recovery, target = document.recovery, document.target
    if recovery.given_back is None:
        parts.append(f"nothing to give back ({recovery.reason})")
    else:
        parts.append(f"{percent(recovery.given_back)} of the lost capability given back")
    if target is not None:
        share = percent(target.gain_share) if target.reason is None else DASH
        parts.append(f"{share} of the target's gain kept")
    return clean(", ".join(parts) + "; " + "; ".join(document.reasons))


def scale_lines(scales: tuple[CellScale, ...]) -> list[tuple[str, str]]:
    """List parts of the update with their scales; neighbours with one scale are joined."""
    by_scale: dict[float, list[str]] = {}
    for cell in scales:
        by_scale.setdefault(cell.scale, []).append(cell.cell)
    lines = []
    for scale in sorted(by_scale, reverse=True):
        names = by_scale[scale]
        everything = "every part" if len(names) == len(scales) else ", ".join(names)
        lines.append((clean(everything), number(scale)))
    return lines


def _capabilities(document: Repair) -> list[str]:
    rows = [("capability", "items", "tuned", "repaired", "given back", "accepted", "claim")]
    verdicts = {claim.capability: claim.verdict for claim in document.claims}
    up = {claim.capability: claim.higher_is_better for claim in document.claims}
    for row in document.recovery.capabilities:
        rows.append((
            clean(row.capability) + ("" if row.required else " (watched)"),
            f"{row.num_items:,}",
            number(shown_change(row.tuned_change, higher_is_better=up[row.capability]), signed=True),
            number(shown_change(row.repaired_change, higher_is_better=up[row.capability]), signed=True),
            percent(row.given_back) if row.was_lost else DASH,
            number(fall(row.tolerance), signed=True),
            CLAIM_WORDS[verdicts[row.capability]],
        ))  # fmt: skip
    lines = aligned(rows, numeric=range(1, 6))
    target = document.target
    if target is not None:
        limits = interval(target.low, target.high, signed=True)
        lines += wrapped(
            f"Target ({target.num_items:,} examples): {number(target.base)} {target.unit} in the "
            f"base, {number(target.tuned)} tuned, {number(target.repaired)} repaired; gain "
            f"{number(target.repaired_gain, signed=True)}, limits {limits}"
        )
    return lines


def _families(document: Repair) -> list[str]:
    rows = [("family", "points", "best", "gain kept", "damage", "worst change", "")]
    for family in document.families:
        best = family.best
        rows.append((
            family.family,
            f"{family.num_points}",
            clean(best.label),
            percent(best.gain_share),
            number(best.damage),
            f"{number(fall(best.worst_loss), signed=True)} {clean(best.worst_capability)}",
            "" if best.meets_constraint else "misses the constraint",
        ))  # fmt: skip
    return aligned(rows, numeric=(1, 3, 4)) + wrapped(
        "  In tolerances: damage is all required losses added up; the change is that of the worst."
    )


def _chosen(document: Repair) -> list[str]:
    return [*wrapped(f"Chosen: {chosen_words(document.chosen)}"), *_scales(document)]


def chosen_words(chosen: RepairLook) -> str:
    """Return the chosen point's family and label."""
    return clean(f"{chosen.family}, {chosen.label}")


def _scales(document: Repair) -> Iterator[str]:
    for names, scale in scale_lines(document.scales):
        yield from wrapped(f"  scale {scale}: {names}", indent="    ")


def _closing(document: Repair) -> list[str]:
    lines = []
    if document.output is not None:
        kind = "adapter of the same rank" if document.output.kind == "adapter" else "whole model"
        lines += wrapped(f"Written: {clean(document.output.folder)} ({kind})")
    cost = document.cost
    lines += wrapped(
        f"Cost: {duration(cost.wall_seconds)}, {len(document.looks)} points, "
        f"{cost.tokens_forward:,} tokens forward, no gradients"
    )
    lines += caveat_lines(document.caveats)
    return lines
