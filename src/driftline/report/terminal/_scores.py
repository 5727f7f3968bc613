"""The scores of one model as plain text."""

from ...results import Scores
from ...results.readings import (
    PerplexityRow,
    clean,
    duration,
    in_points,
    interval,
    items_in_groups,
    number,
    percent,
    perplexity_lines,
)
from ._columns import aligned, caveat_lines, wrapped


def scores_summary(scores: Scores) -> str:
    """Render scores for a terminal, without colour.

    Args:
        scores: Document to describe.

    Returns:
        Text of lines up to about 100 characters: a row a capability, the cost, numbered caveats.
        It ends in a newline.
    """
    scores = in_points(scores)
    rows = [
        (
            "capability",
            "value",
            "interval",
            "unit",
            "better",
            "accuracy",
            "chance",
            "items in groups",
        )
    ]
    rows += [
        (
            clean(score.capability),
            number(score.value),
            interval(score.low, score.high),
            clean(score.unit),
            "higher" if score.higher_is_better else "lower",
            percent(score.accuracy),
            percent(score.chance),
            items_in_groups(score.num_items, score.num_groups),
        )
        for score in scores.scores
    ]
    level = percent(scores.scores[0].confidence_level)
    model = clean(scores.provenance.model.source)
    lines = wrapped(f"Scores of {model}: mean over items with its {level} interval")
    lines += aligned(rows, numeric=(1, 2, 5, 6, 7))
    said = perplexity_lines(
        PerplexityRow(s.capability, s.unit, s.value, tolerance=s.tolerance) for s in scores.scores
    )
    lines += [part for line in said for part in wrapped(f"  {line}", indent="    ")]
    for score in scores.scores:
        if score.nothing_to_lose is not None:
            lines += wrapped(
                f"{clean(score.capability)} has nothing to lose: {clean(score.nothing_to_lose)}"
            )
    cost = scores.cost
    closing = wrapped(
        f"Cost: {duration(cost.wall_seconds)}, {cost.tokens_forward:,} tokens forward"
    )
    closing += caveat_lines(scores.caveats)
    return "\n".join([*lines, "", *closing]) + "\n"
