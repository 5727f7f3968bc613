"""The tables of a comparison, of checkpoints after training or of configs before it."""

from ...results import CapabilityClaim, CapabilityForecast, Comparison, ConfigComparison
from ...results.readings import (
    CLAIM_WORDS,
    NOT_SHOWN,
    fall,
    fall_interval,
    interval,
    metric_sign,
    number,
    percent,
    shown_change,
    sign_notes,
    with_error,
)
from ._report_table import Column, ReportTable, columns, table, watched


def checkpoints_table(document: Comparison) -> ReportTable:
    """Tabulate the checkpoints: worst loss, gain, and the chances of being best and safest."""
    heads = [
        Column("checkpoint"),
        Column("verdict", "verdict"),
        *columns(
            "worst change, tolerances #; 90% interval #; worst capability; Holm p #; "
            "target gain, nats #; P(best) #; P(safest) #; trainer's eval #"
        ),
    ]
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
    heads = [
        *columns("checkpoint; capability; base #; change #; accepted #; unit; p #"),
        Column("verdict at alpha", "verdict"),
    ]
    claims = [claim for row in document.checkpoints for claim in row.claims]
    lower = any(not claim.higher_is_better for claim in claims)
    return table(
        heads,
        (
            (
                row.label,
                watched(claim.capability, required=claim.required),
                number(claim.base),
                with_error(number(_change(claim), signed=True), claim.standard_error),
                number(fall(claim.margin), signed=True),
                claim.unit,
                number(claim.pvalue),
                CLAIM_WORDS[claim.verdict],
            )
            for row in document.checkpoints
            for claim in row.claims
        ),
        sign_notes((claim.unit for claim in claims), any_lower=lower),
    )


def _change(claim: CapabilityClaim) -> float | None:
    return shown_change(claim.change, higher_is_better=claim.higher_is_better)


def configs_table(document: ConfigComparison) -> ReportTable:
    """Tabulate the configs: forecast worst loss, gain, and the chance of being safest."""
    heads = [
        Column("config"),
        Column("forecast", "verdict"),
        *columns(
            "probe #; worst change, tolerances #; 90% interval #; worst capability; gain, nats #; "
            "gain interval #; on other rows #; P(safest) #; note"
        ),
    ]
    return table(
        heads,
        (
            (
                row.label,
                row.verdict,
                percent(row.probe),
                number(fall(row.worst_loss), signed=True),
                fall_interval(row.worst_low, row.worst_high),
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
        *columns("config; capability; base #; predicted change #; interval #; accepted #; unit"),
        Column("verdict", "verdict"),
    ]
    forecasts = [each for row in document.configs for each in row.forecast]
    lower = any(metric_sign(each.metric) > 0 for each in forecasts)
    return table(
        heads,
        (
            (
                row.label,
                watched(each.capability, required=each.required),
                number(each.base_value),
                *_predicted(each),
                number(fall(each.tolerance), signed=True),
                each.unit,
                NOT_SHOWN if each.verdict == "not_shown" else each.verdict,
            )
            for row in document.configs
            for each in row.forecast
        ),
        sign_notes((each.unit for each in forecasts), any_lower=lower),
    )


def _predicted(each: CapabilityForecast) -> tuple[str, str]:
    """Format a predicted change and its interval; negative is worse, whatever the metric."""
    sign = metric_sign(each.metric)
    low, high = sorted((sign * each.low, sign * each.high))
    return number(fall(sign * each.predicted_change), signed=True), fall_interval(low, high)
