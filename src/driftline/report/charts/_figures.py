"""The charts of an assessment. Each shows a loss: positive is worse, whatever the metric."""

import math
import re
from collections.abc import Sequence

import altair as alt

from ...results import Assessment, StabilityMargin
from ...results.readings import (
    CapabilityLoss,
    clean,
    forecast_losses,
    in_points,
    margin_order,
    module_labels,
    module_ranks,
    number,
)
from ._belief_space import belief_chart
from ._curves import curve_chart
from ._drawing import (
    BLUE,
    CONTENT_WIDTH,
    GREY,
    INK,
    NUMBERS,
    ORANGE,
    PAPER,
    VERMILION,
    Chart,
    data,
    loss_axis,
    styled,
)
from ._safe_envelope import envelope_chart

VERDICTS = {"lost": VERMILION, "inconclusive": ORANGE, "retained": BLUE}
SHAPES = {"lost": "square", "inconclusive": "diamond", "retained": "circle"}
LOSSES = (PAPER, "#F3C08C", VERMILION, "#7F3300")
LABEL_LIMIT = 230
ROW = 26
NOTE = 10.5
MAX_HEAT_ROWS = 60
NUM_RANKED = 3
WIDEST_USED = 3.0
"""Bars of used margin are drawn to this share at least; whiskers far beyond the bars are cut."""


def figures(assessment: Assessment) -> dict[str, Chart]:
    """The charts that the assessment has numbers for.

    Args:
        assessment: What to draw.

    Returns:
        Charts by name, in the order of the report: `forecast` (with the unit's name added where
        there is more than one unit), `fragility`, `belief_space`, `used_margin`, `envelope`,
        `path_curves`, `radius_curves`.
    """
    assessment = in_points(assessment)
    found: dict[str, Chart | None] = dict(_forecasts(assessment))
    found["fragility"] = _fragility(assessment)
    found["belief_space"] = belief_chart(assessment)
    found["used_margin"] = _used_margin(assessment)
    found["envelope"] = envelope_chart(assessment)
    found["path_curves"] = curve_chart(assessment, kind="path")
    found["radius_curves"] = curve_chart(assessment, kind="radius")
    return {name: styled(chart) for name, chart in found.items() if chart is not None}


def forecast_units(assessment: Assessment) -> dict[str, str]:
    """The forecast's figures by name, each with its unit; capabilities of one unit share one."""
    units = list(dict.fromkeys(f.unit for f in assessment.forecast))
    if len(units) < 2:
        return dict(zip(["forecast"], units, strict=False))
    named: dict[str, str] = {}
    for index, unit in enumerate(units, start=1):
        name = f"forecast_{re.sub(r'[^a-z0-9]+', '_', unit.lower()).strip('_') or index}"
        named[name if name not in named else f"{name}_{index}"] = unit
    return named


def row_labels(names: Sequence[str], *, required: Sequence[bool]) -> list[str]:
    """What a chart calls its rows; a capability that is not required says so."""
    rows = zip(names, required, strict=True)
    return [clean(name) + ("" if needed else " (watched)") for name, needed in rows]


def _forecasts(assessment: Assessment) -> dict[str, Chart]:
    losses = forecast_losses(assessment)
    return {
        name: _forecast([loss for loss in losses if loss.unit == unit], unit=clean(unit))
        for name, unit in forecast_units(assessment).items()
    }


def _forecast(losses: Sequence[CapabilityLoss], *, unit: str) -> Chart:
    labels = row_labels([f.capability for f in losses], required=[f.required for f in losses])
    rows = data(
        {
            "label": label,
            "loss": f.loss,
            "low": f.low,
            "high": f.high,
            "tolerance": f.tolerance,
            "verdict": f.verdict,
            "required": f.required,
        }
        for label, f in zip(labels, losses, strict=True)
    )
    ends = [end for f in losses for end in (f.low, f.high, f.loss, f.tolerance)]
    tolerances = sorted(f.tolerance for f in losses)
    scale, ticks = loss_axis(ends, tolerances[len(tolerances) // 2])
    axis = alt.Axis(format=NUMBERS, tickCount=9)
    if ticks is not None:
        axis.values, axis.tickCount, axis.labelOverlap = ticks, 2 * len(ticks), False
    y = alt.Y(field="label", type="nominal", sort=None, title=None).axis(
        labelLimit=LABEL_LIMIT, ticks=False, domain=False, grid=True
    )
    x = alt.X(field="loss", type="quantitative", scale=scale).axis(axis)
    x = x.title(f"predicted loss, {unit} (positive = worse)")
    words = list(VERDICTS)
    colour = alt.Color(field="verdict", type="nominal").scale(
        domain=words, range=list(VERDICTS.values())
    )
    shape = alt.Shape(field="verdict", type="nominal").scale(
        domain=words, range=[SHAPES[word] for word in words]
    )
    legend = alt.Legend(title="verdict", orient="top", symbolSize=105, symbolOpacity=1)
    base = alt.Chart(rows).encode(y=y)
    zero = alt.Chart(data([{}])).mark_rule(color="#9CA3AF").encode(x=alt.XDatum(0))
    spread = base.mark_rule(strokeWidth=3, opacity=0.55).encode(
        x=x.field("low"), x2=alt.X2(field="high"), color=colour.legend(legend)
    )
    tolerance = base.mark_tick(color=INK, thickness=2, size=18).encode(x=x.field("tolerance"))
    points = base.mark_point(size=105, filled=True, opacity=1).encode(
        x=x, color=colour.legend(legend), shape=shape.legend(legend)
    )
    hollow = (
        base.transform_filter("!datum.required")
        .mark_point(size=34, filled=True, opacity=1, color="white")
        .encode(x=x, shape=shape.legend(legend))
    )
    layers = alt.LayerChart(layer=[zero, spread, tolerance, points, hollow])
    return layers.properties(width=CONTENT_WIDTH - 260, height=ROW * len(losses))


def _fragility(assessment: Assessment) -> Chart | None:
    if not assessment.fragility:
        return None
    labels = module_labels(assessment.fragility)
    shown = {rank.module for rank in module_ranks(assessment)[:MAX_HEAT_ROWS]}
    order = [label for module, label in labels.items() if module in shown]
    names = list(dict.fromkeys(f.capability for f in assessment.fragility))
    largest = dict.fromkeys(names, 0.0)
    for f in assessment.fragility:
        largest[f.capability] = max(largest[f.capability], abs(f.sensitivity))
    cells: list[dict[str, str | float]] = []
    for f in assessment.fragility:
        if f.module not in shown:
            continue
        share = f.sensitivity / largest[f.capability] if largest[f.capability] else 0.0
        mark = (str(f.rank) if f.rank <= NUM_RANKED else "") + ("·" if f.low <= 0 <= f.high else "")
        ink = "white" if abs(share) > 0.6 else INK
        row = {"module": labels[f.module], "capability": clean(f.capability)}
        cells.append({**row, "share": share, "mark": mark, "ink": ink})
    return _heat(cells, modules=order, capabilities=[clean(name) for name in names])


def _heat(
    cells: Sequence[dict[str, str | float]], *, modules: list[str], capabilities: list[str]
) -> Chart:
    height = max(13, min(22, 520 // len(modules)))
    lowest = min(float(cell["share"]) for cell in cells)
    below = [lowest] if lowest < 0 else []
    colour = alt.Scale(
        domain=[*below, 0, 0.35, 0.7, 1],
        range=[*(_blend(PAPER, BLUE, share=-share) for share in below), *LOSSES],
        clamp=True,
    )
    legend = alt.Legend(
        title="sensitivity, as a share of the capability's largest (blue: a gain)",
        values=[-0.5, 0, 0.25, 0.5, 0.75, 1] if lowest < -0.5 else [0, 0.25, 0.5, 0.75, 1],
        format=".0%",
        orient="top",
    )
    legend.titleLimit, legend.gradientLength, legend.gradientThickness = 500, 240, 10
    base = alt.Chart(data(cells)).encode(
        x=alt.X(field="capability", type="nominal", sort=capabilities, title=None).axis(
            orient="top", labelAngle=-35, labelLimit=170, ticks=False, domain=False, grid=False
        ),
        y=alt.Y(field="module", type="nominal", sort=modules, title=None).axis(
            labelLimit=LABEL_LIMIT, ticks=False, domain=False, grid=False
        ),
    )
    squares = base.mark_rect(stroke="white", strokeWidth=1).encode(
        color=alt.Color(field="share", type="quantitative", scale=colour, legend=legend)
    )
    words = base.mark_text(fontSize=10).encode(
        text=alt.Text(field="mark", type="nominal"),
        color=alt.Color(field="ink", type="nominal", scale=None, legend=None),
    )
    width = max(22, min(58, 660 // len(capabilities))) * len(capabilities)
    layers = alt.LayerChart(layer=[squares, words], width=width, height=height * len(modules))
    layers.resolve = alt.Resolve(scale=alt.ScaleResolveMap(color="independent"))
    return layers


def _blend(start: str, end: str, *, share: float) -> str:
    pairs = zip(bytes.fromhex(start[1:]), bytes.fromhex(end[1:]), strict=True)
    return "#" + bytes(round(a + (b - a) * min(share, 1.0)) for a, b in pairs).hex()


def used_interval(margin: StabilityMargin) -> tuple[float | None, float | None]:
    """The range of the used share that belongs to that of the critical learning rate.

    Args:
        margin: A path margin.

    Returns:
        Its ends; None for an end that is not known, or has no bound.
    """
    if margin.used_fraction is None or not margin.critical_learning_rate:
        return None, None
    planned = margin.used_fraction * margin.critical_learning_rate
    smallest, largest = margin.critical_learning_rate_low, margin.critical_learning_rate_high
    return planned / largest if largest else None, planned / smallest if smallest else None


def path_margins(assessment: Assessment) -> list[StabilityMargin]:
    """The path margins, the one that is used up most first."""
    return sorted((m for m in assessment.margins if m.kind == "path"), key=margin_order)


def _used_margin(assessment: Assessment) -> Chart | None:
    margins = path_margins(assessment)
    used = [m.used_fraction for m in margins if m.used_fraction is not None]
    if not used:
        return None
    watched = {s.capability for s in assessment.scores if not s.required}
    needed = [m.capability not in watched for m in margins]
    labels = row_labels([m.capability for m in margins], required=needed)
    ends = [used_interval(m) for m in margins]
    reach = max(1.0, *used)
    highest = max(reach, min(max((high or 0.0) for _, high in ends), max(1.5, 1.6 * reach)))
    rows = []
    for label, m, (low, high) in zip(labels, margins, ends, strict=True):
        share = m.used_fraction
        row: dict[str, str | float | None] = {"label": label, "used": share, "colour": GREY}
        if share is None:
            note = f"– {clean(m.reason or 'not known')}"
            rows.append({**row, "used": 0.0, "end": 0.0, "note": note})
            continue
        top = min(high if high is not None else math.inf, highest)
        unbounded = high is None and low is not None
        row["end"] = max(share, top) if high is not None or unbounded else share
        row |= {"low": min(low if low is not None else share, highest), "high": row["end"]}
        row["colour"] = _used_colour(share, low=low, high=high)
        steps = m.critical_steps
        row["note"] = "" if steps is None else f"passed at step {number(steps)}"
        rows.append(row)
    return _used_bars(rows, highest=highest)


def _used_colour(share: float, *, low: float | None, high: float | None) -> str:
    if (low if low is not None else share) > 1:
        return VERMILION
    return BLUE if (high if high is not None else share) <= 1 else ORANGE


def _used_bars(rows: Sequence[dict[str, str | float | None]], *, highest: float) -> Chart:
    scale = alt.Scale(domain=[0, 1.32 * highest], nice=False)
    axis = alt.Axis(format=".0%", tickCount=7, grid=True)
    title = "planned learning rate as a share of the critical one (above 100% it is overdrawn)"
    x = alt.X(field="used", type="quantitative", scale=scale, axis=axis, title=title)
    y = alt.Y(field="label", type="nominal", sort=None, title=None).axis(
        labelLimit=LABEL_LIMIT, ticks=False, domain=False, grid=False
    )
    base = alt.Chart(data(rows)).encode(y=y)
    bars = base.mark_bar(size=13).encode(
        x=x, color=alt.Color(field="colour", type="nominal", scale=None, legend=None)
    )
    spread = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(color=INK, strokeWidth=1.5)
        .encode(x=x.field("low"), x2=alt.X2(field="high"))
    )
    full = alt.Chart(data([{}])).mark_rule(color=INK, strokeDash=[4, 3]).encode(x=alt.XDatum(1))
    at, text = x.field("end"), alt.Text(field="note", type="nominal")
    halo = base.mark_text(
        align="left", dx=6, fontSize=NOTE, limit=420, stroke="white", strokeWidth=5
    ).encode(x=at, text=text)
    notes = base.mark_text(align="left", dx=6, fontSize=NOTE, limit=420, color=GREY).encode(
        x=at, text=text
    )
    layers = alt.LayerChart(layer=[bars, spread, full, halo, notes])
    return layers.properties(width=CONTENT_WIDTH - 260, height=ROW * len(rows))
