"""How many items of each capability a command scores: all of them, unless that costs too much.

    assess, margin, map, forecast   scoring takes at most as long as the probe's training
    plan, repair                    all items make the claims; of those that choose, scoring takes at most
                                    as long as a trial's training, which a repair does not have
    train                           the base's scores and all checks take at most as long as the run

`--items N` sets the number itself.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from ..capabilities import Capability
from ..errors import ConfigError
from ..results import shown_amount
from ._repair_split import SEARCH_SHARE

SCORED_PER_TRAINED_TOKEN = 3.0
"""Forward passes that cost as much as one token's training: forward, and backward twice as much."""
FEWEST_ITEMS = 24
"""Never capped below these, whatever they cost."""
FEWEST_SEARCH_ITEMS = 32
"""Nor are those that choose, which are looked at many times."""
_NUM_NAMED = 3


class TokenCounter(Protocol):
    """Something that knows the tokens of capabilities: an engine, or a monitor's scorer."""

    def num_tokens(self, capabilities: tuple[Capability, ...], /) -> int:
        """Count the tokens that one scoring puts through the model."""


class MeasuredItems(Protocol):
    """A capability's value or change with its standard error, as a document has it."""

    @property
    def capability(self) -> str:
        """Name."""

    @property
    def unit(self) -> str:
        """Unit of the standard error."""

    @property
    def num_items(self) -> int:
        """Items that were scored."""

    @property
    def standard_error(self) -> float | None:
        """Standard error, over groups of items."""


def affordable_items(
    capabilities: Sequence[Capability],
    engine: TokenCounter,
    *,
    num_points: int,
    other_tokens: float,
    trained_tokens: float,
    fewest: int = FEWEST_ITEMS,
    share: float = 1.0,
) -> int | None:
    """Find how many items a capability may have, so that scoring takes as long as training.

    Args:
        capabilities: With all their items.
        engine: Knows their tokens.
        num_points: Points at which they are scored.
        other_tokens: Scored at each point beside them.
        trained_tokens: Of the probe.
        fewest: The cap is never lower.
        share: Of a capability's items, those that may be scored at all.

    Returns:
        Items a capability; None where all of them fit.

    Raises:
        SuiteError: An item does not fit the model.
    """
    tokens = {c.name: engine.num_tokens((c,)) for c in capabilities}
    allowed = SCORED_PER_TRAINED_TOKEN * trained_tokens / num_points - other_tokens

    def cost(num_items: int) -> float:
        return sum(
            tokens[c.name] * min(num_items, share * len(c.items)) / len(c.items)
            for c in capabilities
        )

    largest = int(share * max(len(c.items) for c in capabilities))
    if cost(largest) <= allowed or largest <= fewest:
        return None
    low, high = fewest, largest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) <= allowed else (low, middle)
    return low


def search_items(
    capabilities: Sequence[Capability],
    engine: TokenCounter,
    *,
    asked: int | None,
    num_points: int = 1,
    other_tokens: float = 0.0,
    trained_tokens: float = 0.0,
) -> int:
    """Find how many items of each capability choose, the others making the claims.

    Args:
        capabilities: With all their items.
        engine: Knows their tokens.
        asked: By the user; None for half of them, or as many as take no longer to score at a trial's
            points than the trial takes to train.
        num_points: Of a trial.
        other_tokens: Scored at each point beside them.
        trained_tokens: Of a trial; 0 where nothing is trained.

    Returns:
        Items a capability, of which at most half are taken.

    Raises:
        SuiteError: An item does not fit the model.
    """
    if asked is not None:
        return asked
    found = affordable_items(
        capabilities,
        engine,
        num_points=num_points,
        other_tokens=other_tokens,
        trained_tokens=trained_tokens,
        fewest=FEWEST_SEARCH_ITEMS,
        share=SEARCH_SHARE,
    )
    return max(len(c.items) for c in capabilities) if found is None else found


def check_items(asked: int | None, *, option: str = "--items") -> None:
    """Refuse a number of items that gives no interval.

    Args:
        asked: By the user; None where nothing was.
        option: How it was asked for.

    Raises:
        ConfigError: It is below 2.
    """
    if asked is not None and asked < 2:
        raise ConfigError(f"{option}: {asked} is too few; give 2 or more")


def sampled_items(
    capabilities: Sequence[Capability], num_items: int | None, *, seed: int
) -> tuple[Capability, ...]:
    """Take a random part of each capability's items.

    Args:
        capabilities: With all their items.
        num_items: Of each; None for all.
        seed: Of the draw.

    Returns:
        The capabilities, in their order.
    """
    if num_items is None:
        return tuple(capabilities)
    return tuple(c.sample(num_items, seed=seed) for c in capabilities)


def items_caveat(
    measured: Sequence[MeasuredItems],
    available: Mapping[str, int],
    *,
    asked: int | None,
    of_changes: bool = False,
    training: str = "the probe's training",
) -> str | None:
    """Say what a cap on the items costs in width.

    Args:
        measured: On the items that were scored.
        available: Items that each capability would have without the cap, by name.
        asked: The number that the user gave; None where the cap is that of the cost.
        of_changes: The standard errors are those of changes, not of the base's values.
        training: What scoring takes no longer than.

    Returns:
        A sentence; None where all items were scored.
    """
    capped = [m for m in measured if m.num_items < available[m.capability]]
    if not capped:
        return None
    worst = sorted(capped, key=lambda m: m.num_items / available[m.capability])
    named = ", ".join(
        f"{m.capability} {_width(m, available[m.capability])}" for m in worst[:_NUM_NAMED]
    )
    more = f", and {len(worst) - _NUM_NAMED} more" if len(worst) > _NUM_NAMED else ""
    why = (
        "as --items asks"
        if asked is not None
        else f"so that scoring takes no longer than {training}; --items N raises it"
    )
    what = "the changes" if of_changes else "the base's values"
    # At best: items of groups that are drawn already add less than items of new ones.
    return (
        f"At most {max(m.num_items for m in capped)} items of a capability were scored, {why}. "
        f"Standard errors of {what}, with the cap and at best with all items: {named}{more}."
    )


def _width(score: MeasuredItems, available: int) -> str:
    counts = f"({score.num_items} of {available} items)"
    if score.standard_error is None:
        return counts
    whole = score.standard_error * math.sqrt(score.num_items / available)
    return (
        f"{shown_amount(score.standard_error, score.unit, with_unit=False, digits=2)} and "
        f"{shown_amount(whole, score.unit, digits=2)} {counts}"
    )
