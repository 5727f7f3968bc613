"""A training run as one HTML file: no script, no address to load from, all text of files escaped."""

from collections.abc import Iterator

import altair as alt

from ...results import TrainingRun
from ...results.readings import (
    DASH,
    clean,
    duration,
    in_points,
    items_in_groups,
    number,
    percent,
    with_error,
    with_rise,
)
from ..charts import CONTENT_WIDTH, INK, SERIES, data, styled, to_svg
from ._page import Figure, page
from ._tables import Kind, Table, table

_COURSE: list[tuple[str, Kind]] = [
    ("capability", "text"),
    ("items in groups", "number"),
    ("tuned − base", "number"),
    ("tolerance", "number"),
    ("unit", "text"),
    ("largest loss", "number"),
    ("at step", "number"),
    ("alarm at step", "number"),
    ("", "text"),
]


def render_training_run(run: TrainingRun) -> str:
    """A training run as a page: verdict, what was lost, when and why alarms came, what it cost.

    Args:
        run: What to show.

    Returns:
        One HTML document that needs nothing beside it; equal for equal runs.
    """
    run = in_points(run)
    provenance = run.provenance
    facts = [
        ("base", provenance.model.source),
        ("base digest", provenance.model.digest),
        ("data", f"{provenance.data.name} {provenance.data.digest}" if provenance.data else DASH),
        ("config", provenance.config.name if provenance.config else DASH),
        *((f"config: {key}", str(value)) for key, value in provenance.config_values.items()),
        *(("suite", f"{suite.name} {suite.digest}") for suite in provenance.suites),
        *(provenance.packages.items()),
    ]
    return page(
        "_training_run.html.j2",
        verdict=run.verdict,
        reasons=[clean(reason) for reason in run.reasons],
        base=clean(provenance.model.source),
        created=clean(provenance.created).replace("T", " "),
        version=clean(provenance.driftline_version),
        tiles=tuple(_tiles(run)),
        courses=_courses(run),
        figure=_figure(run),
        alarms=[
            (
                alarm.step,
                clean(alarm.detector),
                clean(alarm.action),
                [clean(sentence) for sentence in alarm.evidence],
            )
            for alarm in run.alarms
        ],
        caveats=[clean(caveat) for caveat in run.caveats],
        provenance=table([("what", "text"), ("value", "text")], facts),
    )


def _tiles(run: TrainingRun) -> Iterator[tuple[str, str, str]]:
    yield "steps", f"{run.num_steps:,}", f"of {run.planned_steps:,}"
    yield "alarms", str(len(run.alarms)), f"at alpha {run.alpha:g}, {len(run.checks)} checks"
    back = DASH if run.rolled_back_to is None else f"step {run.rolled_back_to}"
    yield "rolled back to", back, f"model in {clean(run.model_folder)}/"
    cost = run.cost
    yield "monitor", percent(cost.monitor_share), f"of {duration(cost.wall_seconds)}"


def _courses(run: TrainingRun) -> Table:
    rows = []
    for course in run.capabilities:
        state = {True: "within", False: "beyond", None: "not known"}[course.within_tolerance]
        rows.append(
            (
                course.capability,
                items_in_groups(course.num_items, course.num_groups),
                with_rise(
                    with_error(number(course.change, signed=True), course.standard_error),
                    course.unit,
                    course.change,
                ),
                with_rise(number(course.tolerance), course.unit, course.tolerance),
                course.unit,
                with_rise(number(course.largest_loss), course.unit, course.largest_loss),
                DASH if course.largest_loss_step is None else str(course.largest_loss_step),
                DASH if course.alarm_step is None else str(course.alarm_step),
                state if course.required else f"{state}, watched only",
            )
        )
    return table(_COURSE, rows)


def _figure(run: TrainingRun) -> Figure | None:
    """Losses of the capabilities that came nearest to their tolerance, in tolerances."""
    worst = sorted(run.capabilities, key=lambda c: -(c.largest_loss or 0.0) / c.tolerance)
    shown = worst[: len(SERIES)]
    rows: list[dict[str, str | float | bool | None]] = [
        {
            "step": p.step,
            "capability": clean(c.capability),
            "loss": p.losses[c.capability] / c.tolerance,
        }
        for c in shown
        for p in run.checks
    ]
    if len(run.checks) < 2:
        return None
    lines = (
        alt.Chart(data(rows))
        .mark_line(point=True)
        .encode(
            x=alt.X("step:Q", title="optimiser step"),
            y=alt.Y("loss:Q", title="loss / tolerance"),
            color=alt.Color(
                "capability:N",
                scale=alt.Scale(domain=[clean(c.capability) for c in shown], range=list(SERIES)),
                title=None,
            ),
        )
    )
    rule = alt.Chart(data([{"y": 1.0}])).mark_rule(color=INK, strokeDash=[4, 3]).encode(y="y:Q")
    chart = styled((lines + rule).properties(width=CONTENT_WIDTH - 220, height=260))
    numbers = table(
        [("step", "number"), *((c.capability, "number") for c in shown)],
        [
            (str(p.step), *(number(p.losses[c.capability], signed=True) for c in shown))
            for p in run.checks
        ],
    )
    label = f"Loss over tolerance along the run, {len(shown)} capabilities; 1 is the tolerance."
    caption = (
        "Mean loss on the monitor's items over its tolerance; the dashed line is the tolerance."
    )
    return Figure(to_svg(chart, prefix="losses", label=label), caption, numbers)
