"""A training run as one HTML file: no script, no address to load from, all text of files escaped."""

from collections.abc import Iterator

from ...results import TrainingRun
from ...results.readings import (
    DASH,
    clean,
    duration,
    fall,
    gain_sentence,
    in_points,
    number,
    percent,
)
from ..charts import WIDE, Canvas, Chart, shown_courses, training_chart, training_key
from ..tables import ReportTable, courses_table, table
from ..terminal import training_screen
from ._page import Figure, Head, drawn, page


def render_training_run(run: TrainingRun) -> str:
    """Write a training run as a page: verdict, losses, alarms with their time and reason, cost."""
    run = in_points(run)
    p, cost = run.provenance, run.cost
    head = Head(
        run,
        title="Training under the monitor",
        screen=training_screen(run),
        facts=(
            ("base", clean(p.model.source)),
            ("model", f"{clean(run.model_folder)}/ in the run folder"),
        ),
        tiles=tuple(_tiles(run)),
        cost=(
            f"{duration(cost.wall_seconds)}, of which the monitor {duration(cost.monitor_seconds)} "
            f"({percent(cost.monitor_share)})",
        ),
        provenance=_provenance_table(run),
        footer="The monitor scores its own items alone; certify the model before you ship it.",
    )
    return page(
        "_training_run.html.j2",
        head,
        reasons=[clean(reason) for reason in run.reasons],
        courses=courses_table(run),
        gain=None if run.target is None else gain_sentence(run.target),
        figure=_figure(run),
        alarms=[
            (
                f"before step {alarm.step}, averted" if alarm.averted else f"step {alarm.step}",
                clean(alarm.detector),
                clean(alarm.action),
                [clean(sentence) for sentence in alarm.evidence],
            )
            for alarm in run.alarms
        ],
    )


def _provenance_table(run: TrainingRun) -> ReportTable:
    p = run.provenance
    facts = [
        ("base", p.model.source),
        ("base digest", p.model.digest),
        ("data", f"{p.data.name} {p.data.digest}" if p.data else DASH),
        ("config", p.config.name if p.config else DASH),
        *((f"config: {key}", str(value)) for key, value in p.config_values.items()),
        *(("suite", f"{suite.name} {suite.digest}") for suite in p.suites),
        *(p.packages.items()),
        ("created", p.created),
        ("schema", run.schema_),
    ]
    return table([("", "text"), ("", "code")], facts)


def _tiles(run: TrainingRun) -> Iterator[tuple[str, str, str]]:
    yield "steps", f"{run.num_steps:,}", f"of {run.planned_steps:,}"
    yield "alarms", str(len(run.alarms)), f"at alpha {run.alpha:g}, {len(run.checks)} checks"
    if run.target is not None:
        gain = run.target
        yield (
            "gain",
            number(gain.gain, signed=True),
            f"nats a token on {gain.num_rows:,} held-out rows",
        )
    back = DASH if run.rolled_back_to is None else f"step {run.rolled_back_to}"
    yield "rolled back to", back, f"model in {clean(run.model_folder)}/"
    cost = run.cost
    yield "monitor", percent(cost.monitor_share), f"of {duration(cost.wall_seconds)}"


def _figure(run: TrainingRun) -> Figure | None:
    """Draw the changes of the capabilities that came nearest to their limit, in tolerances."""
    if training_chart(run, WIDE) is None:
        return None
    shown = shown_courses(run)
    numbers = table(
        [("step", "number"), *((c.capability, "number") for c in shown)],
        [
            (str(p.step), *(number(fall(p.losses[c.capability]), signed=True) for c in shown))
            for p in run.checks
        ],
    )

    def draw(canvas: Canvas) -> Chart:
        chart = training_chart(run, canvas)
        assert chart is not None
        return chart

    return drawn(
        draw,
        "losses",
        label=f"Change over tolerance along the run, {len(shown)} capabilities; -1 is the limit.",
        key=training_key(run),
        caption="Mean change on the monitor's items, in units of what is accepted.",
        numbers=numbers,
    )
