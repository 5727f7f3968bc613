"""The safe envelope as a chart: learning rate against steps, a contour a capability, the plan a point."""

from collections.abc import Iterator

from ...results import Assessment, EnvelopeContour, SafeEnvelope
from ...results.readings import clean, held_envelope
from ._altair import alt
from ._drawing import NUMBERS, Canvas, Chart, Key, data
from ._palette import GREEN, INK, NAMES, SERIES

CONTOURS = tuple(colour for colour in SERIES if colour != GREEN)
"""Colours of contours; green is left to the safe region."""
MAX_CONTOURS = len(CONTOURS)
SHORTEST, LONGEST, RATES = 8.0, 2.0, 8.0
"""Factors by which the axes reach from the plan."""


def envelope_chart(assessment: Assessment, canvas: Canvas) -> Chart | None:
    """Draw the tightest contours, the region under all required ones, and the planned config.

    There is no contour of what the base is not shown to have.

    Args:
        canvas: The room for the chart.

    Returns:
        The chart; None where there is no contour.
    """
    envelope = held_envelope(assessment)
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
    colours = alt.Scale(domain=names, range=list(CONTOURS[: len(names)]))
    colour = alt.Color(field="capability", type="nominal", scale=colours, legend=None)
    layers = [*_safe_region(envelope, x, y)]
    lines = alt.Chart(data(rows)).mark_line(strokeWidth=2, clip=True)
    layers.append(
        lines.encode(x=x, y=y, color=colour, order=alt.Order(field="steps", type="quantitative"))
    )
    one = data([{"steps": steps, "rate": rate}])
    planned = alt.Chart(one)
    layers.append(
        planned.mark_point(size=130, filled=True, color=INK, shape="cross", opacity=1).encode(
            x=x, y=y
        )
    )
    return alt.LayerChart(layer=layers).properties(width=canvas.width - 90, height=280)


def envelope_key(envelope: SafeEnvelope) -> tuple[Key, ...]:
    """Explain what `envelope_chart` draws of this envelope, and only that."""
    keys = [Key("ink", "cross", "this run")]
    if safe_rates(envelope):
        keys.append(
            Key(
                "green",
                "pale",
                "safe for all required capabilities, by the lower end of each range",
            )
        )
    keys += [
        Key(NAMES[CONTOURS[index]], "line", f"{_label(contour)} reaches what is accepted")
        for index, contour in enumerate(shown_contours(envelope))
    ]
    return tuple(keys)


def _safe_region(envelope: SafeEnvelope, x: alt.X, y: alt.Y) -> Iterator[alt.Chart]:
    """Draw the region below the lower ends of the ranges of all required capabilities."""
    planned = envelope.planned_learning_rate
    lows = safe_rates(envelope)
    if not lows:
        return
    rows: list[dict[str, str | float]] = [
        {"steps": steps, "rate": lows[steps], "from": planned / RATES} for steps in sorted(lows)
    ]
    area = alt.Chart(data(rows)).mark_area(color=GREEN, opacity=0.25, clip=True)
    yield area.encode(x=x, y=y, y2=alt.Y2(field="from"))
    edge = alt.Chart(data(rows)).mark_line(color=GREEN, strokeDash=[4, 3], clip=True)
    yield edge.encode(x=x, y=y, order=alt.Order(field="steps", type="quantitative"))


def safe_rates(envelope: SafeEnvelope) -> dict[float, float]:
    """Find the rates below which every required capability is safe, where they are in the chart.

    Returns:
        Steps to the rate; empty without a required capability, or where the region is below the chart.
    """
    # Above the planned rate, what no loss is predicted for has not been seen and is not called safe.
    planned = envelope.planned_learning_rate
    lows: dict[float, list[float]] = {}
    for contour in (contour for contour in envelope.contours if contour.required):
        for point in contour.points:
            lows.setdefault(point.steps, []).append(planned if point.low is None else point.low)
    result = {steps: min(each) for steps, each in lows.items()}
    steps = envelope.planned_steps
    drawn = (rate for at, rate in result.items() if steps / SHORTEST <= at <= steps * LONGEST)
    return result if any(rate > planned / RATES for rate in drawn) else {}


def shown_contours(envelope: SafeEnvelope) -> list[EnvelopeContour]:
    """List the tightest contours, required ones first, as many as colours can tell apart."""
    drawn = [contour for contour in envelope.contours if contour.is_reached]
    return sorted(drawn, key=lambda contour: not contour.required)[:MAX_CONTOURS]


def _label(contour: EnvelopeContour) -> str:
    return clean(contour.capability) + ("" if contour.required else " (watched)")
