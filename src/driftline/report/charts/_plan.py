"""The chart of a plan: target gain against the loss of the capability that lost most."""

import altair as alt

from ...results import Plan, PlanLook
from ._drawing import (
    CONTENT_WIDTH,
    GREY,
    INK,
    NUMBERS,
    SERIES,
    VERMILION,
    Chart,
    data,
    loss_axis,
    styled,
)

_HEIGHT = 320
_WITHIN, _BEYOND = "within the tolerances", "not known to be within"


def plan_front(found: Plan) -> Chart:
    """Every point of a search, with the front and the chosen one.

    Args:
        found: What to draw.

    Returns:
        The chart; up is gain, left is less loss.
    """
    rows = [_row(look) for look in found.looks]
    front = [_row(look) for look in found.looks if look.is_on_front]
    scale, ticks = loss_axis([look.worst_loss for look in found.looks], 1.0)
    axis = alt.Axis(format=NUMBERS) if ticks is None else alt.Axis(format=NUMBERS, values=ticks)
    x = alt.X("loss", type="quantitative", scale=scale, axis=axis)
    title = "target gain, nats per token"
    y = alt.Y("gain", type="quantitative", title=title, axis=alt.Axis(format=NUMBERS))
    points = (
        alt.Chart(data(rows))
        .mark_circle(size=44, opacity=0.75)
        .encode(
            x=x.title("loss of the capability that lost most, in its tolerances"),
            y=y,
            color=alt.Color(
                "constraint",
                type="nominal",
                scale=alt.Scale(domain=[_WITHIN, _BEYOND], range=[SERIES[0], GREY]),
                legend=alt.Legend(title=None, orient="top"),
            ),
        )
    )
    line = (
        alt.Chart(data(front)).mark_line(color=GREY, strokeWidth=1).encode(x=x, y=y, order="loss:Q")
    )
    chosen = (
        alt.Chart(data([_row(found.chosen)]))
        .mark_point(size=200, color=INK, strokeWidth=2, filled=False)
        .encode(x=x, y=y)
    )
    tolerance = (
        alt.Chart(data([{"loss": 1.0}]))
        .mark_rule(color=VERMILION, strokeDash=[4, 3])
        .encode(x=alt.X("loss", type="quantitative", scale=scale))
    )
    layers = alt.LayerChart(layer=[tolerance, line, points, chosen])
    return styled(layers.properties(width=CONTENT_WIDTH - 120, height=_HEIGHT))


def _row(look: PlanLook) -> dict[str, str | float | None]:
    return {
        "constraint": _WITHIN if look.meets_constraint else _BEYOND,
        "loss": look.worst_loss,
        "gain": look.target_gain,
    }
