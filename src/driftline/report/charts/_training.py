"""The chart of a training run: changes along it, in tolerances."""

from ...results import CapabilityCourse, TrainingRun
from ...results.readings import clean
from ._altair import alt
from ._drawing import NUMBERS, Canvas, Chart, Key, data, styled
from ._palette import INK, NAMES, SERIES


def shown_courses(run: TrainingRun) -> list[CapabilityCourse]:
    """List the capabilities that came nearest to their limit, as many as colours can tell apart."""
    worst = sorted(run.capabilities, key=lambda c: -(c.largest_loss or 0.0) / (c.tolerance or 1.0))
    return [course for course in worst if course.tolerance > 0][: len(SERIES)]


def training_chart(run: TrainingRun, canvas: Canvas) -> Chart | None:
    """Draw the change of each capability over its tolerance.

    Args:
        canvas: The room for the chart.

    Returns:
        The chart; None where there are not two checks, or nothing accepts a loss.
    """
    shown = shown_courses(run)
    if len(run.checks) < 2 or not shown:
        return None
    rows: list[dict[str, str | float | bool | None]] = [
        {
            "step": p.step,
            "capability": clean(c.capability),
            "change": 0.0 - p.losses[c.capability] / c.tolerance,
        }
        for c in shown
        for p in run.checks
    ]
    steps = [p.step for p in run.checks]
    colours = alt.Scale(
        domain=[clean(c.capability) for c in shown], range=list(SERIES[: len(shown)])
    )
    lines = (
        alt.Chart(data(rows))
        .mark_line(point=True)
        .encode(
            x=alt.X("step:Q", title="optimiser step").axis(
                tickCount=min(8 if canvas.columns > 1 else 4, steps[-1] - steps[0]), format="d"
            ),
            y=alt.Y("change:Q", title="change, in tolerances").axis(format=NUMBERS),
            color=alt.Color("capability:N", scale=colours, legend=None),
        )
    )
    rule = alt.Chart(data([{"y": -1.0}])).mark_rule(color=INK, strokeDash=[4, 3]).encode(y="y:Q")
    return styled((lines + rule).properties(width=canvas.width - 90, height=240))


def training_key(run: TrainingRun) -> tuple[Key, ...]:
    """Explain every mark of that chart."""
    keys = [
        Key(NAMES[colour], "line", clean(course.capability))
        for course, colour in zip(shown_courses(run), SERIES, strict=False)
    ]
    return (*keys, Key("ink", "dash", "the largest fall that is accepted"))
