"""A repair as plain text."""

from ...results import Repair
from ...results.readings import DASH, clean, duration, in_points, interval, number, percent
from ..tables import chosen_words, families_table, recovery_table, scale_lines
from ._columns import caveat_lines, table_lines, wrapped


def repair_summary(document: Repair) -> str:
    """Render a repair for a terminal, without colour.

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


def _capabilities(document: Repair) -> list[str]:
    lines = table_lines(recovery_table(document))
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
    return table_lines(families_table(document)) + wrapped(
        "  In tolerances: damage is all required losses added up; the change is that of the worst."
    )


def _chosen(document: Repair) -> list[str]:
    lines = wrapped(f"Chosen: {chosen_words(document.chosen)}")
    # Sentences, since the names of many parts would make a row too long.
    for names, scale in scale_lines(document.scales):
        lines += wrapped(f"  scale {scale}: {names}", indent="    ")
    return lines


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
