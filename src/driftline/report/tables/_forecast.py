"""The forecast of a planned run, and the scores of one model."""

from collections.abc import Sequence

from ...results import CapabilityScore
from ...results.readings import (
    NOT_SHOWN,
    CapabilityLoss,
    fall,
    fall_interval,
    interval,
    interval_with_rise,
    items_in_groups,
    metric_sign,
    number,
    percent,
    probability,
    sign_notes,
    with_perplexity,
)
from ._report_table import Column, ReportTable, TableCell, columns, risen, table

_VERDICTS: dict[str, str | TableCell] = {
    "inconclusive": TableCell("open", "undecided"),
    "not_shown": TableCell("not shown", NOT_SHOWN),
}


def forecast_table(losses: Sequence[CapabilityLoss]) -> ReportTable:
    """Tabulate a forecast, the worst first: base value, change with its interval, probability."""
    level = percent(losses[0].confidence_level)
    heads = [
        *columns(
            f"capability; base #; change #; {level} interval = interval #; accepted #; unit; "
            "P of a loss beyond = P #"
        ),
        Column("verdict", "verdict"),
        Column(""),
    ]
    rows = []
    for loss in losses:
        base, ends = number(loss.base_value), fall_interval(loss.low, loss.high)
        rows.append((
            loss.capability,
            TableCell(base, with_perplexity(base, loss.unit, loss.base_value)),
            risen(number(fall(loss.loss), signed=True), loss.unit, loss.loss),
            TableCell(ends, interval_with_rise(ends, loss.unit, loss.low, loss.high)),
            risen(number(fall(loss.tolerance), signed=True), loss.unit, loss.tolerance),
            loss.unit,
            probability(loss.probability_lost),
            _VERDICTS.get(loss.verdict, loss.verdict),
            TableCell("", "required") if loss.required else "watched",
        ))  # fmt: skip
    lower = any(metric_sign(loss.metric) > 0 for loss in losses)
    return table(heads, rows, sign_notes((loss.unit for loss in losses), any_lower=lower))


def scores_table(scores: Sequence[CapabilityScore]) -> ReportTable:
    """Tabulate a model's own scores."""
    heads = columns(
        "capability; value #; standard error #; interval of the mean = interval #; unit; better; "
        "accuracy #; chance #; items in groups #; metric; what it asks",
        page_only=("what it asks", "metric", "standard error"),
    )
    rows = [
        (
            s.capability,
            TableCell(number(s.value), with_perplexity(number(s.value), s.unit, s.value)),
            number(s.standard_error),
            interval(s.low, s.high),
            s.unit,
            "higher" if s.higher_is_better else "lower",
            percent(s.accuracy),
            percent(s.chance),
            items_in_groups(s.num_items, s.num_groups),
            s.metric,
            s.description,
        )
        for s in scores
    ]
    return table(heads, rows)
