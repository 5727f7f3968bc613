"""The chart of a comparison: gain on the target against the worst loss, with intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import altair as alt

from ._drawing import (
    BLUE,
    CONTENT_WIDTH,
    GREY,
    NUMBERS,
    ORANGE,
    VERMILION,
    Chart,
    data,
    loss_axis,
    styled,
)

_HEIGHT = 320
_COLOURS = {"kept": BLUE, "safe": BLUE, "lost": VERMILION, "unsafe": VERMILION}


class ComparedPoint(NamedTuple):
    """One of those that are compared."""

    label: str
    verdict: str
    loss: float
    """The worst loss, in tolerances, with its interval."""
    loss_low: float
    loss_high: float
    gain: float | None
    """None where no gain is known; the chart then has one row each."""
    gain_low: float | None
    gain_high: float | None


def gain_against_loss(points: Sequence[ComparedPoint], *, gain_title: str) -> Chart:
    """Draw gain against worst loss; without gains, the worst loss of each.

    Args:
        points: What is compared.
        gain_title: Title of the axis of the gain.

    Returns:
        The chart: left is less loss, up is more gain; the rule is the tolerance.
    """
    rows = [point._asdict() for point in points]
    extent = [value for p in points for value in (p.loss, p.loss_low, p.loss_high)]
    scale, ticks = loss_axis(extent, 1.0)
    axis = alt.Axis(format=NUMBERS) if ticks is None else alt.Axis(format=NUMBERS, values=ticks)
    x = alt.X("loss", type="quantitative", scale=scale, axis=axis)
    x = x.title("worst loss of a required capability, in tolerances")
    has_gain = all(point.gain is not None for point in points)
    labels = [point.label for point in points]
    y = (
        alt.Y("gain", type="quantitative", title=gain_title, axis=alt.Axis(format=NUMBERS))
        if has_gain
        else alt.Y("label", type="nominal", sort=labels, title=None)
    )
    verdicts = list(dict.fromkeys(point.verdict for point in points))
    colour = alt.Color(
        "verdict",
        type="nominal",
        scale=alt.Scale(domain=verdicts, range=[_COLOURS.get(v, ORANGE) for v in verdicts]),
        legend=alt.Legend(title=None, orient="top"),
    )
    chart = alt.Chart(data(rows))
    layers: list[alt.Chart] = [
        alt.Chart(data([{"loss": 1.0}]))
        .mark_rule(color=VERMILION, strokeDash=[4, 3])
        .encode(x=alt.X("loss", type="quantitative", scale=scale)),
        chart.mark_rule(color=GREY).encode(
            x=alt.X("loss_low", type="quantitative", scale=scale), x2="loss_high", y=y
        ),
    ]
    if has_gain:
        bounds = alt.Y("gain_low", type="quantitative")
        layers.append(chart.mark_rule(color=GREY).encode(x=x, y=bounds, y2="gain_high"))
        words = chart.mark_text(align="left", dx=8, dy=-8, fontSize=11)
        layers.append(words.encode(x=x, y=y, text=alt.Text("label", type="nominal")))
    layers.append(chart.mark_circle(size=70, opacity=1).encode(x=x, y=y, color=colour))
    drawn = alt.LayerChart(layer=layers)
    height = _HEIGHT if has_gain else 40 * len(points)
    return styled(drawn.properties(width=CONTENT_WIDTH - 120, height=height))
