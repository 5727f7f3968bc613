"""A comparison of configs as one HTML file: no script, nothing to load, all text escaped."""

from collections.abc import Iterator

from ....results import ConfigComparison, config_comparison_screen
from ....results.readings import (
    CONFIG_FORECAST_TITLES,
    CONFIG_TITLES,
    clean,
    config_forecast_rows,
    config_rows,
    cost_sentence,
    fall,
    in_points,
    number,
    percent,
)
from ...charts import ComparedPoint, compared_key, gain_against_loss
from .._page import BADGES, Head, created_words, drawn, page
from .._tables import Kind, Table, table

_TEXT = {"config", "forecast", "worst capability", "capability", "unit", ""}


def render_config_comparison(found: ConfigComparison) -> str:
    """Write a comparison of configs as a page.

    Args:
        found: The document to show.

    Returns:
        One HTML document that needs nothing beside it; equal for equal comparisons.
    """
    screen = config_comparison_screen(found)
    found = in_points(found)
    provenance, points = found.provenance, _points(found)
    head = Head(
        title="Which config to train",
        badge=BADGES[found.verdict],
        screen=screen,
        caveats=found.caveats,
        facts=(
            ("model", clean(provenance.model.source)),
            ("configs", f"{len(found.configs)}"),
            ("date", created_words(provenance.created)),
        ),
        tiles=tuple(_tiles(found)),
        cost=(cost_sentence(found.cost),),
        provenance=_provenance_table(found),
        version=clean(provenance.driftline_version),
        footer="A forecast is a prediction, not a proof.",
    )
    numbers = _grid(CONFIG_TITLES, config_rows(found))
    figure = drawn(
        lambda canvas: gain_against_loss(points, canvas, gain_title="predicted gain, nats a token"),
        "gain",
        label="Predicted gain against the predicted worst change; the numbers are in the table.",
        key=compared_key(points),
        caption="Up is more predicted gain, right is less loss of the required capability that is predicted to "
        "lose most. Bars are intervals of the forecast.",
        numbers=numbers,
    )
    return page(
        "_comparison.html.j2",
        head,
        figure=figure,
        lead=(
            "Forecasts from a probe of each run. P(safest): its worst loss is the smallest of all, by "
            "draws from the forecasts."
        ),
        rows=numbers,
        reasons=(),
        history=(),
        details=_grid(CONFIG_FORECAST_TITLES, config_forecast_rows(found)),
    )


def _grid(titles: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Table:
    def kind(title: str) -> Kind:
        if title == "verdict":
            return "verdict"
        return "text" if title in _TEXT else "number"

    return table([(title, kind(title)) for title in titles], rows)


def _points(found: ConfigComparison) -> list[ComparedPoint]:
    return [
        ComparedPoint(
            clean(row.label),
            row.verdict,
            row.worst_loss,
            row.worst_low,
            row.worst_high,
            row.gain,
            row.gain_low,
            row.gain_high,
        )
        for row in found.configs
    ]


def _tiles(found: ConfigComparison) -> Iterator[tuple[str, str, str]]:
    safe = sum(row.verdict == "safe" for row in found.configs)
    unsafe = sum(row.verdict == "unsafe" for row in found.configs)
    yield "forecast to be safe", f"{safe} of {len(found.configs)}", f"{unsafe} unsafe"
    row = next(each for each in found.configs if each.label == found.safest)
    yield "safest", clean(row.label), f"P = {percent(row.probability_safest)}"
    yield "its worst change", number(fall(row.worst_loss), signed=True), "tolerances"


def _provenance_table(found: ConfigComparison) -> Table:
    p = found.provenance
    rows = [("model", f"{p.model.source} {p.model.digest}")]
    for each in found.configs:
        rows.append(("config", f"{each.config.name} {each.config.digest}"))
        rows.append(("data", f"{each.data.name} {each.data.digest}"))
    rows += [("suite", f"{suite.name} {suite.digest}") for suite in p.suites]
    rows += [
        ("command", f"{p.command}, up to {p.num_items} items a capability, seed {p.seed}"),
        ("driftline", f"{p.driftline_version}, Python {p.python_version}"),
        ("packages", ", ".join(f"{name} {v}" for name, v in sorted(p.packages.items()))),
        ("created", p.created),
        ("schema", found.schema_),
    ]
    return table([("", "text"), ("", "code")], rows)
