"""How many items of each capability a probe scores: all of them, unless that costs too much."""

import math
from collections.abc import Mapping, Sequence

from ..capabilities import Capability
from ..engine import Engine
from ..results import CapabilityScore, shown_amount

SCORED_PER_TRAINED_TOKEN = 3.0
"""Forward passes that cost as much as one token's training: forward, and backward twice as much."""
FEWEST_ITEMS = 24
"""Never capped below these, whatever they cost."""
_NUM_NAMED = 3


def affordable_items(
    capabilities: Sequence[Capability],
    engine: Engine,
    *,
    num_points: int,
    other_tokens: float,
    trained_tokens: float,
) -> int | None:
    """Find how many items a capability may have, so that scoring takes as long as training.

    Args:
        capabilities: With all their items.
        engine: Knows their tokens.
        num_points: Points at which they are scored.
        other_tokens: Scored at each point beside them.
        trained_tokens: Of the probe.

    Returns:
        Items a capability; None where all of them fit.

    Raises:
        SuiteError: An item does not fit the model.
    """
    tokens = {c.name: engine.num_tokens((c,)) for c in capabilities}
    allowed = SCORED_PER_TRAINED_TOKEN * trained_tokens / num_points - other_tokens

    def cost(num_items: int) -> float:
        return sum(
            tokens[c.name] * min(num_items, len(c.items)) / len(c.items) for c in capabilities
        )

    largest = max(len(c.items) for c in capabilities)
    if cost(largest) <= allowed or largest <= FEWEST_ITEMS:
        return None
    low, high = FEWEST_ITEMS, largest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) <= allowed else (low, middle)
    return low


def items_caveat(
    scores: Sequence[CapabilityScore], available: Mapping[str, int], *, asked: int | None
) -> str | None:
    """Say what a cap on the items costs in width.

    Args:
        scores: Of the base, on the items that were scored.
        available: Items that each capability has, by name.
        asked: The number that the user gave; None where the cap is that of the cost.

    Returns:
        A sentence; None where all items were scored.
    """
    capped = [s for s in scores if s.num_items < available[s.capability]]
    if not capped:
        return None
    worst = sorted(capped, key=lambda s: s.num_items / available[s.capability])
    named = ", ".join(
        f"{s.capability} {_width(s, available[s.capability])}" for s in worst[:_NUM_NAMED]
    )
    more = f", and {len(worst) - _NUM_NAMED} more" if len(worst) > _NUM_NAMED else ""
    why = (
        "as --items asks"
        if asked is not None
        else "so that scoring takes no longer than the probe's training; --items N raises it"
    )
    return (
        f"At most {max(s.num_items for s in capped)} items of a capability were scored, {why}. "
        f"Standard errors of the base's values, with the cap and about what all items would give: "
        f"{named}{more}."
    )


def _width(score: CapabilityScore, available: int) -> str:
    counts = f"({score.num_items} of {available} items)"
    if score.standard_error is None:
        return counts
    whole = score.standard_error * math.sqrt(score.num_items / available)
    return (
        f"{shown_amount(score.standard_error, score.unit, with_unit=False, digits=2)} and "
        f"{shown_amount(whole, score.unit, digits=2)} {counts}"
    )
