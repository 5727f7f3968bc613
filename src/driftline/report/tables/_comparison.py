"""The tables of a comparison, of checkpoints after training or of configs before it."""

from ...results import Comparison, ConfigComparison
from ...results.readings import (
    CLAIM_WORDS,
    DASH,
    NOT_SHOWN,
    fall,
    fall_interval,
    interval,
    number,
    percent,
    with_error,
)
from ._report_table import Column, ReportTable, columns, table, watched


def checkpoints_table(document: Comparison) -> ReportTable:
    """Tabulate the checkpoints: worst loss, gain, and the chances of being best and safest."""
    heads = columns(
        "checkpoint; verdict; worst change, tolerances #; 90% interval #; worst capability; Holm p #; "
        "target gain, nats #; P(best) #; P(safest) #; trainer's eval #"
    )
    return table(
        heads,
        (
            (
                row.label + (" (is the base)" if row.is_base else ""),
                row.verdict,
                number(fall(row.worst_loss), signed=True),
                fall_interval(row.worst_low, row.worst_high),
                row.worst_capability or "",
                number(row.adjusted_pvalue),
                number(None)
                if row.gain is None
                else with_error(number(row.gain.gain, signed=True), row.gain.standard_error),
                percent(row.probability_best),
                percent(row.probability_safest),
                number(row.trainer_value),
            )
            for row in document.checkpoints
        ),
    )


def checkpoint_claims_table(document: Comparison) -> ReportTable:
    """Tabulate each capability of each checkpoint."""
    heads = columns(
        "checkpoint; capability; base #; change #; tolerance #; unit; p #; verdict at alpha"
    )
    return table(
        heads,
        (
            (
                row.label,
                watched(claim.capability, required=claim.required),
                number(claim.base),
                with_error(number(claim.change, signed=True), claim.standard_error),
                number(claim.margin),
                claim.unit,
                number(claim.pvalue),
                CLAIM_WORDS[claim.verdict],
            )
            for row in document.checkpoints
            for claim in row.claims
        ),
    )


def configs_table(document: ConfigComparison) -> ReportTable:
    """Tabulate the configs: forecast worst loss, gain, and the chance of being safest."""
    heads = columns(
        "config; forecast; probe #; worst change, tolerances #; 90% interval #; worst capability; gain, nats #; "
        "gain interval #; on other rows #; P(safest) #; "
    )
    return table(
        heads,
        (
            (
                row.label,
                row.verdict,
                percent(row.probe),
                DASH if row.worst_capability is None else number(fall(row.worst_loss), signed=True),
                DASH
                if row.worst_capability is None
                else fall_interval(row.worst_low, row.worst_high),
                row.worst_capability or NOT_SHOWN,
                number(row.gain, signed=True),
                interval(row.gain_low, row.gain_high, signed=True),
                number(
                    None if row.row_gains is None else row.row_gains.predicted_gain, signed=True
                ),
                percent(row.probability_safest),
                "" if row.dropped_after is None else f"dropped out after round {row.dropped_after}",
            )
            for row in document.configs
        ),
    )


def config_forecasts_table(document: ConfigComparison) -> ReportTable:
    """Tabulate each forecast of each config."""
    heads = [
        *columns("config; capability; base #; predicted change #; interval #; tolerance #; unit"),
        Column("verdict", "verdict"),
    ]
    return table(
        heads,
        (
            (
                row.label,
                watched(each.capability, required=each.required),
                number(each.base_value),
                number(each.predicted_change, signed=True),
                interval(each.low, each.high, signed=True),
                number(each.tolerance),
                each.unit,
                NOT_SHOWN if each.verdict == "not_shown" else each.verdict,
            )
            for row in document.configs
            for each in row.forecast
        ),
    )
