"""A comparison of configs as one HTML file: no script, nothing to load, all text escaped."""

from collections.abc import Iterator

from ...results import ConfigComparison
from ...results.readings import (
    CONFIG_FORECAST_TITLES,
    CONFIG_TITLES,
    clean,
    config_comparison_headline,
    config_forecast_rows,
    config_rows,
    cost_sentence,
    in_points,
    number,
    percent,
)
from ..charts import ComparedPoint, gain_against_loss, to_svg
from ._page import Figure, page
from ._tables import Kind, Table, table

_BADGES = {"pass": "safe", "fail": "unsafe", "inconclusive": "inconclusive"}
_TEXT = {"config", "forecast", "worst capability", "capability", "unit", ""}


def render_config_comparison(found: ConfigComparison) -> str:
    """A comparison of configs as a page.

    Args:
        found: What to show.

    Returns:
        One HTML document that needs nothing beside it; equal for equal comparisons.
    """
    found = in_points(found)
    label = "Predicted gain against the predicted worst loss; the numbers are in the table."
    caption = (
        "Up is more predicted gain, left is less loss of the required capability that is predicted to "
        "lose most. Bars are intervals of the forecast; the dashed line is the tolerance."
    )
    chart = gain_against_loss(_points(found), gain_title="predicted gain, nats a token")
    numbers = _grid(CONFIG_TITLES, config_rows(found))
    provenance = found.provenance
    return page(
        "_comparison.html.j2",
        word=found.verdict.upper(),
        badge=_BADGES[found.verdict],
        rest=config_comparison_headline(found),
        title="Which config to train",
        subjects=(
            ("model", clean(provenance.model.source)),
            ("configs", f"{len(found.configs)}"),
        ),
        created=clean(provenance.created).replace("T", " "),
        version=clean(provenance.driftline_version),
        tiles=tuple(_tiles(found)),
        lead=(
            "Forecasts from a probe of each run. P(safest): its worst loss is the smallest of all, by "
            "draws from the forecasts."
        ),
        rows=numbers,
        reasons=(),
        figure=Figure(to_svg(chart, prefix="gain", label=label), caption, numbers),
        history=(),
        details=_grid(CONFIG_FORECAST_TITLES, config_forecast_rows(found)),
        caveats=[clean(caveat) for caveat in found.caveats],
        cost=cost_sentence(found.cost),
        provenance=_provenance_table(found),
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
    yield "its worst loss", number(row.worst_loss, signed=True), "tolerances"


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
