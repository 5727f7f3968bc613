"""Two finished runs side by side as one HTML file."""

from collections.abc import Iterator

from ....results import ReadingPair, RunComparison
from ....results.readings import clean, in_points
from ...charts import Canvas, Chart, IntervalRow, interval_chart, interval_key, styled
from ...tables import readings_table, settings_table, table
from ...terminal import run_comparison_screen
from .._page import Figure, Head, created_words, drawn, page


def render_run_comparison(result: RunComparison) -> str:
    """Write two runs side by side as a page in the order of every page."""
    shown = in_points(result)
    first, second = clean(shown.first.name), clean(shown.second.name)
    head = Head(
        shown,
        title="Two runs side by side",
        screen=run_comparison_screen(result),
        facts=(
            ("run A", f"{first}, {created_words(shown.first.created)}"),
            ("run B", f"{second}, {created_words(shown.second.created)}"),
            (
                "verdicts",
                " and ".join(_verdict(run.verdict) for run in (shown.first, shown.second)),
            ),
        ),
        tiles=(),
        cost=("Two documents were read, and no model was opened",),
        provenance=table(
            [("document", "text"), ("schema", "code")],
            [
                (first, shown.first.schema_),
                (second, shown.second.schema_),
                ("this page", shown.schema_),
            ],
        ),
        footer="A difference between two runs is not tested.",
    )
    return page(
        "_run_comparison.html.j2",
        head,
        figures=tuple(_figures(shown)),
        readings=readings_table(shown),
        settings=settings_table(shown),
        reasons=[
            (clean(run.name), [clean(reason) for reason in run.reasons])
            for run in (shown.first, shown.second)
            if run.reasons
        ],
    )


def _verdict(verdict: str | None) -> str:
    return "no verdict" if verdict is None else clean(verdict).replace("_", " ")


def _figures(shown: RunComparison) -> Iterator[Figure]:
    """Draw a chart of intervals for each unit, the two runs of a capability one below the other."""
    units = list(dict.fromkeys(pair.unit for pair in shown.readings))
    for index, unit in enumerate(units, start=1):
        own = [pair for pair in shown.readings if pair.unit == unit]
        rows = [row for pair in own for row in _pair_rows(pair)]
        if not rows:
            continue
        title = f"change, {clean(unit)}"

        def draw(canvas: Canvas, rows: list[IntervalRow] = rows, title: str = title) -> Chart:
            return styled(interval_chart(rows, canvas, title=title))

        yield drawn(
            draw,
            f"runs-{index}",
            label=f"Change of {len(own)} capabilities in two runs, in {clean(unit)}.",
            key=interval_key(rows, words="the run's own interval"),
            caption=f"A: {clean(shown.first.name)}. B: {clean(shown.second.name)}. Left is worse.",
        )


def _pair_rows(pair: ReadingPair) -> Iterator[IntervalRow]:
    for letter, reading in (("A", pair.first), ("B", pair.second)):
        if reading is None or reading.value is None or reading.accepted is None:
            continue
        yield IntervalRow(
            f"{letter} {clean(pair.capability)}" + ("" if reading.required else " (watched)"),
            reading.value,
            reading.low,
            reading.high,
            reading.accepted,
            reading.verdict or "undecided",
            reading.required,
        )
