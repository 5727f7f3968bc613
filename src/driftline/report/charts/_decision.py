"""Gain against loss: the planned run, or the points of a search, in one chart."""

from collections.abc import Sequence
from dataclasses import dataclass

from ._altair import alt
from ._drawing import NUMBERS, Canvas, Chart, Key, change_axis, data
from ._palette import AXIS, BLUE, GREY, INK, ORANGE, VERMILION

_HEIGHT = 250


@dataclass(frozen=True)
class DecisionPoint:
    """One point: right is less loss, up is more gain."""

    loss: float
    """Loss of the capability that lost most, in its tolerances; positive is worse."""
    gain: float
    is_within: bool
    """Known to keep within what is accepted."""
    is_beyond: bool = False
    """Known to lose more than is accepted."""
    on_front: bool = False
    is_chosen: bool = False


@dataclass(frozen=True)
class DecisionSpread:
    """The intervals of the chosen point."""

    loss_low: float
    loss_high: float
    gain_low: float
    gain_high: float


def decision_chart(
    points: Sequence[DecisionPoint],
    canvas: Canvas,
    *,
    gain: str,
    spread: DecisionSpread | None = None,
) -> Chart:
    """Draw gain against the change of the worst capability."""
    rows: list[dict[str, str | float | bool | None]] = [
        {
            "change": 0.0 - p.loss,
            "gain": p.gain,
            "state": _state(p),
            "front": p.on_front,
            "chosen": p.is_chosen,
        }
        for p in points
    ]
    ends = [0.0 - p.loss for p in points]
    if spread is not None:
        ends += [-spread.loss_low, -spread.loss_high]
    scale, ticks = change_axis(ends, 1.0)
    axis = alt.Axis(format=NUMBERS, tickCount=8 if canvas.columns > 1 else 4, labelOverlap=True)
    if ticks is not None:
        axis.values = ticks
    words = "change of the worst capability, in tolerances"
    x = alt.X(field="change", type="quantitative", scale=scale, axis=axis).title(
        words if canvas.columns > 1 else ["worst change,", "in tolerances"]
    )
    y = alt.Y(
        field="gain", type="quantitative", title=gain, axis=alt.Axis(format=NUMBERS, tickCount=5)
    )
    colour = alt.Color(field="state", type="nominal", legend=None).scale(
        domain=["within", "beyond", "open"], range=[BLUE, VERMILION, ORANGE]
    )
    base = alt.Chart(data(rows))
    layers = [
        alt.Chart(data([{}])).mark_rule(color=AXIS).encode(y=alt.YDatum(0)),
        alt.Chart(data([{}]))
        .mark_rule(color=VERMILION, strokeDash=[4, 3], strokeWidth=2)
        .encode(x=alt.XDatum(-1)),
    ]
    if sum(p.on_front for p in points) > 1:
        line = base.transform_filter("datum.front").mark_line(color=GREY, strokeWidth=1)
        layers.append(line.encode(x=x, y=y, order=alt.Order(field="change", type="quantitative")))
    if spread is not None:
        box = {
            "left": -spread.loss_high, "right": -spread.loss_low,
            "bottom": spread.gain_low, "top": spread.gain_high,
            "change": next((r["change"] for r in rows if r["chosen"]), 0.0),
            "gain": next((r["gain"] for r in rows if r["chosen"]), 0.0),
        }  # fmt: skip
        cross = alt.Chart(data([box])).mark_rule(color=INK, strokeWidth=2)
        layers.append(cross.encode(x=x.field("left"), x2=alt.X2(field="right"), y=y))
        layers.append(cross.encode(x=x, y=y.field("bottom"), y2=alt.Y2(field="top")))
    layers.append(base.mark_point(size=60, filled=True, opacity=1).encode(x=x, y=y, color=colour))
    ring = base.transform_filter("datum.chosen").mark_point(
        size=200, color=INK, strokeWidth=2, filled=False
    )
    layers.append(ring.encode(x=x, y=y))
    zero = alt.Chart(data([{"change": 0.0, "gain": 0.0}])).mark_point(
        size=110, filled=True, color=INK, shape="cross", opacity=1
    )
    layers.append(zero.encode(x=x, y=y))
    return alt.LayerChart(layer=layers).properties(width=canvas.width - 90, height=_HEIGHT)


def _state(point: DecisionPoint) -> str:
    return "within" if point.is_within else "beyond" if point.is_beyond else "open"


def decision_key(
    points: Sequence[DecisionPoint], *, chosen: str, spread: str | None = None
) -> tuple[Key, ...]:
    """Explain every mark that `decision_chart` draws.

    Args:
        chosen: What the ring is.
        spread: What the bars through it are; None where there are none.
    """
    keys = [Key("ink", "cross", "the base: no gain, no loss")]
    if any(p.is_chosen for p in points):
        keys.append(Key("ink", "ring", chosen))
    if spread is not None:
        keys.append(Key("ink", "line", spread))
    if any(p.is_within for p in points):
        keys.append(Key("blue", "dot", "within what is accepted"))
    if any(p.is_beyond for p in points):
        keys.append(Key("vermilion", "dot", "beyond what is accepted"))
    if not all(p.is_within or p.is_beyond for p in points):
        keys.append(Key("orange", "dot", "not known to be within it"))
    keys.append(
        Key("vermilion", "dash", "the largest loss that is accepted; right of it is within")
    )
    if sum(p.on_front for p in points) > 1:
        keys.append(Key("grey", "line", "points that none beats"))
    return tuple(keys)
