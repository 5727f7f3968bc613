"""The charts of an assessment. Each shows changes: negative is worse, whatever the metric."""

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from ...results import Assessment, StabilityMargin
from ...results.readings import (
    NOT_SHOWN,
    CapabilityLoss,
    clean,
    forecast_losses,
    held_losses,
    held_margins,
    in_points,
    module_labels,
    module_ranks,
    number,
    ordered_margins,
)
from ._altair import alt
from ._belief_space import belief_chart
from ._curves import curve_chart
from ._decision import DecisionPoint, DecisionSpread, decision_chart
from ._drawing import WIDE, Canvas, Chart, Key, data, styled
from ._intervals import IntervalRow, interval_chart
from ._palette import BLUE, GREY, GRID, INK, ORANGE, PAPER, VERMILION
from ._safe_envelope import envelope_chart

DARKEST = 0.65
"""Opacity of the square of the largest size: words on it stay readable."""
ROW = 26
NOTE = 10.5
MAX_HEAT_ROWS = 32
NUM_RANKED = 3


def figures(assessment: Assessment, canvas: Canvas = WIDE) -> dict[str, Chart]:
    """Draw the charts that the assessment has numbers for.

    Args:
        assessment: The document to draw.
        canvas: The room for the chart.

    Returns:
        Charts by name, in the order of the report: `decision`, `forecast` (with the unit's name added where
        there is more than one unit), `fragility`, `belief_space`, `used_margin`, `envelope`,
        `path_curves`, `radius_curves`.
    """
    made = ((name, draw()) for name, draw in drawings(assessment, canvas).items())
    return {name: styled(chart) for name, chart in made if chart is not None}


def drawings(assessment: Assessment, canvas: Canvas) -> dict[str, Callable[[], Chart | None]]:
    """List the functions that draw the charts of an assessment.

    Args:
        canvas: The room for the chart.

    Returns:
        Functions by the chart's name. One returns None where there are no numbers; with numbers, and
        without the extra `charts`, it raises MissingPackageError.
    """
    shown = in_points(assessment)
    return {
        "decision": partial(_decision, shown, canvas),
        **{
            name: partial(_forecast, shown, canvas, unit)
            for name, unit in forecast_units(shown).items()
        },
        "fragility": partial(_fragility, shown, canvas),
        "belief_space": partial(belief_chart, shown, canvas),
        "used_margin": partial(_used_margin, shown, canvas),
        "envelope": partial(envelope_chart, shown, canvas),
        "path_curves": partial(curve_chart, shown, canvas, kind="path"),
        "radius_curves": partial(curve_chart, shown, canvas, kind="radius"),
    }


def forecast_units(assessment: Assessment) -> dict[str, str]:
    """Draw the forecast's figures by name, each with its unit; capabilities of one unit share one."""
    units = list(dict.fromkeys(f.unit for f in assessment.forecast))
    if len(units) < 2:
        return dict(zip(["forecast"], units, strict=False))
    named: dict[str, str] = {}
    for index, unit in enumerate(units, start=1):
        name = f"forecast_{re.sub(r'[^a-z0-9]+', '_', unit.lower()).strip('_') or index}"
        named[name if name not in named else f"{name}_{index}"] = unit
    return named


def decision_points(
    assessment: Assessment,
) -> tuple[list[DecisionPoint], DecisionSpread] | None:
    """Place the planned run as one point: the gain on its own task, and its worst required loss.

    Args:
        assessment: In the units that are shown, or not.

    Returns:
        The point and its intervals; None where one of the two was not forecast, or where the worst
        capability accepts no loss, so that its tolerances cannot be counted.
    """
    losses = [loss for loss in held_losses(assessment) if loss.required]
    target = assessment.target
    if target is None or not losses or losses[0].tolerance <= 0:
        return None
    worst = losses[0]
    is_within = all(loss.verdict == "retained" for loss in losses)
    point = DecisionPoint(
        worst.relative,
        0.0 - target.predicted_change,
        is_within,
        is_beyond=worst.verdict == "lost",
        is_chosen=True,
    )
    spread = DecisionSpread(
        worst.low / worst.tolerance, worst.high / worst.tolerance, -target.high, -target.low
    )
    return [point], spread


def _decision(assessment: Assessment, canvas: Canvas) -> Chart | None:
    made = decision_points(assessment)
    if made is None or assessment.target is None:
        return None
    title = f"gain on its own task, {clean(assessment.target.unit)}"
    return decision_chart(made[0], canvas, gain=title, spread=made[1])


def row_labels(names: Sequence[str], *, required: Sequence[bool]) -> list[str]:
    """Label the rows of a chart; the label of a capability that is not required says so."""
    rows = zip(names, required, strict=True)
    return [clean(name) + ("" if needed else " (watched)") for name, needed in rows]


def forecast_rows(losses: Sequence[CapabilityLoss]) -> list[IntervalRow]:
    """List the rows of a forecast's chart, the worst first."""
    labels = row_labels([f.capability for f in losses], required=[f.required for f in losses])
    return [
        IntervalRow(
            label,
            0.0 - f.loss,
            0.0 - f.high,
            0.0 - f.low,
            f.tolerance,
            f.verdict,
            f.required,
        )
        for label, f in zip(labels, losses, strict=True)
    ]


def _forecast(assessment: Assessment, canvas: Canvas, unit: str) -> Chart:
    losses = [loss for loss in forecast_losses(assessment) if loss.unit == unit]
    title = f"predicted change, {clean(unit)}"
    return interval_chart(forecast_rows(losses), canvas, title=title)


def _fragility(assessment: Assessment, canvas: Canvas) -> Chart | None:
    if not assessment.fragility:
        return None
    labels = module_labels(assessment.fragility)
    ranked = [rank.module for rank in module_ranks(assessment)] or list(labels)
    shown = set(ranked[:MAX_HEAT_ROWS])
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
        row = {"module": labels[f.module], "capability": clean(f.capability)}
        kind = "gain" if share < 0 else "loss"
        cells.append(
            {
                **row,
                "share": share,
                "size": DARKEST * min(abs(share), 1.0),
                "kind": kind,
                "mark": mark,
            }
        )
    return _heat(cells, canvas, modules=order, capabilities=[clean(name) for name in names])


def _heat(
    cells: Sequence[dict[str, str | float]],
    canvas: Canvas,
    *,
    modules: list[str],
    capabilities: list[str],
) -> Chart:
    """Draw squares whose opacity is the size, so that they read by day and in the dark."""
    height = max(13, min(22, 520 // len(modules)))
    base = alt.Chart(data(cells)).encode(
        x=alt.X(field="capability", type="nominal", sort=capabilities, title=None).axis(
            orient="top",
            labelAngle=-60 if canvas.columns == 1 else -35,
            labelLimit=canvas.label,
            ticks=False,
            domain=False,
            grid=False,
        ),
        y=alt.Y(field="module", type="nominal", sort=modules, title=None).axis(
            labelLimit=canvas.label, ticks=False, domain=False, grid=False
        ),
    )
    squares = base.mark_rect(stroke=GRID, strokeWidth=1).encode(
        color=alt.Color(field="kind", type="nominal", legend=None).scale(
            domain=["loss", "gain"], range=[VERMILION, BLUE]
        ),
        fillOpacity=alt.FillOpacity(field="size", type="quantitative", legend=None).scale(
            domain=[0, 1], range=[0, 1]
        ),
    )
    words = base.mark_text(fontSize=10, color=INK).encode(
        text=alt.Text(field="mark", type="nominal")
    )
    room = canvas.width - min(canvas.label, 112) - 40
    width = max(14, min(58, room // len(capabilities))) * len(capabilities)
    return alt.LayerChart(layer=[squares, words], width=width, height=height * len(modules))


def used_interval(margin: StabilityMargin) -> tuple[float | None, float | None]:
    """Compute the range of the used share from that of the critical learning rate.

    Returns:
        Its ends; None for an end that is not known, or has no bound.
    """
    if margin.used_fraction is None or not margin.critical_learning_rate:
        return None, None
    planned = margin.used_fraction * margin.critical_learning_rate
    smallest, largest = margin.critical_learning_rate_low, margin.critical_learning_rate_high
    return planned / largest if largest else None, planned / smallest if smallest else None


def path_margins(assessment: Assessment) -> list[StabilityMargin]:
    """List the path margins, the one that is used up most first, those that the base is not shown to have last."""
    return ordered_margins(assessment, "path")


def _used_margin(assessment: Assessment, canvas: Canvas) -> Chart | None:
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
        steps = m.critical_steps
        row["note"] = "" if steps is None else f"passed at step {number(steps)}"
        if m.capability in assessment.not_shown:
            row["note"] = NOT_SHOWN
        else:
            row["colour"] = _used_colour(share, low=low, high=high)
        rows.append(row)
    return _used_bars(rows, canvas, highest=highest)


def _used_colour(share: float, *, low: float | None, high: float | None) -> str:
    if (low if low is not None else share) > 1:
        return VERMILION
    return BLUE if (high if high is not None else share) <= 1 else ORANGE


def _used_bars(
    rows: Sequence[dict[str, str | float | None]], canvas: Canvas, *, highest: float
) -> Chart:
    is_wide = canvas.columns > 1
    scale = alt.Scale(domain=[0, (1.32 if is_wide else 1.05) * highest], nice=False)
    axis = alt.Axis(format=".0%", tickCount=7 if is_wide else 3, grid=True)
    title = "planned learning rate as a share of the critical one" if is_wide else "margin used"
    x = alt.X(field="used", type="quantitative", scale=scale, axis=axis, title=title)
    y = alt.Y(field="label", type="nominal", sort=None, title=None).axis(
        labelLimit=canvas.label, ticks=False, domain=False, grid=False
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
    layers = [bars, spread, full]
    if is_wide:
        at, text = x.field("end"), alt.Text(field="note", type="nominal")
        halo = base.mark_text(
            align="left", dx=6, fontSize=NOTE, limit=420, color=PAPER, stroke=PAPER, strokeWidth=5
        )
        notes = base.mark_text(align="left", dx=6, fontSize=NOTE, limit=420, color=GREY)
        layers += [halo.encode(x=at, text=text), notes.encode(x=at, text=text)]
    return alt.LayerChart(layer=layers).properties(width=canvas.plot, height=ROW * len(rows))


def fragility_key(assessment: Assessment, *, is_table: bool) -> tuple[Key, ...]:
    """Explain the marks of a map.

    Args:
        is_table: The map whose squares are tinted, because words stand on them.
    """
    shape: Literal["tint", "area"] = "tint" if is_table else "area"
    keys = [
        Key("vermilion", shape, "falls as the module moves; full colour: the capability's largest")
    ]
    if any(f.sensitivity < 0 for f in assessment.fragility):
        keys.append(Key("blue", shape, "gains as it moves"))
    return tuple(keys)


def used_key(assessment: Assessment) -> tuple[Key, ...]:
    """Explain the marks of the chart of used margins."""
    lacking = assessment.not_shown
    used = [m for m in path_margins(assessment) if m.used_fraction is not None]
    colours = {
        _used_colour(m.used_fraction, low=low, high=high)
        for m in held_margins(assessment, "path")
        if m.used_fraction is not None
        for low, high in (used_interval(m),)
    }
    keys = [
        Key("vermilion", "area", "overdrawn, by its whole range") if VERMILION in colours else None,
        Key("orange", "area", "its range includes 100%") if ORANGE in colours else None,
        Key("blue", "area", "within, by its whole range") if BLUE in colours else None,
        Key("grey", "area", NOT_SHOWN) if any(m.capability in lacking for m in used) else None,
        Key("ink", "line", "range of the share"),
        Key("ink", "dash", "100%: the whole margin"),
    ]
    return tuple(key for key in keys if key is not None)
