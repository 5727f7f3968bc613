"""The charts of a diff: how far each module moved, and which layers hold the squared change."""

from collections.abc import Sequence

import altair as alt

from ...results import ChangeGroup, WeightDiff
from ...results.readings import clean
from ._drawing import BLUE, CONTENT_WIDTH, PAPER, VERMILION, Chart, data, styled

_SHADES = (PAPER, "#F3C08C", VERMILION, "#7F3300")
_ROW = 16
_FULL_AT = 0.98
"""Colour is full at this quantile, so that one module does not whiten the rest."""


def weight_diff_charts(diff: WeightDiff) -> dict[str, Chart]:
    """The charts that the diff has numbers for.

    Args:
        diff: What to draw.

    Returns:
        `modules`: relative change, layer by role; `layers`: share of the squared change. Neither
        where nothing moved in a layer.
    """
    cells = [g for g in diff.by_module if g.layer is not None and g.relative_change is not None]
    if not any(g.num_changed for g in cells):
        return {}
    layers = [g for g in diff.by_layer if g.layer is not None]
    return {"modules": styled(_modules(cells)), "layers": styled(_layers(layers))}


def _modules(cells: Sequence[ChangeGroup]) -> Chart:
    roles = list(dict.fromkeys(clean(g.role or "") for g in cells))
    layers = sorted({g.layer for g in cells if g.layer is not None})
    sizes = sorted(g.relative_change or 0.0 for g in cells)
    highest = sizes[int(_FULL_AT * (len(sizes) - 1))] or sizes[-1]
    rows = data(
        {"layer": g.layer, "role": clean(g.role or ""), "change": g.relative_change} for g in cells
    )
    stops = [highest * index / (len(_SHADES) - 1) for index in range(len(_SHADES))]
    colour = alt.Scale(domain=stops, range=list(_SHADES), clamp=True)
    legend = alt.Legend(title="relative change", format=".2~%", orient="top", gradientLength=240)
    drawn: alt.Chart = (
        alt.Chart(rows)
        .mark_rect(stroke="white", strokeWidth=1)
        .encode(
            x=alt.X(field="role", type="nominal", sort=roles, title=None).axis(
                orient="top", labelAngle=-35, ticks=False, domain=False, grid=False
            ),
            y=alt.Y(field="layer", type="ordinal", sort=layers, title="layer").axis(
                ticks=False, domain=False, grid=False, labelOverlap=True
            ),
            color=alt.Color(field="change", type="quantitative", scale=colour, legend=legend),
        )
    )
    drawn.width, drawn.height = 56 * len(roles), _ROW * len(layers)
    return drawn


def _layers(groups: Sequence[ChangeGroup]) -> Chart:
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
    bars.width, bars.height = CONTENT_WIDTH - 120, 180
    return bars
