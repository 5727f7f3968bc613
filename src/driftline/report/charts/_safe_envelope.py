"""The safe envelope as a chart: learning rate against steps, a contour a capability, the plan a point."""

from collections.abc import Iterator

import altair as alt

from ...results import Assessment, EnvelopeContour, SafeEnvelope
from ...results.readings import clean
from ._drawing import CONTENT_WIDTH, GREY, INK, NUMBERS, SERIES, Chart, data

MAX_CONTOURS = len(SERIES)
SAFE = "#E3F1EA"
SHORTEST, LONGEST, RATES = 8.0, 2.0, 8.0
"""How far the axes reach from the plan, as factors."""


def envelope_chart(assessment: Assessment) -> Chart | None:
    """The tightest contours, the region under all required ones, and the planned config.

    Args:
        assessment: What to draw.

    Returns:
        The chart; None where there is no contour.
    """
    envelope = assessment.envelope
    if envelope is None or not (shown := shown_contours(envelope)):
        return None
    names = [_label(contour) for contour in shown]
    rows: list[dict[str, str | float]] = [
        {"capability": _label(contour), "steps": point.steps, "rate": point.learning_rate}
        for contour in shown
        for point in contour.points
        if point.learning_rate is not None
    ]
    steps, rate = envelope.planned_steps, envelope.planned_learning_rate
    across = alt.Scale(type="log", domain=[steps / SHORTEST, steps * LONGEST], nice=False)
    upward = alt.Scale(type="log", domain=[rate / RATES, rate * RATES], nice=False)
    x = alt.X(field="steps", type="quantitative", scale=across)
    x = x.title("optimiser steps of the whole run").axis(alt.Axis(format=NUMBERS, tickCount=6))
    y = alt.Y(field="rate", type="quantitative", scale=upward)
    y = y.title("peak learning rate").axis(alt.Axis(format=".1~e", tickCount=6))
    colours = alt.Scale(domain=names, range=list(SERIES[: len(names)]))
    legend = alt.Legend(title="reaches its tolerance on", orient="right", labelLimit=220)
    colour = alt.Color(field="capability", type="nominal", scale=colours, legend=legend)
    layers = [*_safe_region(envelope, x, y)]
    lines = alt.Chart(data(rows)).mark_line(strokeWidth=2, clip=True)
    layers.append(
        lines.encode(x=x, y=y, color=colour, order=alt.Order(field="steps", type="quantitative"))
    )
    one = data([{"steps": steps, "rate": rate}])
    planned = alt.Chart(one)
    layers.append(
        planned.mark_point(size=130, filled=True, color=INK, shape="cross").encode(x=x, y=y)
    )
    words = planned.mark_text(align="left", dx=10, dy=-9, fontSize=11, color=INK)
    layers.append(words.encode(x=x, y=y, text=alt.value("planned")))
    return alt.LayerChart(layer=layers).properties(width=CONTENT_WIDTH - 330, height=300)


def _safe_region(envelope: SafeEnvelope, x: alt.X, y: alt.Y) -> Iterator[alt.Chart]:
    """Below the lower ends of the ranges of all required capabilities."""
    # Above the planned rate, what no loss is predicted for has not been seen and is not called safe.
    planned = envelope.planned_learning_rate
    lows: dict[float, list[float]] = {}
    for contour in (contour for contour in envelope.contours if contour.required):
        for point in contour.points:
            lows.setdefault(point.steps, []).append(planned if point.low is None else point.low)
    if not lows:
        return
    rows: list[dict[str, str | float]] = [
        {"steps": steps, "rate": min(lows[steps]), "from": planned / RATES}
        for steps in sorted(lows)
    ]
    area = alt.Chart(data(rows)).mark_area(color=SAFE, clip=True)
    yield area.encode(x=x, y=y, y2=alt.Y2(field="from"))
    edge = alt.Chart(data(rows)).mark_line(color=GREY, strokeDash=[4, 3], clip=True)
    yield edge.encode(x=x, y=y, order=alt.Order(field="steps", type="quantitative"))


def shown_contours(envelope: SafeEnvelope) -> list[EnvelopeContour]:
    """The tightest contours, required ones first, as many as colours can tell apart."""
    drawn = [contour for contour in envelope.contours if contour.is_reached]
    return sorted(drawn, key=lambda contour: not contour.required)[:MAX_CONTOURS]


def _label(contour: EnvelopeContour) -> str:
    return clean(contour.capability) + ("" if contour.required else " (watched)")
