"""Small multiples of measured curves: one panel a capability."""

from collections.abc import Mapping, Sequence
from typing import Literal

from ...results import Assessment, StabilityMargin
from ...results.readings import clean, loss_sign, ordered_margins
from ._altair import alt
from ._drawing import NUMBERS, Canvas, Chart, Key, change_axis, data
from ._palette import AXIS, GREY, INK, NAMES, SERIES

TITLES = {
    "path": "steps",
    "radius": "relative norm",
}
MANY = 8
PANEL_HEIGHT = 112
LOG_FROM = 12.0
"""A range of scales with a larger ratio than this gets a logarithmic axis (radius only)."""


def curve_margins(
    assessment: Assessment, *, kind: Literal["path", "radius"]
) -> list[StabilityMargin]:
    """List the margins of one kind that have a curve, the tightest first."""
    return [m for m in ordered_margins(assessment, kind) if m.curve]


def curve_chart(
    assessment: Assessment, canvas: Canvas, *, kind: Literal["path", "radius"]
) -> Chart | None:
    """Draw change against the scale of a margin, a panel a capability and a line a direction.

    Args:
        assessment: Where the curves are.
        canvas: The room for the chart.

    Returns:
        The chart; None where nothing was measured.
    """
    margins = curve_margins(assessment, kind=kind)
    if not margins:
        return None
    names = list(dict.fromkeys(m.capability for m in margins))
    directions = sorted({clean(m.direction) for m in margins})
    most = canvas.columns if canvas.columns == 1 or len(names) <= MANY else canvas.columns + 1
    columns = min(len(names), most)
    width = min(260, (canvas.width + 20) // columns - 58)
    ranges = [SERIES[index % len(SERIES)] for index in range(len(directions))]
    colours = alt.Scale(domain=directions, range=ranges)
    panels = []
    for name in names:
        own = [m for m in margins if m.capability == name]
        panel = _panel(own, sign=loss_sign(assessment, name), colours=colours)
        panels.append(panel.properties(width=width, height=PANEL_HEIGHT))
    return alt.concat(*panels, columns=columns, spacing={"row": 22, "column": 16})


def curve_key(assessment: Assessment, *, kind: Literal["path", "radius"]) -> tuple[Key, ...]:
    """Explain every mark of a chart of curves."""
    margins = curve_margins(assessment, kind=kind)
    names = sorted({clean(m.direction) for m in margins})
    keys = [
        Key(NAMES[SERIES[index % len(SERIES)]], "line", f"direction {name}")
        for index, name in enumerate(names)
    ]
    what = "critical steps" if kind == "path" else "critical norm"
    keys.append(Key("ink", "dash", "the largest fall that is accepted"))
    keys.append(Key("grey", "dots", f"{what}, in the colour of its line"))
    return tuple(keys)


def _panel(margins: Sequence[StabilityMargin], *, sign: int, colours: alt.Scale) -> alt.LayerChart:
    first = margins[0]
    logarithmic = _is_logarithmic(margins)
    rows: list[dict[str, str | float]] = [
        {"x": p.scale, "change": 0.0 - sign * p.value, "direction": clean(m.direction)}
        for m in margins
        for p in m.curve
        if p.scale > 0 or not logarithmic
    ]
    scale, ticks = change_axis([float(row["change"]) for row in rows], first.tolerance)
    y_axis = alt.Axis(title=None, format=NUMBERS, labelLimit=44, minExtent=30)
    y_axis.tickCount = 4
    if ticks is not None:
        y_axis.values, y_axis.tickCount, y_axis.labelOverlap = ticks, 2 * len(ticks), False
    y = alt.Y(field="change", type="quantitative", scale=scale, axis=y_axis)
    x = _x(rows, title=TITLES[first.kind], logarithmic=logarithmic)
    colour = alt.Color(field="direction", type="nominal", scale=colours, legend=None)
    base = alt.Chart(data(rows))
    lines = base.mark_line(strokeWidth=1.8, point=alt.OverlayMarkDef(size=22)).encode(
        x=x, y=y, color=colour
    )
    one = alt.Chart(data([{}]))
    zero = one.mark_rule(color=AXIS).encode(y=alt.YDatum(0))
    tolerance = one.mark_rule(color=INK, strokeDash=[4, 3]).encode(y=alt.YDatum(-first.tolerance))
    critical = alt.Chart(data(_critical(margins, rows))).mark_rule(strokeDash=[1, 2], opacity=0.9)
    marks = critical.encode(x=x.field("critical"), color=colour)
    return alt.LayerChart(layer=[zero, tolerance, marks, lines, *_heading(first)])


def _heading(margin: StabilityMargin) -> list[alt.Chart]:
    """Write title and subtitle as text marks: a chart's own title moves with the labels of its axes."""
    words = alt.Chart(
        data([{"title": clean(margin.capability), "unit": f"change, {clean(margin.unit)}"}])
    )
    x = alt.value(-32)
    title = words.mark_text(align="left", fontWeight="bold", fontSize=11, color=INK, limit=165)
    unit = words.mark_text(align="left", fontSize=10, color=GREY, limit=165)
    return [
        title.encode(x=x, y=alt.value(-27), text=alt.Text(field="title", type="nominal")),
        unit.encode(x=x, y=alt.value(-13), text=alt.Text(field="unit", type="nominal")),
    ]


def _is_logarithmic(margins: Sequence[StabilityMargin]) -> bool:
    scales = [p.scale for m in margins for p in m.curve if p.scale > 0]
    return margins[0].kind == "radius" and bool(scales) and max(scales) > LOG_FROM * min(scales)


def _x(rows: Sequence[Mapping[str, str | float]], *, title: str, logarithmic: bool) -> alt.X:
    axis = alt.Axis(title=title, format=NUMBERS, tickCount=4, labelOverlap=True, grid=False)
    scales = [float(row["x"]) for row in rows]
    if logarithmic:
        scale = alt.Scale(type="log", domain=[min(scales), max(scales)], nice=False)
    else:
        scale = alt.Scale(domain=[0, max(scales, default=1.0) or 1.0], nice=False)
    return alt.X(field="x", type="quantitative", scale=scale, axis=axis)


def _critical(
    margins: Sequence[StabilityMargin], rows: Sequence[Mapping[str, str | float]]
) -> list[dict[str, str | float]]:
    scales = [float(row["x"]) for row in rows]
    result: list[dict[str, str | float]] = []
    for m in margins:
        value = m.critical_steps if m.kind == "path" else m.critical_relative_norm
        if value is not None and min(scales) <= value <= max(scales):
            result.append({"critical": value, "direction": clean(m.direction)})
    return result
