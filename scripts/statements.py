"""Statements with figures that a page must hold, word for word."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

DASH = "–"


@dataclass(frozen=True)
class Statement:
    """A sentence, or a row of a table, that a page must hold."""

    page: str
    """From the root of the repository."""
    text: str
    result: str
    """The committed file that its figures are from."""


def stands(statement: Statement, page: str) -> bool:
    """Tell whether a page holds a statement.

    Args:
        statement: What to look for.
        page: The page's text.

    Returns:
        True if it does; line breaks and other white space do not count.
    """
    return _one_line(statement.text) in _one_line(page)


def percent(share: float) -> str:
    """Write a share in per cent, with one decimal."""
    return f"{fixed(100 * Decimal(str(share)), 1)} %"


def fixed(value: float | Decimal, digits: int) -> str:
    """Round a half up, as people do; results are rounded already, and binary fractions are not exact."""
    return str(Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def _one_line(text: str) -> str:
    return " ".join(text.split())
