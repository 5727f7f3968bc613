"""The verdict on a planned run, with its reasons and the one thing to do."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple

from ...metrics import has_perplexity
from ...results import CapabilityForecast, ForecastAdvice, in_points, metric_sign, rise_text
from ...verdicts import ForecastVerdict
from ..forecasting import (
    EARLIEST_SAFE,
    Limit,
    LossForecast,
    largest_multiple,
    probability_any,
    probability_at,
)

_ABSENT = (
    "the base is not shown to have {names}, so a loss there cannot be seen; give items that the base can "
    "answer, or write `required: false`"
)
_STILL_ABSENT = (
    "Even then the run is not called safe, because the base is not shown to have {names}: give items that "
    "it can answer, or write `required: false`."
)
_LIKELY = 0.5
_LONGEST_PROBE = 0.6
"""Share of the planned steps; nothing longer can be asked for."""


class Remedies(NamedTuple):
    """Changes and measurements that would help, each by itself; None where one would not."""

    num_steps: int | None = None
    """The most steps after which the run keeps the risk."""
    steps_share: float = 0.0
    """The share of the run's summed learning rate that they cover."""
    chance_at_steps: float = 1.0
    decided_at: float | None = None
    """Share of the steps at which the run would be decided if losses go on as forecast."""
    num_items: int | None = None
    """Items of each capability with which it would be decided now, if changes stay as measured."""


class Judgement(NamedTuple):
    """A verdict with its reasons."""

    verdict: ForecastVerdict
    reasons: tuple[str, ...]
    probability_any_lost: float | None
    """None where no capability is required, or the base is shown to have none of those."""
    absent: tuple[str, ...] = ()
    """Required capabilities that the base is not shown to have."""


def judge(
    forecast: Sequence[CapabilityForecast],
    losses: Mapping[str, LossForecast],
    *,
    correlation: float,
    risk: float,
    unsafe_risk: float | None = None,
    share: float = 1.0,
) -> Judgement:
    """Judge a run by the forecasts of its required capabilities.

    Args:
        forecast: One row a capability. One that the base is not shown to have can be neither lost nor kept: it
            counts for no verdict, and there is no `safe` where it is required.
        losses: The same as distributions, by name.
        correlation: Of errors within one run.
        risk: Accepted probability that any required capability ends beyond its tolerance; at one of several
            looks, the part of it that *safe* may use.
        unsafe_risk: The part that *unsafe* may use; None for the same.
        share: Of the run's summed learning rate that the probe has covered.

    Returns:
        `unsafe` if the probability that any required capability is lost is at least 1 - risk, or one was
        measured beyond its tolerance and is likely to stay so; else `at_risk` if the probability
        that any is lost is larger than the risk, or less than `EARLIEST_SAFE` is covered; else
        `inconclusive` if the base lacks one or none is required; else `safe`. And why, most important
        first.
    """
    required = [row for row in forecast if row.required]
    if not required:
        reason = "no capability is required, so there is nothing to judge by"
        return Judgement("inconclusive", (reason,), None)
    held = held_rows(forecast)
    absent = tuple(row.capability for row in required if row.verdict == "not_shown")
    if not held:
        return Judgement("inconclusive", (_ABSENT.format(names=", ".join(absent)),), None, absent)
    chance = probability_any(limits_of(held, losses), correlation)
    lost = [row for row in held if row.verdict == "lost"]
    open_ = [row for row in held if row.verdict == "inconclusive"]
    reasons = [
        *(f"{row.capability}: {_told(row)}" for row in (*lost, *open_)),
        f"any required capability ends beyond its tolerance with P = {chance:.2f}; accepted "
        f"{'is' if unsafe_risk is None else 'at this one of several looks is'} {risk:.3g}",
    ]
    if absent:
        # First where it alone keeps the run from being safe.
        reasons.insert(
            0 if chance <= risk and not lost else len(reasons),
            _ABSENT.format(names=", ".join(absent)),
        )
    if kept := [row.capability for row in held if row.verdict == "retained"]:
        reasons.append(
            f"within tolerance, each with P of at least {1 - risk:.3g}: {', '.join(kept)}"
        )
    if share < EARLIEST_SAFE:
        reasons.append(
            f"the probe covers {share:.0%} of the run's summed learning rate; nothing is called safe before "
            f"{EARLIEST_SAFE:.0%}"
        )
    if lost or chance >= 1 - (risk if unsafe_risk is None else unsafe_risk):
        return Judgement("unsafe", tuple(reasons), chance, absent)
    if chance > risk or share < EARLIEST_SAFE:
        return Judgement("at_risk", tuple(reasons), chance, absent)
    return Judgement("inconclusive" if absent else "safe", tuple(reasons), chance, absent)


def held_rows(forecast: Sequence[CapabilityForecast]) -> tuple[CapabilityForecast, ...]:
    """List the rows of the required capabilities that the base is shown to have."""
    return tuple(row for row in forecast if row.required and row.verdict != "not_shown")


def limits_of(
    rows: Sequence[CapabilityForecast], losses: Mapping[str, LossForecast]
) -> list[Limit]:
    """List the forecast and the tolerance of each row."""
    return [Limit(losses[row.capability], row.tolerance) for row in rows]


def advise(
    judgement: Judgement,
    limits: Sequence[Limit],
    *,
    correlation: float,
    risk: float,
    exponents: Sequence[float],
    learning_rate: float,
    probe_share: float,
    remedies: Remedies | None = None,
) -> ForecastAdvice | None:
    """Find the one thing to do.

    Args:
        judgement: On the run as planned.
        limits: Of its required capabilities.
        correlation: Of errors within one run.
        risk: Accepted probability of any loss.
        exponents: Equally likely powers of losses in the rate.
        learning_rate: The highest of the planned run.
        probe_share: Share of the planned steps that was trained.
        remedies: What else would help; None where that is not known.

    Returns:
        The advice; None where nothing is required.
    """
    chance = judgement.probability_any_lost
    if chance is None and not judgement.absent:
        return None
    if judgement.verdict == "safe":
        return ForecastAdvice(
            action="train",
            learning_rate=learning_rate,
            probability_any_lost=chance,
            sentence="Train as planned.",
        )
    if judgement.verdict == "inconclusive":
        return ForecastAdvice(
            action="give_items",
            probability_any_lost=chance,
            sentence="Give items that the base can answer, or mark the capability `required: false`.",
        )
    assert chance is not None, "a run is at risk or unsafe by a probability"
    advice = _changed(
        _Planned(learning_rate, probe_share, chance, can_wait=judgement.verdict == "at_risk"),
        limits,
        correlation=correlation,
        risk=risk,
        exponents=exponents,
        remedies=remedies,
    )
    if not judgement.absent:
        return advice
    still = _STILL_ABSENT.format(names=", ".join(judgement.absent))
    return advice.model_copy(update={"sentence": f"{advice.sentence} {still}"})


class _Planned(NamedTuple):
    """A planned run that is not safe."""

    learning_rate: float
    """The highest."""
    probe_share: float
    """Share of the planned steps that was trained."""
    chance: float
    """Probability of any loss."""
    can_wait: bool
    """It may be that only too little was measured."""


def _changed(
    planned: _Planned,
    limits: Sequence[Limit],
    *,
    correlation: float,
    risk: float,
    exponents: Sequence[float],
    remedies: Remedies | None,
) -> ForecastAdvice:
    """Find the change, or the measurement, with which the run keeps the risk."""
    learning_rate, chance = planned.learning_rate, planned.chance
    multiple = largest_multiple(limits, correlation, risk=risk, exponents=exponents)
    if multiple is not None and multiple >= 1:
        # The planned rate keeps the risk already: only too little of the run was seen.
        return ForecastAdvice(
            action="measure_more",
            learning_rate=learning_rate,
            probability_any_lost=chance,
            sentence="Train a longer probe: add `--until decided`.",
        )
    rate = None if multiple is None else _rounded_down(learning_rate * multiple)
    at_rate = (
        None
        if rate is None
        else probability_at(limits, correlation, rate / learning_rate, exponents)
    )
    lowered = _lowered(_Rate(rate, at_rate, multiple or 0.0), remedies, chance)
    can_wait = planned.can_wait and chance < _LIKELY and rate is not None
    more = _measured_more(remedies, has_longer=planned.probe_share < _LONGEST_PROBE)
    if can_wait and more is not None:
        sentence, num_items = more
        rest = lowered.sentence[0].lower() + lowered.sentence[1:]
        return lowered.model_copy(
            update={
                "action": "measure_more",
                "probability_any_lost": chance,
                "num_items": num_items,
                "sentence": f"{sentence} Or {rest}",
            }
        )
    return lowered


class _Rate(NamedTuple):
    """The largest learning rate that keeps the risk, with the probability of a loss there."""

    rate: float | None
    chance: float | None
    share: float
    """The same as a share of the planned rate."""


def _lowered(lower: _Rate, remedies: Remedies | None, chance: float) -> ForecastAdvice:
    """Choose the change that leaves most of the run's summed learning rate, and so of what it learns."""
    steps = None if remedies is None else remedies.num_steps
    if remedies is not None and steps is not None and remedies.steps_share > lower.share:
        sentence = f"Train {steps} steps: P of any loss = {remedies.chance_at_steps:.2f}."
        if lower.rate is not None:
            sentence += f" Or lower the learning rate to {lower.rate:g}: P of any loss = {lower.chance:.2f}."
        return ForecastAdvice(
            action="fewer_steps",
            learning_rate=lower.rate,
            probability_any_lost=remedies.chance_at_steps,
            num_steps=steps,
            changes={"max_steps": steps},
            sentence=sentence,
        )
    if lower.rate is None:
        return ForecastAdvice(
            action="lower_learning_rate",
            probability_any_lost=chance,
            sentence="No learning rate down to a hundredth of this one keeps the accepted risk: freeze "
            "modules or replay old data; `driftline plan` finds out which.",
        )
    return ForecastAdvice(
        action="lower_learning_rate",
        learning_rate=lower.rate,
        probability_any_lost=lower.chance,
        changes={"learning_rate": lower.rate},
        sentence=f"Lower the learning rate to {lower.rate:g}: P of any loss = {lower.chance:.2f}.",
    )


def _measured_more(remedies: Remedies | None, *, has_longer: bool) -> tuple[str, int | None] | None:
    """Say what to measure, with the number of items; None where no more of it would decide."""
    longer = "Train a longer probe: add `--until decided`"
    if remedies is None:
        return (f"{longer}.", None) if has_longer else None
    if remedies.decided_at is not None:
        return f"{longer}; it decides at {remedies.decided_at:.0%} if losses go as forecast.", None
    if remedies.num_items is not None:
        num = remedies.num_items
        return f"Score more items: add `--items {num}`.", num
    return None


def _rounded_down(rate: float) -> float:
    """Round to two digits, never up: what is recommended keeps the risk."""
    exact = Decimal(repr(rate))
    digit = Decimal(1).scaleb(exact.adjusted() - 1)
    return float(exact.quantize(digit, rounding=ROUND_FLOOR))


def _told(row: CapabilityForecast) -> str:
    """Say a row; as everywhere, a loss is a fall, whichever way the metric points."""
    shown = in_points(row)
    sign = -metric_sign(row.metric)
    low, high = sorted((sign * shown.low, sign * shown.high))
    said = f"forecast change {sign * shown.predicted_change:+.2f} {shown.unit} " + (
        f"({shown.confidence_level:.0%} interval {low:+.2f} to {high:+.2f}, "
        f"tolerance {shown.tolerance:.3g})"
    )
    if has_perplexity(row.unit):
        said += (
            f", of perplexity {rise_text(row.predicted_change)} ({rise_text(row.low)} to "
            f"{rise_text(row.high)}, tolerance {rise_text(row.tolerance)})"
        )
    if row.probability_lost is not None:
        said += f"; beyond its tolerance with P = {row.probability_lost:.2f}"
    if row.is_measured_lost:
        said += "; the probe measured it beyond its tolerance already"
    return said
