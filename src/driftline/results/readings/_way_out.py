"""The thing to do about a claim that is neither retained nor lost."""

import math

from ..documents import CapabilityClaim
from ._readings import clean

_MOST_ITEMS = 10_000_000


def more_items(claim: CapabilityClaim) -> int | None:
    """Estimate how many more items would settle a claim as retained.

    The limit of the loss comes nearer to the measured loss as the root of the number of items.

    Args:
        claim: With a limit of its loss.

    Returns:
        More groups of items, if the change stays as measured; None where the measured loss is not
        below the margin, or where there is no limit to go by.
    """
    if claim.loss_limit is None or not claim.num_groups:
        return None
    loss = -claim.change if claim.higher_is_better else claim.change
    room, width = claim.margin - loss, claim.loss_limit - loss
    if room <= 0 or width <= room:
        return None
    needed = math.ceil(claim.num_groups * (width / room) ** 2) - claim.num_groups
    return needed if needed <= _MOST_ITEMS else None


def way_out(claim: CapabilityClaim) -> str | None:
    """Say what settles an inconclusive claim.

    Args:
        claim: Of a certification, a plan or a repair.

    Returns:
        One sentence; None where the claim is settled.
    """
    if claim.verdict != "inconclusive":
        return None
    name = clean(claim.capability)
    if claim.loss_limit is None:
        return f"{name}: {clean(claim.reason or 'no test was made')}."
    more = more_items(claim)
    if more is not None:
        unit = "items" if claim.num_groups == claim.num_items else "groups of items"
        return (
            f"{name}: about {more:,} more {unit} would settle it, if its change stays as measured."
        )
    return (
        f"{name}: the measured change leaves no room below what is accepted, so more items would rather "
        "show a loss; tune less, or repair."
    )
