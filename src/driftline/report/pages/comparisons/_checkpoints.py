"""A comparison of checkpoints as one HTML file: no script, nothing to load, all text escaped."""

from collections.abc import Iterator

from ....results import Comparison
from ....results.readings import (
    clean,
    fall,
    history_sentence,
    in_points,
    number,
    percent,
    reason_lines,
)
from ...charts import ComparedPoint
from ...tables import ReportTable, checkpoint_claims_table, checkpoints_table
from ...terminal import comparison_screen
from .._provenance import provenance_table
from ._comparison_page import ComparisonContent, comparison_page


def render_comparison(document: Comparison) -> str:
    """Write a comparison of checkpoints as a page."""
    screen = comparison_screen(document)
    document = in_points(document)
    content = ComparisonContent(
        title="Which checkpoint to take",
        facts=(
            ("base", clean(document.provenance.base.source)),
            ("checkpoints", f"{len(document.checkpoints)}"),
        ),
        footer="A claim is statistical, about items drawn like these.",
        tiles=tuple(_tiles(document)),
        provenance=_provenance_table(document),
        points=_points(document),
        gain_title="gain on the target, nats a token",
        label="Gain on the target against the worst change",
        caption="Up is more gain, right is less loss of the required capability that lost most. Bars are 90% "
        "intervals.",
        lead="kept: every required capability is shown to be within its tolerance, among so many "
        "checkpoints. P(best): it keeps everything and gains most, by resampling items and rows.",
        numbers=checkpoints_table(document),
        details=checkpoint_claims_table(document),
        reasons=tuple(reason_lines(document)),
        history=tuple(history_sentence(each) for each in document.histories),
    )
    return comparison_page(document, screen, content)


def _points(document: Comparison) -> list[ComparedPoint]:
    return [
        ComparedPoint(
            clean(row.label),
            row.verdict,
            row.worst_loss or 0.0,
            row.worst_low,
            row.worst_high,
            None if row.gain is None else row.gain.gain,
            None if row.gain is None else row.gain.low,
            None if row.gain is None else row.gain.high,
        )
        for row in document.checkpoints
    ]


def _tiles(document: Comparison) -> Iterator[tuple[str, str, str]]:
    rows = document.checkpoints
    kept = sum(row.verdict == "kept" for row in rows)
    lost = sum(row.verdict == "lost" for row in rows)
    yield "kept everything", f"{kept} of {len(rows)}", f"{lost} lost something"
    chosen = next((row for row in rows if row.label == document.recommended), None)
    if chosen is None:
        return
    yield "worst change", number(fall(chosen.worst_loss), signed=True), "tolerances"
    if chosen.gain is not None:
        yield "target gain", number(chosen.gain.gain, signed=True), "nats a token"
        yield "P(best)", percent(chosen.probability_best), ""


def _provenance_table(document: Comparison) -> ReportTable:
    p = document.provenance
    subjects = (("base", p.base), *(("checkpoint", each) for each in p.checkpoints))
    rows = [(word, f"{each.source} ({each.kind})") for word, each in subjects]
    rows += [
        (f"{word} digest", f"{file.name} {file.digest}")
        for word, each in subjects
        for file in each.files
    ]
    rows += [("suite", f"{suite.name} {suite.digest}") for suite in p.suites]
    if p.data is not None:
        rows.append(("target rows", f"{p.data.name} {p.data.digest}"))
    rows += [
        ("command", f"{p.command}, alpha {p.alpha:g}, {p.num_draws} resamples, seed {p.seed}"),
    ]
    return provenance_table(rows, p, document.schema_)
