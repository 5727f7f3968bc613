"""The scores of one model as plain text."""

from ...results import Scores
from ...results.readings import PerplexityRow, clean, duration, in_points, percent, perplexity_lines
from ..tables import scores_table
from ._columns import caveat_lines, table_lines, wrapped


def scores_summary(scores: Scores) -> str:
    """Render scores for a terminal, without colour.

    Returns:
        Text of lines up to about 100 characters: a row a capability, the cost, numbered caveats.
        It ends in a newline.
    """
    scores = in_points(scores)
    level = percent(scores.scores[0].confidence_level)
    model = clean(scores.provenance.model.source)
    lines = wrapped(f"Scores of {model}: mean over items with its {level} interval")
    lines += table_lines(scores_table(scores.scores))
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
