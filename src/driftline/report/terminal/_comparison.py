"""A comparison of checkpoints as plain text."""

from ...results import Comparison
from ...results.readings import (
    CHECKPOINT_TITLES,
    CLAIM_TITLES,
    checkpoint_rows,
    claim_cells,
    clean,
    comparison_headline,
    cost_sentence,
    history_sentence,
    in_points,
    reason_lines,
)
from ._columns import aligned, wrapped


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
    claims = [CLAIM_TITLES, *(cell for row in document.checkpoints for cell in claim_cells(row))]
    blocks = [
        wrapped(f"{document.verdict.upper()}: {comparison_headline(document)} (base: {base})"),
        aligned([CHECKPOINT_TITLES, *checkpoint_rows(document)], numeric=(2, 3, 5, 6, 7, 8, 9)),
        [part for line in reason_lines(document) for part in wrapped(line)],
        [part for each in document.histories for part in wrapped(history_sentence(each))],
        aligned(claims, numeric=(2, 3, 4, 6)),
        closing,
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"
