"""A comparison of configs as one HTML file: no script, nothing to load, all text escaped."""

from collections.abc import Iterator

from ....results import ConfigComparison
from ....results.readings import (
    CONFIG_FORECAST_TITLES,
    CONFIG_TITLES,
    clean,
    config_forecast_rows,
    config_rows,
    fall,
    in_points,
    number,
    percent,
)
from ...charts import ComparedPoint
from ...terminal import config_comparison_screen
from .._provenance import provenance_table
from .._tables import Kind, Table
from ._comparison_page import ComparisonContent, comparison_page, titled_table

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("config", "forecast", "worst capability", "capability", "unit", ""), "text"),
    "verdict": "verdict",
}


def render_config_comparison(found: ConfigComparison) -> str:
    """Write a comparison of configs as a page."""
    screen = config_comparison_screen(found)
    found = in_points(found)
    content = ComparisonContent(
        title="Which config to train",
        facts=(
            ("model", clean(found.provenance.model.source)),
            ("configs", f"{len(found.configs)}"),
        ),
        footer="A forecast is a prediction, not a proof.",
        tiles=tuple(_tiles(found)),
        provenance=_provenance_table(found),
        points=_points(found),
        gain_title="predicted gain, nats a token",
        label="Predicted gain against the predicted worst change",
        caption="Up is more predicted gain, right is less loss of the required capability that is predicted to "
        "lose most. Bars are intervals of the forecast.",
        lead="Forecasts from a probe of each run. P(safest): its worst loss is the smallest of all, by "
        "draws from the forecasts.",
        numbers=titled_table(CONFIG_TITLES, config_rows(found), _KINDS),
        details=titled_table(CONFIG_FORECAST_TITLES, config_forecast_rows(found), _KINDS),
    )
    return comparison_page(found, screen, content)


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
    ]
    return provenance_table(rows, p, found.schema_)
