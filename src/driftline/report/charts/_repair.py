"""The chart of a repair: target gain against the loss of the capability that lost most."""

import altair as alt

from ...results import Repair, RepairLook
from ...results.readings import clean
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


def repair_front(found: Repair) -> Chart:
    """Every point of a search, coloured by family, with the front and the chosen one.

    Args:
        found: What to draw.

    Returns:
        The chart; up is the gain where there is a target, else the share of the update that is kept.
    """
    has_target = found.target is not None
    rows = [_row(look, has_target=has_target) for look in found.looks]
    front = [_row(look, has_target=has_target) for look in found.looks if look.is_on_front]
    scale, ticks = loss_axis([look.worst_loss for look in found.looks], 1.0)
    axis = alt.Axis(format=NUMBERS) if ticks is None else alt.Axis(format=NUMBERS, values=ticks)
    x = alt.X("loss", type="quantitative", scale=scale, axis=axis)
    title = "target gain, nats per token" if has_target else "share of the update kept"
    y = alt.Y("worth", type="quantitative", title=title, axis=alt.Axis(format=NUMBERS))
    names = list(dict.fromkeys(str(row["family"]) for row in rows))
    colours = [SERIES[index % len(SERIES)] for index in range(len(names))]
    points = (
        alt.Chart(data(rows))
        .mark_circle(size=44, opacity=0.75)
        .encode(
            x=x.title("loss of the capability that lost most, in its tolerances"),
            y=y,
            color=alt.Color(
                "family",
                type="nominal",
                scale=alt.Scale(domain=names, range=colours),
                legend=alt.Legend(title=None, orient="top"),
            ),
        )
    )
    line = (
        alt.Chart(data(front)).mark_line(color=GREY, strokeWidth=1).encode(x=x, y=y, order="loss:Q")
    )
    chosen = (
        alt.Chart(data([_row(found.chosen, has_target=has_target)]))
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


def _row(look: RepairLook, *, has_target: bool) -> dict[str, str | float | None]:
    worth = look.target_gain if has_target else look.kept_change
    return {"family": clean(look.family), "loss": look.worst_loss, "worth": worth}
