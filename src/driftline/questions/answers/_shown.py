"""The text, the page and the Markdown of each kind of document."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ...escapes import visible
from ...report.terminal import (
    MOST_LINES,
    Screen,
    assessment_screen,
    certification_screen,
    certification_summary,
    comparison_screen,
    comparison_summary,
    config_comparison_screen,
    config_comparison_summary,
    plan_screen,
    plan_summary,
    repair_screen,
    repair_summary,
    run_comparison_screen,
    run_comparison_summary,
    scores_screen,
    scores_summary,
    screen_text,
    suite_power_screen,
    suite_power_summary,
    summary,
    training_run_summary,
    training_screen,
    verification_screen,
    verification_summary,
    weight_diff_screen,
    weight_diff_summary,
)
from ...results import (
    Assessment,
    Certification,
    Comparison,
    ConfigComparison,
    Document,
    Plan,
    Repair,
    RunComparison,
    Scores,
    SuitePower,
    TrainingRun,
    Verification,
    WeightDiff,
)
from ..documents import (
    Calibrated,
    Estimate,
    ScaledModel,
    calibrated_summary,
    estimate_summary,
    scaled_model_summary,
)
from ._rows import Row, rows_of

_SUMMARIES: dict[type[Document], Callable[[Any], str]] = {
    Assessment: summary,
    Calibrated: calibrated_summary,
    Certification: certification_summary,
    Comparison: comparison_summary,
    ConfigComparison: config_comparison_summary,
    Estimate: estimate_summary,
    Plan: plan_summary,
    Repair: repair_summary,
    RunComparison: run_comparison_summary,
    ScaledModel: scaled_model_summary,
    Scores: scores_summary,
    SuitePower: suite_power_summary,
    TrainingRun: training_run_summary,
    Verification: verification_summary,
    WeightDiff: weight_diff_summary,
}
_SCREENS: dict[type[Document], Callable[[Any], Screen]] = {
    Assessment: assessment_screen,
    Certification: certification_screen,
    Comparison: comparison_screen,
    ConfigComparison: config_comparison_screen,
    Plan: plan_screen,
    Repair: repair_screen,
    RunComparison: run_comparison_screen,
    Scores: scores_screen,
    SuitePower: suite_power_screen,
    TrainingRun: training_screen,
    Verification: verification_screen,
    WeightDiff: weight_diff_screen,
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
    make = _SCREENS.get(type(document))
    if make is None:
        return summary_of(document).rstrip("\n") + "\n" + "".join(f"{line}\n" for line in files)
    return screen_text(replace(make(document), command=command), files, most=most)


def summary_of(document: Document) -> str:
    """Return everything that there is to say in text.

    Args:
        document: The document of a question.

    Returns:
        The text.
    """
    return _SUMMARIES[type(document)](document)


def page_of(document: Document) -> str | None:
    """Return the document's page in HTML; None where it has none.

    Args:
        document: The document of a question.

    Returns:
        The page.
    """
    from ...report import (
        render_certification,
        render_comparison,
        render_config_comparison,
        render_html,
        render_plan,
        render_repair,
        render_run_comparison,
        render_scores,
        render_training_run,
        render_weight_diff,
    )

    pages: dict[type[Document], Callable[[Any], str]] = {
        Assessment: render_html,
        Certification: render_certification,
        Comparison: render_comparison,
        ConfigComparison: render_config_comparison,
        Plan: render_plan,
        Repair: render_repair,
        RunComparison: render_run_comparison,
        Scores: render_scores,
        TrainingRun: render_training_run,
        WeightDiff: render_weight_diff,
    }
    render = pages.get(type(document))
    return None if render is None else render(document)


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
