"""Likelihoods of texts as people read them: perplexity, and its change in per cent."""

from collections.abc import Iterable
from typing import NamedTuple

from ...metrics import has_perplexity, perplexity_rise
from ._readings import DASH, clean, number, percent

_LARGEST_RISE = 10.0
"""Beyond it a factor is read more easily than per cent."""


class PerplexityRow(NamedTuple):
    """One capability's numbers, in nats per token where it has a perplexity."""

    capability: str
    unit: str
    base: float
    change: float | None = None
    low: float | None = None
    high: float | None = None
    tolerance: float | None = None


def rise_text(nats: float | None) -> str:
    """Write a change in nats per token as the change of perplexity that it is.

    >>> rise_text(0.0487901641694), rise_text(-0.2), rise_text(5.0), rise_text(0.0)
    ('+5%', '-18%', 'x148', '0%')

    Args:
        nats: The change; None where there is none.

    Returns:
        Its text; a dash where there is no change.
    """
    if nats is None:
        return DASH
    rise = perplexity_rise(nats)
    if rise > _LARGEST_RISE:
        return f"x{number(1 + rise)}"
    return f"{'+' if rise > 0 else '-' if rise < 0 else ''}{percent(abs(rise))}"


def with_rise(text: str, unit: str, nats: float | None) -> str:
    """Add the change of perplexity to the text of a change, where its unit has one.

    >>> with_rise("0.0953", "nats per token", 0.0953), with_rise("0.25", "nats", 0.25)
    ('0.0953 (perplexity +10%)', '0.25')

    Args:
        text: The change as it is written.

    Returns:
        The text, with the change of perplexity behind it.
    """
    return (
        f"{text} (perplexity {rise_text(nats)})"
        if nats is not None and has_perplexity(unit)
        else text
    )


def interval_with_rise(text: str, unit: str, low: float | None, high: float | None) -> str:
    """Add the changes of perplexity to the text of an interval of changes, where its unit has them."""
    if not has_perplexity(unit) or (low is None and high is None):
        return text
    return f"{text} ({rise_text(low)} to {rise_text(high)})"


def with_perplexity(text: str, unit: str, value: float | None) -> str:
    """Add the perplexity to the text of a mean negative log-likelihood.

    >>> with_perplexity("3.00", "nats per token", 3.0)
    '3.00 (perplexity 20.1)'

    Args:
        text: The value as it is written.
        value: The mean, in nats per token.

    Returns:
        The text, with the perplexity behind it where the unit has one.
    """
    if value is None or not has_perplexity(unit):
        return text
    return f"{text} (perplexity {number(1 + perplexity_rise(value))})"


def perplexity_lines(rows: Iterable[PerplexityRow]) -> list[str]:
    """Describe the changes of perplexity, one sentence per capability that has one."""
    return [_line(row) for row in rows if has_perplexity(row.unit)]


def _line(row: PerplexityRow) -> str:
    parts = [f"base {number(1 + perplexity_rise(row.base))}"]
    if row.change is not None:
        parts.append(f"change {rise_text(row.change)}")
    if row.low is not None and row.high is not None:
        parts.append(f"interval {rise_text(row.low)} to {rise_text(row.high)}")
    elif row.high is not None:
        parts.append(f"at most {rise_text(row.high)}")
    if row.tolerance is not None:
        parts.append(f"tolerance {rise_text(row.tolerance)}")
    return f"perplexity of {clean(row.capability)}: {', '.join(parts)}"
