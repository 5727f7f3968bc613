"""A diff as plain text."""

from ...results import ChangeGroup, MergeReplay, WeightDiff
from ...results.readings import (
    DASH,
    MERGE_TITLES,
    clean,
    cost_line,
    count_lines,
    gaps,
    merge_lines,
    merge_rows,
    movers,
    percent,
    rank_cells,
    weight_diff_headline,
)
from ._columns import aligned, caveat_lines, wrapped

NUM_MOVERS = 8
NUM_LAYERS = 8


def weight_diff_summary(diff: WeightDiff) -> str:
    """Render a diff for a terminal, without colour.

    Args:
        diff: Document to describe.

    Returns:
        Text of lines up to about 100 characters, but for long names of weights: where the update
        went, the change by role and in the layers that moved most, the weights that moved
        farthest, what else was found, the cost, numbered caveats. It ends in a newline.
    """
    blocks = [wrapped(weight_diff_headline(diff))]
    if diff.merge is not None:
        blocks.append(_merge(diff.merge))
    if diff.changes:
        blocks += [_roles(diff), _layers(diff), _movers(diff)]
    closing = [part for line in count_lines(diff) for part in wrapped(line)]
    closing += wrapped(f"Cost: {cost_line(diff)}")
    closing += caveat_lines(diff.caveats)
    blocks.append(closing)
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _merge(merge: MergeReplay) -> list[str]:
    rows = [MERGE_TITLES, *merge_rows(merge)]
    head = (
        "Adapter in the merged model, by layer: weights by state, strength, residual in roundings"
    )
    lines = [head, *aligned(rows, numeric=tuple(range(1, len(MERGE_TITLES))))]
    return lines + [part for line in merge_lines(merge) for part in wrapped(line)]


def _roles(diff: WeightDiff) -> list[str]:
    rows = [("role", "relative change", "share", "moved")]
    rows += [(clean(g.role or ""), *_cells(g)) for g in diff.by_role]
    return ["By role: change relative to the weights, share of the squared change", *_numeric(rows)]


def _layers(diff: WeightDiff) -> list[str]:
    inside = [g for g in diff.by_layer if g.layer is not None and g.num_changed]
    if not inside:
        return []
    first = sorted(inside, key=lambda g: -(g.share or 0.0))[:NUM_LAYERS]
    rows = [("layer", "relative change", "share", "moved")]
    rows += [(str(g.layer), *_cells(g)) for g in sorted(first, key=lambda g: g.layer or 0)]
    head = "By layer"
    if len(inside) > len(first):
        head += f": the {len(first)} with the largest shares of {len(inside)} that moved"
    return [head, *_numeric(rows)]


def _cells(group: ChangeGroup) -> tuple[str, str, str]:
    moved = f"{group.num_changed} of {group.num_weights}"
    return percent(group.relative_change), percent(group.share), moved


def _numeric(rows: list[tuple[str, str, str, str]]) -> list[str]:
    return aligned(rows, numeric=(1, 2, 3))


def _movers(diff: WeightDiff) -> list[str]:
    first = movers(diff)[:NUM_MOVERS]
    rows = [("weight", "relative", "share", "effective", "stable", "90% energy", "intruders")]
    for change in first:
        relative = percent(change.relative_change) + (" (rounding)" if change.at_rounding else "")
        rows.append((clean(change.name), relative, percent(change.share), *rank_cells(change)))
    head = f"Moved farthest, {len(first)} of {len(diff.changes)}, with ranks of the change"
    lines = [head, *aligned(rows, numeric=(1, 2, 3, 4, 5, 6))]
    return lines + [part for gap in gaps(diff) for part in wrapped(f"  {DASH} {gap}")]
