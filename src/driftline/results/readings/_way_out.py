"""The thing to do about a claim that is neither retained nor lost."""

import math
from statistics import NormalDist

from ..documents import CapabilityClaim
from ._readings import clean

_MOST_ITEMS = 10_000_000
_POWER = 0.8
_LARGEST_ALPHA = 0.25
"""Beyond it a limit is hardly a limit; what is said for it is on the safe side."""


def more_items(claim: CapabilityClaim, alpha: float = 0.05) -> int | None:
    """Estimate how many more items would show a claim to be retained, with a chance of about 80 % or more.

    The limit of the loss comes nearer to the measured loss as the root of the number of items, and must end
    some way within the margin: at the margin itself, half of all draws would fail. For a normal mean the chance is 80 %; limits
    of bets and of few flips shrink faster, and it is larger.

    Args:
        claim: With a limit of its loss.
        alpha: The level of the limit, one-sided.

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
    quantile = NormalDist().inv_cdf
    wider = 1 + quantile(_POWER) / quantile(1 - min(alpha, _LARGEST_ALPHA))
    needed = math.ceil(claim.num_groups * (wider * width / room) ** 2) - claim.num_groups
    return needed if needed <= _MOST_ITEMS else None


def way_out(claim: CapabilityClaim, alpha: float = 0.05) -> str | None:
    """Say what settles an inconclusive claim.

    Args:
        claim: Of a certification, a plan or a repair.
        alpha: The level of its limits, one-sided.

    Returns:
        One sentence; None where the claim is settled.
    """
    if claim.verdict != "inconclusive":
        return None
    name = clean(claim.capability)
    if claim.loss_limit is None or claim.loss_limit <= claim.margin:
        return f"{name}: {clean(claim.reason or 'no test was made')}."
    more = more_items(claim, alpha)
    if more is not None:
        unit = "items" if claim.num_groups == claim.num_items else "groups of items"
        return (
            f"{name}: about {more:,} more {unit} in the claim would show it to be kept, with a chance of {_POWER:.0%}, if its "
            "change stays as measured."
        )
    return (
        f"{name}: the measured change leaves no room below what is accepted, so more items would rather "
        "show a loss; tune less, or repair."
    )
