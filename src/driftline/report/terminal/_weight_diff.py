"""A diff as plain text."""

from ...results import WeightDiff
from ...results.readings import cost_line, count_lines, movers, weight_diff_headline
from ..tables import group_table, merge_table, movers_table
from ._columns import caveat_lines, table_lines, wrapped

NUM_MOVERS = 8
NUM_LAYERS = 8


def weight_diff_summary(diff: WeightDiff) -> str:
    """Render a diff for a terminal, without colour.

    Returns:
        Text of lines up to about 100 characters, but for long names of weights: where the update
        went, the change by role and in the layers that moved most, the weights that moved
        farthest, what else was found, the cost, numbered caveats. It ends in a newline.
    """
    blocks = [wrapped(weight_diff_headline(diff))]
    blocks.append(_merge(diff))
    if diff.changes:
        blocks += [_roles(diff), _layers(diff), _movers(diff)]
    closing = [part for line in count_lines(diff) for part in wrapped(line)]
    closing += wrapped(f"Cost: {cost_line(diff)}")
    closing += caveat_lines(diff.caveats)
    blocks.append(closing)
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _merge(diff: WeightDiff) -> list[str]:
    made = merge_table(diff)
    if made is None:
        return []
    head = (
        "Adapter in the merged model, by layer: weights by state, strength, residual in roundings"
    )
    return [head, *table_lines(made)]


def _roles(diff: WeightDiff) -> list[str]:
    head = "By role: change relative to the weights, share of the squared change"
    return [head, *table_lines(group_table(diff.by_role, first="role"))]


def _layers(diff: WeightDiff) -> list[str]:
    inside = [g for g in diff.by_layer if g.layer is not None and g.num_changed]
    if not inside:
        return []
    first = sorted(inside, key=lambda g: -(g.share or 0.0))[:NUM_LAYERS]
    head = "By layer"
    if len(inside) > len(first):
        head += f": the {len(first)} with the largest shares of {len(inside)} that moved"
    made = group_table(sorted(first, key=lambda g: g.layer or 0), first="layer")
    return [head, *table_lines(made)]


def _movers(diff: WeightDiff) -> list[str]:
    first = movers(diff)[:NUM_MOVERS]
    head = f"Moved farthest, {len(first)} of {len(diff.changes)}, with ranks of the change"
    return [head, *table_lines(movers_table(diff, first))]
