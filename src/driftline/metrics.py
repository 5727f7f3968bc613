"""The metrics of items. Everything that depends on a metric reads it here, never its name.

    probability    probability that the model prefers the right option: softmax over the options'
                   log-likelihoods, divided by length where the suite says so; shown in points
    margin_nats    log p(right) - max log p(wrong), clipped to +-5 nats (odds of about 150 to 1), so
                   that no single item can dominate a mean
    accuracy       1 if the margin is above 0, else 0; a tie is wrong
    nll_nats       -log p of the text, in nats per token; lower is better
    exact_match    1 if the greedy answer begins with the wanted one, else 0

A raw likelihood moves with everything that fine-tuning changes in tone; a comparison with
distractors moves with what the model knows. Losses are forecast and judged in the capability's own unit.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MetricName = Literal["probability", "margin_nats", "accuracy", "nll_nats", "exact_match"]

MARGIN_BOUND_NATS = 5.0

SHOWN: Mapping[str, tuple[float, str]] = {"probability": (100.0, "points")}
"""Unit of a document to the factor and the unit that people are shown; others are shown as they are."""


@dataclass(frozen=True)
class Metric:
    """The properties of one metric."""

    name: MetricName
    unit: str
    """Unit of a value in a document."""
    bounds: tuple[float, float]
    """Lowest and highest value of an item; infinite where there is none."""
    higher_is_better: bool = True
    is_binary: bool = False
    """An item is 1 where it is right and 0 where it is wrong, and nothing else."""
    has_gradient: bool = True
    """The loss of an item, or of the metric in `gradient_of`, can be differentiated."""
    gradient_of: MetricName | None = None
    """The metric whose gradient stands for its own; None for itself."""
    forecast_like: MetricName | None = None
    """The metric whose finished runs stand for those of this one, in a forecast; None where there
    are finished runs in this metric itself."""
    falls_to_chance: bool = False
    """A model that guesses has the capability's chance level for its mean."""

    @property
    def largest_loss(self) -> float:
        """Width of the range of an item: the largest loss that a mean could have."""
        return self.bounds[1] - self.bounds[0]

    @property
    def is_bounded(self) -> bool:
        """An item can change by a known amount at most, so tests without assumptions exist."""
        return self.largest_loss < math.inf

    @property
    def is_in_nats(self) -> bool:
        """The loss is in nats, so that it has no bound of its own."""
        return self.unit.startswith("nats")

    @property
    def gradient_metric(self) -> MetricName:
        """The metric whose gradient a map or an ascent takes."""
        return self.gradient_of or self.name


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "probability",
            "probability",
            (0.0, 1.0),
            falls_to_chance=True,
        ),
        Metric(
            "margin_nats",
            "nats",
            (-MARGIN_BOUND_NATS, MARGIN_BOUND_NATS),
        ),
        Metric(
            "accuracy",
            "share of items",
            (0.0, 1.0),
            is_binary=True,
            gradient_of="margin_nats",
            forecast_like="probability",
            falls_to_chance=True,
        ),
        Metric(
            "nll_nats",
            "nats per token",
            (0.0, math.inf),
            higher_is_better=False,
        ),
        Metric(
            "exact_match",
            "share of items",
            (0.0, 1.0),
            is_binary=True,
            has_gradient=False,
            forecast_like="probability",
            falls_to_chance=True,
        ),
    )
}
"""By name."""


def shown_unit(unit: str) -> tuple[float, str]:
    """Find how values of a unit are shown to people.

    >>> shown_unit("probability"), shown_unit("nats")
    ((100.0, 'points'), (1.0, 'nats'))

    Args:
        unit: As a document has it; a unit per something else counts as its first word.

    Returns:
        Factor of a value, and the resulting unit.
    """
    first, space, rest = unit.partition(" ")
    factor, shown = SHOWN.get(first, (1.0, first))
    return factor, shown + space + rest


def has_perplexity(unit: str) -> bool:
    """Tell whether the exponential of a value in this unit is a perplexity."""
    return unit == METRICS["nll_nats"].unit


def perplexity_rise(nats: float) -> float:
    """Convert a change in nats per token to the relative change of perplexity.

    >>> round(perplexity_rise(0.0488), 3), perplexity_rise(0.0)
    (0.05, 0.0)

    Args:
        nats: The change; positive is worse.

    Returns:
        0.05 for a perplexity that is 5 % higher. It ends at exp(700), where numbers do.
    """
    return math.expm1(min(nats, 700.0))


def nats_of_rise(rise: float) -> float:
    """Convert a relative change of perplexity to nats per token; inverse of `perplexity_rise`.

    >>> round(nats_of_rise(0.05), 4)
    0.0488

    Args:
        rise: 0.05 for a perplexity that is 5 % higher; above -1.

    Returns:
        The change.
    """
    return math.log1p(rise)
