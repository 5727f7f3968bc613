"""The thing to do about a claim that is neither retained nor lost."""

import math
from statistics import NormalDist

from ..documents import CapabilityClaim
from ._readings import clean

_MOST_ITEMS = 10_000_000
_ALPHA, _POWER = 0.05, 0.8
_WIDER = 1 + NormalDist().inv_cdf(_POWER) / NormalDist().inv_cdf(1 - _ALPHA)
"""Limits must end so many of their widths within the margin: at the margin itself, half of all draws would fail."""


def more_items(claim: CapabilityClaim) -> int | None:
    """Estimate how many more items would show a claim to be retained, with a chance of 80 %.

    The limit of the loss comes nearer to the measured loss as the root of the number of items. The chance is
    that of a limit of a normal mean at 0.95; a bet's limit is wider, and its chance is a little larger.

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
    needed = math.ceil(claim.num_groups * (_WIDER * width / room) ** 2) - claim.num_groups
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
    if claim.loss_limit is None or claim.loss_limit <= claim.margin:
        return f"{name}: {clean(claim.reason or 'no test was made')}."
    more = more_items(claim)
    if more is not None:
        unit = "items" if claim.num_groups == claim.num_items else "groups of items"
        return (
            f"{name}: {more:,} more {unit} would show it to be kept, with a chance of {_POWER:.0%}, if its change "
            "stays as measured."
        )
    return (
        f"{name}: the measured change leaves no room below what is accepted, so more items would rather "
        "show a loss; tune less, or repair."
    )
