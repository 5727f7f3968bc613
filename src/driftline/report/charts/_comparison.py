"""The chart of a comparison: gain on the target against the worst change, with intervals."""

from collections.abc import Sequence
from typing import NamedTuple

from ._altair import alt
from ._drawing import NUMBERS, Canvas, Chart, Key, change_axis, data, styled
from ._palette import BLUE, GREY, INK, ORANGE, VERMILION

_HEIGHT = 320
_ROW = 40
"""Height of one row, where no gain is known."""
_LEFT = {True: 90, False: 40}
"""Room beside the plot for the axis of the gain, or of the labels beyond their own."""
_GOOD, _BAD = ("kept", "safe"), ("lost", "unsafe")


class ComparedPoint(NamedTuple):
    """One of the checkpoints or configs that are compared."""

    label: str
    verdict: str
    loss: float
    """The worst loss, in tolerances, with its interval; positive is worse."""
    loss_low: float
    loss_high: float
    gain: float | None
    """None where no gain is known; the chart then has one row each."""
    gain_low: float | None
    gain_high: float | None

    @property
    def state(self) -> str:
        """Good, bad or open, which decides the colour."""
        return "good" if self.verdict in _GOOD else "bad" if self.verdict in _BAD else "open"


def gain_against_loss(points: Sequence[ComparedPoint], canvas: Canvas, *, gain_title: str) -> Chart:
    """Draw gain against the worst change; without gains, the worst change of each."""
    rows = [
        {
            "label": p.label,
            "state": p.state,
            "change": 0.0 - p.loss,
            "low": 0.0 - p.loss_high,
            "high": 0.0 - p.loss_low,
            "gain": p.gain,
            "gain_low": p.gain_low,
            "gain_high": p.gain_high,
        }
        for p in points
    ]
    scale, ticks = change_axis([v for p in points for v in (-p.loss_low, -p.loss_high)], 1.0)
    axis = alt.Axis(format=NUMBERS, tickCount=8 if canvas.columns > 1 else 4, labelOverlap=True)
    if ticks is not None:
        axis.values = ticks
    wide = canvas.columns > 1
    words = "change of the worst required capability, in tolerances"
    x = alt.X(field="change", type="quantitative", scale=scale, axis=axis).title(
        words if wide else ["worst change,", "in tolerances"]
    )
    has_gain = all(p.gain is not None for p in points)
    labels = [p.label for p in points]
    y = (
        alt.Y(
            field="gain",
            type="quantitative",
            title=gain_title,
            axis=alt.Axis(format=NUMBERS, tickCount=5),
        )
        if has_gain
        else alt.Y(field="label", type="nominal", sort=labels, title=None).axis(
            labelLimit=canvas.label
        )
    )
    colour = alt.Color(field="state", type="nominal", legend=None).scale(
        domain=["good", "bad", "open"], range=[BLUE, VERMILION, ORANGE]
    )
    chart = alt.Chart(data(rows))
    layers = [
        alt.Chart(data([{}]))
        .mark_rule(color=VERMILION, strokeDash=[4, 3], strokeWidth=2)
        .encode(x=alt.XDatum(-1)),
        chart.mark_rule(color=GREY).encode(x=x.field("low"), x2=alt.X2(field="high"), y=y),
    ]
    if has_gain:
        bounds = alt.Y(field="gain_low", type="quantitative")
        layers.append(
            chart.mark_rule(color=GREY).encode(x=x, y=bounds, y2=alt.Y2(field="gain_high"))
        )
        if wide:
            names = chart.mark_text(align="left", dx=8, dy=-8, fontSize=11, color=INK)
            layers.append(names.encode(x=x, y=y, text=alt.Text(field="label", type="nominal")))
    layers.append(chart.mark_point(size=70, filled=True, opacity=1).encode(x=x, y=y, color=colour))
    width = canvas.width - _LEFT[True] if has_gain else canvas.plot
    height = _HEIGHT if has_gain else _ROW * len(points)
    return styled(alt.LayerChart(layer=layers).properties(width=width, height=height))


def compared_key(points: Sequence[ComparedPoint]) -> tuple[Key, ...]:
    """Explain every mark of that chart."""
    words = {"good": ("blue", _GOOD), "bad": ("vermilion", _BAD)}
    keys = []
    for state in dict.fromkeys(p.state for p in points):
        colour, names = words.get(state, ("orange", ()))
        shown = ", ".join(
            dict.fromkeys(p.verdict.replace("_", " ") for p in points if p.state == state)
        )
        keys.append(Key(colour, "dot", shown or ", ".join(names)))
    keys.append(Key("grey", "line", "its interval"))
    keys.append(
        Key("vermilion", "dash", "the largest loss that is accepted; right of it is within")
    )
    return tuple(keys)
