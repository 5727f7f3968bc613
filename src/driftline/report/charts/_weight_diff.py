"""The charts of a diff: relative change of each module, and share of the squared change by layer."""

from collections.abc import Sequence

from ...results import ChangeGroup, WeightDiff
from ...results.readings import clean, percent
from ._altair import alt
from ._drawing import WIDE, Canvas, Chart, Key, data, styled
from ._palette import BLUE, GRID, VERMILION

_ROW = 16
_FULL_AT = 0.98
"""Colour is full at this quantile, so that one module does not whiten the rest."""


def weight_diff_charts(diff: WeightDiff, canvas: Canvas = WIDE) -> dict[str, Chart]:
    """Draw the charts that the diff has numbers for.

    Args:
        canvas: The room for the chart.

    Returns:
        `modules`: relative change, layer by role; `layers`: share of the squared change. Neither
        where nothing moved in a layer.
    """
    cells = [g for g in diff.by_module if g.layer is not None and g.relative_change is not None]
    if not has_weight_diff_charts(diff):
        return {}
    layers = [g for g in diff.by_layer if g.layer is not None]
    return {"modules": styled(_modules(cells, canvas)), "layers": styled(_layers(layers, canvas))}


def has_weight_diff_charts(diff: WeightDiff) -> bool:
    """Return True where something moved in a layer, so that there is something to draw."""
    cells = [g for g in diff.by_module if g.layer is not None and g.relative_change is not None]
    return any(g.num_changed for g in cells)


def full_at(cells: Sequence[ChangeGroup]) -> float:
    """Find the relative change that has the full colour."""
    sizes = sorted(g.relative_change or 0.0 for g in cells)
    return sizes[int(_FULL_AT * (len(sizes) - 1))] or sizes[-1]


def modules_key(cells: Sequence[ChangeGroup]) -> tuple[Key, ...]:
    """Explain the marks of the chart of modules."""
    return (
        Key(
            "vermilion",
            "area",
            f"no colour: not moved; full colour: {percent(full_at(cells))} or more",
        ),
    )


def _modules(cells: Sequence[ChangeGroup], canvas: Canvas) -> Chart:
    roles = list(dict.fromkeys(clean(g.role or "") for g in cells))
    layers = sorted({g.layer for g in cells if g.layer is not None})
    highest = full_at(cells)
    rows = data(
        {"layer": g.layer, "role": clean(g.role or ""), "change": g.relative_change} for g in cells
    )
    drawn: alt.Chart = (
        alt.Chart(rows)
        .mark_rect(color=VERMILION, stroke=GRID, strokeWidth=1)
        .encode(
            x=alt.X(field="role", type="nominal", sort=roles, title=None).axis(
                orient="top", labelAngle=-60, labelPadding=8, ticks=False, domain=False, grid=False
            ),
            y=alt.Y(field="layer", type="ordinal", sort=layers, title="layer").axis(
                ticks=False, domain=False, grid=False, labelOverlap=True
            ),
            fillOpacity=alt.FillOpacity(field="change", type="quantitative", legend=None).scale(
                domain=[0, highest], range=[0, 1], clamp=True
            ),
        )
    )
    room = (canvas.width - 80) // len(roles)
    drawn.width, drawn.height = min(56, room) * len(roles), _ROW * len(layers)
    return drawn


def _layers(groups: Sequence[ChangeGroup], canvas: Canvas) -> Chart:
    rows = data({"layer": g.layer, "share": g.share} for g in groups)
    bars: alt.Chart = (
        alt.Chart(rows)
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X(field="layer", type="ordinal", title="layer").axis(
                labelAngle=0, labelOverlap=True, ticks=False
            ),
            y=alt.Y(field="share", type="quantitative", title="share of the squared change").axis(
                format=".0%", tickCount=4
            ),
        )
    )
    bars.width, bars.height = canvas.width - 80, 180
    return bars
