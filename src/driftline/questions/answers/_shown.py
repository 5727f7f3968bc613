"""The text, the page and the Markdown of each kind of document."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any, NamedTuple, get_args

from ... import results
from ...escapes import visible
from ...report import terminal
from ...report.terminal import MOST_LINES, Screen
from ...results import Document
from .. import documents
from ._rows import Row, rows_of


class _Shown(NamedTuple):
    """The renderings of one kind of document."""

    summary: Callable[[Any], str]
    screen: Callable[[Any], Screen] | None = None
    page: str | None = None
    """Name of the function of `driftline.report`, which is loaded on use."""


_SHOWN: dict[type[Document], _Shown] = {
    results.Assessment: _Shown(terminal.summary, terminal.assessment_screen, "render_html"),
    results.Certification: _Shown(
        terminal.certification_summary, terminal.certification_screen, "render_certification"
    ),
    results.Comparison: _Shown(
        terminal.comparison_summary, terminal.comparison_screen, "render_comparison"
    ),
    results.ConfigComparison: _Shown(
        terminal.config_comparison_summary,
        terminal.config_comparison_screen,
        "render_config_comparison",
    ),
    results.Plan: _Shown(terminal.plan_summary, terminal.plan_screen, "render_plan"),
    results.Repair: _Shown(terminal.repair_summary, terminal.repair_screen, "render_repair"),
    results.RunComparison: _Shown(
        terminal.run_comparison_summary, terminal.run_comparison_screen, "render_run_comparison"
    ),
    results.Scores: _Shown(terminal.scores_summary, terminal.scores_screen, "render_scores"),
    results.SuitePower: _Shown(terminal.suite_power_summary, terminal.suite_power_screen),
    results.TrainingRun: _Shown(
        terminal.training_run_summary, terminal.training_screen, "render_training_run"
    ),
    results.Verification: _Shown(terminal.verification_summary, terminal.verification_screen),
    results.WeightDiff: _Shown(
        terminal.weight_diff_summary, terminal.weight_diff_screen, "render_weight_diff"
    ),
    documents.Calibrated: _Shown(documents.calibrated_summary),
    documents.Estimate: _Shown(documents.estimate_summary),
    documents.ScaledModel: _Shown(documents.scaled_model_summary),
}
_MOST_COLUMNS = 8
"""Most columns of a table in Markdown; the rows have all of them."""


def screen_of(
    document: Document, command: str | None, files: Sequence[str], *, most: int = MOST_LINES
) -> str:
    """Return the first screen that a command prints.

    Args:
        document: The document of a question.
        command: The next command; None for none.
        files: Lines that say where files are.
        most: Lines at most.

    Returns:
        The text; it ends in a newline.
    """
    make = _SHOWN[type(document)].screen
    if make is None:
        return summary_of(document).rstrip("\n") + "\n" + "".join(f"{line}\n" for line in files)
    return terminal.screen_text(replace(make(document), command=command), files, most=most)


def summary_of(document: Document) -> str:
    """Return everything that there is to say in text.

    Args:
        document: The document of a question.
    """
    return _SHOWN[type(document)].summary(document)


def page_of(document: Document) -> str | None:
    """Return the document's page in HTML; None where it has none.

    Args:
        document: The document of a question.
    """
    name = _SHOWN[type(document)].page
    if name is None:
        return None
    page: str = getattr(import_module("driftline.report"), name)(document)
    return page


def paged_kinds() -> dict[str, type[Document]]:
    """Return the documents that have a page, which a run folder can hold, by schema."""
    return {
        schema: kind
        for kind, shown in _SHOWN.items()
        if shown.page is not None
        for schema in get_args(kind.model_fields["schema_"].annotation)
    }


def markdown_of(document: Document) -> str:
    """Return verdict, reasons, a table and the caveats as Markdown.

    Args:
        document: The document of a question.

    Returns:
        The text; names of others can neither end a cell nor make markup.
    """
    schema = str(getattr(document, "schema_", "driftline"))
    title = schema.removeprefix("driftline/").partition("/")[0]
    verdict = getattr(document, "verdict", None)
    parts = [f"# driftline {title}" + (f": {verdict}" if verdict else "")]
    if reasons := getattr(document, "reasons", ()):
        parts.append("\n".join(f"- {_escaped(reason)}" for reason in reasons))
    if rows := rows_of(document):
        parts.append(_table(rows))
    if caveats := getattr(document, "caveats", ()):
        parts.append(
            "## Caveats\n\n" + "\n".join(f"- {_escaped(str(caveat))}" for caveat in caveats)
        )
    return visible("\n\n".join(parts)) + "\n"


_FIRST = (
    "label", "capability", "name", "unit", "value", "base", "base_value", "tuned", "change", "predicted_change",
    "forecast_change", "forecast_low", "forecast_high", "low", "high", "tolerance", "margin", "loss",
    "loss_limit", "forecast_verdict", "verdict", "status", "worst_capability", "worst_loss", "worst_low",
    "worst_high", "gain", "gain_low", "gain_high", "probability_safest", "probability_best",
)  # fmt: skip
"""Columns that come first, in this order."""


def _table(rows: list[Row]) -> str:
    held = {
        key: index for index, key in enumerate(rows[0]) if any(r.get(key) is not None for r in rows)
    }
    order = {name: index for index, name in enumerate(_FIRST)}
    first = sorted((key for key in held if key in order), key=order.__getitem__)
    columns = [*first, *(key for key in held if key not in order)][: max(_MOST_COLUMNS, len(first))]
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(row.get(key)) for key in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else _escaped(str(value))


def _escaped(text: str) -> str:
    """Keep text from others from being read as markup."""
    one_line = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|~" else c for c in one_line)
