"""Changes with their intervals against what is accepted: a row a capability."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...results.readings import NOT_SHOWN
from ._altair import alt
from ._drawing import NUMBERS, Canvas, Chart, Key, change_axis, data
from ._palette import AXIS, BLUE, GREY, INK, ORANGE, PAPER, VERMILION

ROW = 26
COLOURS = {"lost": VERMILION, "undecided": ORANGE, "retained": BLUE, "not_shown": GREY}
SHAPES = {"lost": "square", "undecided": "diamond", "retained": "circle", "not_shown": "cross"}


@dataclass(frozen=True)
class IntervalRow:
    """One capability of the chart; negative is worse."""

    label: str
    change: float
    low: float | None
    high: float | None
    tolerance: float
    """The loss that is accepted, positive."""
    verdict: str
    """A word of `COLOURS`; another one is drawn as undecided."""
    required: bool


def interval_chart(rows: Sequence[IntervalRow], canvas: Canvas, *, title: str) -> Chart:
    """Draw a point and an interval a row, with a tick where the accepted loss ends."""
    known = [dict(row.__dict__, state=_state(row.verdict)) for row in rows]
    ends = [end for r in rows for end in (r.low, r.high, r.change) if end is not None]
    tolerances = sorted(row.tolerance for row in rows)
    scale, ticks = change_axis([*ends, *(-t for t in tolerances)], tolerances[len(tolerances) // 2])
    axis = alt.Axis(format=NUMBERS, tickCount=9 if canvas.columns > 1 else 4, labelOverlap=True)
    if ticks is not None:
        axis.values = ticks
    names = alt.Y(field="label", type="nominal", sort=None, title=None).axis(
        labelLimit=canvas.label, ticks=False, domain=False, grid=True
    )
    x = alt.X(field="change", type="quantitative", scale=scale).axis(axis).title(title)
    words = list(COLOURS)
    colour = alt.Color(field="state", type="nominal", legend=None).scale(
        domain=words, range=list(COLOURS.values())
    )
    shape = alt.Shape(field="state", type="nominal", legend=None).scale(
        domain=words, range=[SHAPES[word] for word in words]
    )
    numbers = data([{**row, "accepted": -float(row["tolerance"])} for row in known])
    base = alt.Chart(numbers).encode(y=names)
    zero = alt.Chart(data([{}])).mark_rule(color=AXIS).encode(x=alt.XDatum(0))
    lowest, highest = scale.domain
    # An open end is drawn to the edge of the chart.
    spread = (
        base.transform_filter("isValid(datum.low) || isValid(datum.high)")
        .transform_calculate(
            low=f"isValid(datum.low) ? datum.low : {lowest}",
            high=f"isValid(datum.high) ? datum.high : {highest}",
        )
        .mark_rule(strokeWidth=3)
        .encode(x=x.field("low"), x2=alt.X2(field="high"), color=colour)
    )
    accepted = base.mark_tick(color=INK, thickness=2, size=18).encode(x=x.field("accepted"))
    points = base.mark_point(size=105, filled=True, opacity=1).encode(
        x=x, color=colour, shape=shape
    )
    hollow = (
        base.transform_filter("!datum.required")
        .mark_point(size=34, filled=True, opacity=1, color=PAPER)
        .encode(x=x, shape=shape)
    )
    layers = alt.LayerChart(layer=[zero, spread, accepted, points, hollow])
    return layers.properties(width=canvas.plot, height=ROW * len(rows))


def interval_key(rows: Sequence[IntervalRow], *, words: str) -> tuple[Key, ...]:
    """Explain every mark that `interval_chart` draws of these rows.

    Args:
        words: What the bar is, such as `90% prediction interval`.
    """
    has_untested = any(row.low is None and row.high is None for row in rows)
    untested = ", or no test was made" if has_untested else ""
    states = {_state(row.verdict) for row in rows}
    keys = [
        Key("vermilion", "square", "lost: all of the interval is beyond what is accepted")
        if "lost" in states
        else None,
        Key("orange", "diamond", f"undecided: the interval spans what is accepted{untested}")
        if "undecided" in states
        else None,
        Key("blue", "dot", "retained: all of the interval is within what is accepted")
        if "retained" in states
        else None,
        Key("grey", "cross", NOT_SHOWN) if "not_shown" in states else None,
        Key("ink", "tick", "the largest fall that is accepted"),
    ]
    if any(row.low is not None or row.high is not None for row in rows):
        keys.append(Key("grey", "line", words))
    if not all(row.required for row in rows):
        keys.append(Key("grey", "ring", "hollow: watched, not required"))
    return tuple(key for key in keys if key is not None)


def _state(verdict: str) -> str:
    return verdict if verdict in COLOURS else "undecided"
