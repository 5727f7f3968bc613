"""A comparison of configs as one HTML file: no script, nothing to load, all text escaped."""

from collections.abc import Iterator

from ....results import ConfigComparison
from ....results.readings import clean, fall, in_points, number, probability
from ...charts import ComparedPoint
from ...tables import ReportTable, config_forecasts_table, configs_table
from ...terminal import config_comparison_screen
from .._provenance import provenance_table
from ._comparison_page import ComparisonContent, comparison_page


def render_config_comparison(document: ConfigComparison) -> str:
    """Write a comparison of configs as a page."""
    screen = config_comparison_screen(document)
    document = in_points(document)
    content = ComparisonContent(
        title="Which config to train",
        facts=(
            ("model", clean(document.provenance.model.source)),
            ("configs", f"{len(document.configs)}"),
        ),
        footer="A forecast is a prediction, not a proof.",
        tiles=tuple(_tiles(document)),
        provenance=_provenance_table(document),
        points=_points(document),
        gain_title="predicted gain, nats a token",
        label="Predicted gain against the predicted worst change",
        caption="Up is more predicted gain, right is less loss of the required capability that is predicted to "
        "lose most. Bars are intervals of the forecast.",
        lead="Forecasts from a probe of each run. P(safest): its worst loss is the smallest of all, by "
        "draws from the forecasts.",
        numbers=configs_table(document),
        details=config_forecasts_table(document),
    )
    return comparison_page(document, screen, content)


def _points(document: ConfigComparison) -> list[ComparedPoint]:
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
        for row in document.configs
        if row.worst_loss is not None and row.worst_low is not None and row.worst_high is not None
    ]


def _tiles(document: ConfigComparison) -> Iterator[tuple[str, str, str]]:
    safe = sum(row.verdict == "safe" for row in document.configs)
    unsafe = sum(row.verdict == "unsafe" for row in document.configs)
    yield "forecast to be safe", f"{safe} of {len(document.configs)}", f"{unsafe} unsafe"
    row = next(each for each in document.configs if each.label == document.safest)
    yield "safest", clean(row.label), f"P = {probability(row.probability_safest)}"
    if row.worst_loss is not None:
        yield "its worst change", number(fall(row.worst_loss), signed=True), "tolerances"


def _provenance_table(document: ConfigComparison) -> ReportTable:
    p = document.provenance
    rows = [("model", f"{p.model.source} {p.model.digest}")]
    for each in document.configs:
        rows.append(("config", f"{each.config.name} {each.config.digest}"))
        rows.append(("data", f"{each.data.name} {each.data.digest}"))
    rows += [("suite", f"{suite.name} {suite.digest}") for suite in p.suites]
    rows += [
        ("command", f"{p.command}, up to {p.num_items} items a capability, seed {p.seed}"),
    ]
    return provenance_table(rows, p, document.schema_)
