"""Wording for an assessment: losses, orders and words that all its renderings share."""

import math
from dataclasses import dataclass
from typing import Literal

from ...escapes import replaced
from ...metrics import METRICS
from ...verdicts import LossVerdict
from ..documents import Assessment, Cost, StabilityMargin, TargetGain
from ..parts import SafeEnvelope

DASH = "–"
NOT_SHOWN = "not shown by the base"
"""Said of a capability that the base is not shown to have, instead of a verdict."""
SMALL, LARGE = 1e-3, 1e5


@dataclass(frozen=True)
class CapabilityLoss:
    """A forecast seen as a loss: positive is worse, whichever way the metric points."""

    capability: str
    metric: str
    unit: str
    base_value: float
    change: float
    """tuned - base, as the forecast has it; `change_low` and `change_high` are its interval."""
    change_low: float
    change_high: float
    loss: float
    low: float
    high: float
    confidence_level: float
    tolerance: float
    required: bool
    verdict: LossVerdict
    probability_lost: float | None = None
    """Probability that the run ends beyond the tolerance; None in documents of earlier versions."""

    @property
    def relative(self) -> float:
        """The loss in tolerances: above 1 the tolerance is passed. Infinite at tolerance 0."""
        if self.tolerance > 0:
            return self.loss / self.tolerance
        return math.copysign(math.inf, self.loss) if self.loss else 0.0


def loss_sign(assessment: Assessment, capability: str) -> int:
    """Return the factor that turns a change into a loss: -1 if a higher value is better.

    Args:
        assessment: Assessment with the capability's score, which says which way is better.
        capability: The capability's name.

    Returns:
        -1 or 1. Without a score the forecast's metric decides; one that is not known is taken to
        be better when higher.
    """
    for score in assessment.scores:
        if score.capability == capability:
            return -1 if score.higher_is_better else 1
    named = {f.metric for f in assessment.forecast if f.capability == capability}
    known = [METRICS[name] for name in named if name in METRICS]
    return 1 if known and not any(metric.higher_is_better for metric in known) else -1


def forecast_losses(assessment: Assessment) -> tuple[CapabilityLoss, ...]:
    """Return the forecast as losses, the most likely beyond its tolerance first.

    What the base is not shown to have comes last, with the verdict `not_shown`, whatever the document says.
    """
    losses = []
    for f in assessment.forecast:
        sign = loss_sign(assessment, f.capability)
        low, high = sorted((sign * f.low, sign * f.high))
        losses.append(
            CapabilityLoss(
                f.capability,
                f.metric,
                f.unit,
                f.base_value,
                f.predicted_change,
                f.low,
                f.high,
                sign * f.predicted_change,
                low,
                high,
                f.confidence_level,
                f.tolerance,
                f.required,
                "not_shown" if f.capability in assessment.not_shown else f.verdict,
                f.probability_lost,
            )
        )
    # Documents of earlier versions have no probability.
    return tuple(
        sorted(
            losses,
            key=lambda x: (
                x.verdict == "not_shown",
                -round(x.probability_lost or 0.0, 2),
                -x.relative,
                x.capability,
            ),
        )
    )


def held_losses(assessment: Assessment) -> tuple[CapabilityLoss, ...]:
    """Return the forecast losses of the capabilities that the base is shown to have."""
    return tuple(loss for loss in forecast_losses(assessment) if loss.verdict != "not_shown")


def ordered_margins(
    assessment: Assessment, kind: Literal["path", "radius"] | None = None
) -> list[StabilityMargin]:
    """Return the margins, the most used first; those of capabilities that the base is not shown to have last.

    Args:
        kind: Only those of one kind; None for all.
    """
    chosen = (m for m in assessment.margins if kind is None or m.kind == kind)
    lacking = assessment.not_shown
    return sorted(chosen, key=lambda m: (m.capability in lacking, _margin_order(m)))


def held_margins(
    assessment: Assessment, kind: Literal["path", "radius"] | None = None
) -> list[StabilityMargin]:
    """Return the margins of the capabilities that the base is shown to have, the most used first."""
    lacking = assessment.not_shown
    return [m for m in ordered_margins(assessment, kind) if m.capability not in lacking]


def held_envelope(assessment: Assessment) -> SafeEnvelope | None:
    """Return the safe envelope with the contours of the capabilities that the base is shown to have."""
    envelope, lacking = assessment.envelope, assessment.not_shown
    if envelope is None:
        return None
    contours = tuple(c for c in envelope.contours if c.capability not in lacking)
    return envelope.model_copy(update={"contours": contours})


def _margin_order(margin: StabilityMargin) -> tuple[float, float, str]:
    """Return a sort key: the most used margin first, undefined ones last."""
    used = margin.used_fraction
    critical = margin.critical_relative_norm if margin.kind == "radius" else margin.critical_steps
    return (
        -used if used is not None else math.inf,
        critical if critical is not None else math.inf,
        margin.capability,
    )


def clean(text: str) -> str:
    """Replace everything unprintable in a text, so that it cannot control a terminal."""
    return replaced(text, keep="")


def number(value: float | None, *, signed: bool = False) -> str:
    """Format a number with three significant digits, or a dash if there is none.

    Args:
        signed: True to print a plus before a positive number.

    Returns:
        Its text, without an exponent from 0.001 to 99,999.

    >>> [number(v) for v in (0.1, -1.2345, 12345.6, 2e-4, 0.0, None)]
    ['0.100', '-1.23', '12,346', '2e-4', '0', '–']
    """
    if value is None:
        return DASH
    if value == 0:
        return "0"
    if not SMALL <= abs(value) < LARGE:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    elif abs(value) >= 100:
        text = f"{value:,.0f}"
    else:
        text = f"{value:#.3g}".rstrip(".")
    return f"+{text}" if signed and value > 0 else text


def percent(value: float | None) -> str:
    """Format a share as a percentage, or a dash if there is none.

    Returns:
        Its text, with two significant digits below ten percent.

    >>> percent(0.9), percent(1.874), percent(0.0042)
    ('90%', '187%', '0.42%')
    """
    if value is None:
        return DASH
    return f"{100 * value:,.0f}%" if abs(value) >= 0.0995 or value == 0 else f"{100 * value:.2g}%"


def interval(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """Format an interval; open ends in words, a dash if both are unknown.

    Args:
        low: The lower end, None where it is open.
        high: The upper end, None where it is open.
        signed: True to print a plus before positive ends.

    >>> interval(0.1, 0.25), interval(40, None), interval(None, None)
    ('[0.100, 0.250]', 'at least 40.0', '–')
    """
    if low is not None and high is not None:
        return f"[{number(low, signed=signed)}, {number(high, signed=signed)}]"
    if low is not None:
        return f"at least {number(low, signed=signed)}"
    return DASH if high is None else f"at most {number(high, signed=signed)}"


def items_in_groups(num_items: int, num_groups: int | None) -> str:
    """Write how many items were scored, and in how many groups where some share one.

    >>> items_in_groups(258, 43), items_in_groups(276, 276)
    ('258 in 43', '276')

    Args:
        num_groups: Independent units of evidence; None where they are not known.
    """
    if num_groups is None or num_groups == num_items:
        return f"{num_items:,}"
    return f"{num_items:,} in {num_groups:,}"


def with_error(text: str, standard_error: float | None) -> str:
    """Add a standard error to the text of a value, where there is one.

    >>> with_error("+1.20", 0.5), with_error("+1.20", None)
    ('+1.20 ±0.500', '+1.20')

    Args:
        text: The value as it is written.
        standard_error: Standard error of the value, over groups of items.

    Returns:
        Both.
    """
    return text if standard_error is None else f"{text} ±{number(standard_error)}"


def duration(seconds: float) -> str:
    """Format a length of time in words.

    Returns:
        Its text, in the largest units that matter.

    >>> duration(7.25), duration(95), duration(605), duration(7500)
    ('7.2 s', '95 s', '10 min 5 s', '2 h 5 min')
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def cost_sentence(cost: Cost) -> str:
    """Describe the cost of the answer in one line."""
    share = cost.fraction_of_planned_run
    run = "no planned run to compare with"
    if share is not None:
        run = f"{percent(share)} of the planned run's steps"
    return (
        f"{duration(cost.wall_seconds)}, {cost.tokens_forward:,} tokens forward, "
        f"{cost.tokens_backward:,} backward, {run}"
    )


def target_sentence(assessment: Assessment) -> str | None:
    """Describe the run's effect on its own task in one line; None if it was not forecast."""
    target = assessment.target
    if target is None:
        return None
    gain = number(0.0 - target.predicted_change, signed=True)
    low, high = number(0.0 - target.high, signed=True), number(0.0 - target.low, signed=True)
    return (
        f"{clean(target.metric)} {number(target.base_value)} {clean(target.unit)} in the base, predicted "
        f"gain {gain} ({percent(target.confidence_level)} interval {low} to {high}, "
        f"{target.num_items:,} items)"
    )


def gain_sentence(gain: TargetGain) -> str:
    """Describe a gain that was measured on held-out rows in one line."""
    value = number(gain.gain, signed=True)
    limits = ""
    if gain.low is not None and gain.high is not None:
        limits = (
            f", 90 % interval {number(gain.low, signed=True)} to {number(gain.high, signed=True)}"
        )
    return (
        f"{value} nats a token on {gain.num_rows:,} held-out rows{limits}: "
        f"{number(gain.base_nats)} in the base, {number(gain.tuned_nats)} now"
    )
