"""The belief space in pictures: six small panels for each direction from the base."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ...results import Assessment, BeliefCurve, BeliefSpace
from ...results.readings import clean, rank_ratios
from ._altair import alt
from ._drawing import NUMBERS, Canvas, Chart, Key, data
from ._palette import BLUE, GREY, INK, PURPLE, VERMILION

PANEL_WIDTH, PANEL_HEIGHT = 218, 104
COLUMNS = 3
DEPTHS = (PURPLE, BLUE, INK)
"""Colours from the embedding to the last layer."""
OUTPUT, REPRESENTATION = VERMILION, BLUE

_Numbers = Iterable[float | None]


class _Series(NamedTuple):
    """One line of a panel, after its value at the base."""

    name: str
    colour: str
    dash: tuple[int, int]
    at_base: float
    numbers: _Numbers


def belief_chart(assessment: Assessment, canvas: Canvas) -> Chart | None:
    """Draw six panels a direction: both drifts, both divergences, and four measures layer by layer.

    Args:
        assessment: Where the belief space is.
        canvas: The room for the chart.

    Returns:
        The chart; None where it was not read.
    """
    space = assessment.belief_space
    if space is None:
        return None
    panels = [panel for curve in space.curves for panel in _panels(space, curve)]
    return alt.concat(
        *panels, columns=min(COLUMNS, canvas.columns), spacing={"row": 24, "column": 22}
    )


def _panels(space: BeliefSpace, curve: BeliefCurve) -> Iterator[alt.LayerChart]:
    solid, dashed = (1, 0), (5, 3)
    drifts = [
        _Series("output", OUTPUT, solid, 0.0, curve.output_drift),
        _Series("representation", REPRESENTATION, dashed, 0.0, curve.representation_drift),
    ]
    yield _panel(curve, "drift", _lines(curve, drifts), threshold=space.threshold)
    divergences = [
        _Series("forward", OUTPUT, solid, 0.0, curve.kl_nats),
        _Series("reverse", OUTPUT, dashed, 0.0, curve.reverse_kl_nats),
    ]
    yield _panel(curve, "KL, nats per token", _lines(curve, divergences))
    anisotropy = {geometry.layer: geometry.anisotropy for geometry in space.base}
    yield _layer_panel(curve, "CKA with the base", [(1.0, d.cka) for d in curve.layers])
    ratios = [(1.0, rank_ratios(space, d)) for d in curve.layers]
    yield _layer_panel(curve, "effective rank / base's", ratios)
    angles = [(0.0, d.mean_angle) for d in curve.layers]
    yield _layer_panel(curve, "mean principal angle, rad", angles)
    cosines = [(anisotropy[d.layer], d.anisotropy) for d in curve.layers]
    yield _layer_panel(curve, "anisotropy", cosines)


def _layer_panel(
    curve: BeliefCurve, title: str, layers: Sequence[tuple[float | None, _Numbers]]
) -> alt.LayerChart:
    """Draw a line a layer, from its value at the base."""
    rows: list[Mapping[str, str | float]] = [
        {"x": x, "y": y, "depth": depth, "third": min(2, 3 * depth // len(layers))}
        for depth, (at_base, numbers) in enumerate(layers)
        for x, y in _points(curve, at_base, numbers)
    ]
    lines = alt.Chart(data(rows)).mark_line(strokeWidth=1.1, opacity=0.85)
    each = alt.Detail(field="depth", type="quantitative")
    # Thirds of the depth: steps of colour have a key, a gradient would have none.
    third = alt.Color(field="third", type="ordinal", legend=None).scale(
        domain=[0, 1, 2], range=list(DEPTHS)
    )
    return _panel(curve, title, [lines.encode(color=third, detail=each)])


def _points(
    curve: BeliefCurve, at_base: float | None, numbers: _Numbers
) -> Iterator[tuple[float, float]]:
    """Yield the defined points of a line, the base among them."""
    for x, y in zip((0.0, *curve.scales), (at_base, *numbers), strict=True):
        if y is not None:
            yield x, y


def _lines(curve: BeliefCurve, series: Iterable[_Series]) -> list[alt.Chart]:
    charts = []
    for one in series:
        rows = [{"x": x, "y": y} for x, y in _points(curve, one.at_base, one.numbers)]
        mark = alt.Chart(data(rows)).mark_line(
            color=one.colour,
            strokeWidth=1.8,
            strokeDash=list(one.dash),
            point=alt.OverlayMarkDef(size=18, color=one.colour),
        )
        charts.append(mark)
    return charts


def _panel(
    curve: BeliefCurve, title: str, lines: list[alt.Chart], *, threshold: float | None = None
) -> alt.LayerChart:
    what = "relative norm" if curve.kind == "radius" else "steps"
    x = alt.X(
        field="x",
        type="quantitative",
        scale=alt.Scale(domain=[0, curve.scales[-1]], nice=False),
        axis=alt.Axis(title=what, format=NUMBERS, tickCount=4, labelOverlap=True, grid=False),
    )
    y = alt.Y(
        field="y",
        type="quantitative",
        scale=alt.Scale(zero=False, nice=True),
        axis=alt.Axis(title=None, format=NUMBERS, tickCount=4, minExtent=30, labelLimit=44),
    )
    layers = [line.encode(x=x, y=y) for line in lines]
    if threshold is not None:
        rule = alt.Chart(data([{}])).mark_rule(color=INK, strokeDash=[4, 3])
        layers.insert(0, rule.encode(y=alt.YDatum(threshold)))
    words = alt.Chart(data([{"title": clean(curve.direction), "unit": title}]))
    at = alt.value(-30)
    head = words.mark_text(align="left", fontWeight="bold", fontSize=11, color=INK, limit=210)
    unit = words.mark_text(align="left", fontSize=10, color=GREY, limit=210)
    layers += [
        head.encode(x=at, y=alt.value(-24), text=alt.Text(field="title", type="nominal")),
        unit.encode(x=at, y=alt.value(-11), text=alt.Text(field="unit", type="nominal")),
    ]
    return alt.LayerChart(layer=layers, width=PANEL_WIDTH, height=PANEL_HEIGHT)


def belief_key() -> tuple[Key, ...]:
    """Explain the marks of all panels."""
    return (
        Key("vermilion", "line", "drift: output (1 - exp(-KL)); KL: base || point"),
        Key("blue", "dash", "drift: representation (1 - mean CKA over layers)"),
        Key("vermilion", "dash", "KL: point || base"),
        Key("ink", "dash", "drift that counts as broken"),
        Key("purple", "line", "other panels: layers of the first third"),
        Key("blue", "line", "of the middle third"),
        Key("ink", "line", "of the last third"),
    )
