"""A comparison of checkpoints as plain text."""

from ...results import Comparison
from ...results.readings import (
    clean,
    comparison_headline,
    cost_sentence,
    history_sentence,
    in_points,
    reason_lines,
)
from ..tables import checkpoint_claims_table, checkpoints_table
from ._columns import table_lines, wrapped


def comparison_summary(document: Comparison) -> str:
    """Write a comparison of checkpoints for a terminal, without colour.

    Args:
        document: What to put in words.

    Returns:
        Text: the verdict, a row a checkpoint, why, the trainer's history, each capability, the cost,
        numbered caveats. It ends in a newline.
    """
    document = in_points(document)
    base = clean(document.provenance.base.source)
    closing = wrapped(f"Cost: {cost_sentence(document.cost)}")
    for index, caveat in enumerate(document.caveats, start=1):
        closing += wrapped(f"[{index}] {clean(caveat)}", indent="    ")
    blocks = [
        wrapped(f"{document.verdict.upper()}: {comparison_headline(document)} (base: {base})"),
        table_lines(checkpoints_table(document)),
        [part for line in reason_lines(document) for part in wrapped(line)],
        [part for each in document.histories for part in wrapped(history_sentence(each))],
        table_lines(checkpoint_claims_table(document)),
        closing,
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"
