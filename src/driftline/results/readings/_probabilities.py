"""Probabilities and verdicts as they are shown."""

from ._readings import DASH

_SMALLEST_SHOWN = 0.01


def probability(value: float | None) -> str:
    """Format a probability with two digits, never as sure, or a dash if there is none.

    Args:
        value: From 0 to 1.

    >>> probability(0.374), probability(0.0001), probability(0.999), probability(None)
    ('0.37', '<0.01', '>0.99', '–')
    """
    if value is None:
        return DASH
    if value < _SMALLEST_SHOWN:
        return f"<{_SMALLEST_SHOWN:g}"
    return f"{value:.2f}" if value <= 1 - _SMALLEST_SHOWN else f">{1 - _SMALLEST_SHOWN:g}"


def verdict_word(verdict: str | None) -> str | None:
    """Return a verdict as it is shown: in capitals, its words apart.

    >>> verdict_word("at_risk")
    'AT RISK'
    """
    return None if verdict is None else verdict.replace("_", " ").upper()
