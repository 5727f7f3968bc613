"""Two finished runs side by side as one HTML file."""

from collections.abc import Iterator

from ....results import ReadingPair, RunComparison, RunReading
from ....results.readings import DASH, clean, in_points, interval, number
from ...charts import Canvas, Chart, IntervalRow, interval_chart, interval_key, styled
from ...terminal import run_comparison_screen
from .._page import Figure, Head, created_words, drawn, page
from .._tables import Table, table


def render_run_comparison(result: RunComparison) -> str:
    """Write two runs side by side as a page in the order of every page.

    Args:
        result: The document to show.

    Returns:
        One HTML document that needs nothing beside it; equal for equal documents.
    """
    shown = in_points(result)
    first, second = clean(shown.first.name), clean(shown.second.name)
    head = Head(
        shown,
        title="Two runs side by side",
        badge=None,
        screen=run_comparison_screen(result),
        facts=(
            ("first", f"{first}, {created_words(shown.first.created)}"),
            ("second", f"{second}, {created_words(shown.second.created)}"),
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
        readings=_readings(shown),
        settings=table(
            [("setting or input", "code"), (first, "code"), (second, "code")],
            ((s.name, s.first or DASH, s.second or DASH) for s in shown.settings),
        ),
        reasons=[
            (clean(run.name), [clean(reason) for reason in run.reasons])
            for run in (shown.first, shown.second)
            if run.reasons
        ],
    )


def _verdict(verdict: str | None) -> str:
    return "no verdict" if verdict is None else clean(verdict).replace("_", " ")


def _readings(shown: RunComparison) -> Table:
    first, second = shown.first.name, shown.second.name
    return table(
        [
            (shown.quantity, "text"),
            (first, "number"),
            ("interval", "number"),
            (second, "number"),
            ("interval", "number"),
            ("difference", "number"),
            ("unit", "text"),
        ],
        (
            (
                pair.capability,
                *_cells(pair.first),
                *_cells(pair.second),
                number(pair.difference, signed=True),
                pair.unit,
            )
            for pair in shown.readings
        ),
    )


def _cells(reading: RunReading | None) -> tuple[str, str]:
    if reading is None:
        return DASH, DASH
    return number(reading.value, signed=True), interval(reading.low, reading.high, signed=True)


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
