"""What pages about a search share of its claims."""

from collections.abc import Sequence

from ...results import CapabilityClaim
from ...results.readings import clean

BADGES = {"pass": "safe", "fail": "unsafe", "inconclusive": "inconclusive"}
"""Verdict to the colour of its badge."""


def claim_reasons(claims: Sequence[CapabilityClaim]) -> tuple[str, ...]:
    """Why claims are what they are, each sentence once, for the notes under a table."""
    return tuple(
        dict.fromkeys(f"{clean(c.capability)}: {clean(c.reason)}" for c in claims if c.reason)
    )
