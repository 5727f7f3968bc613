"""Choose how many items of each capability a command scores: all, unless that costs too much.

    assess, margin, map, forecast   scoring takes at most as long as the probe's training; what does not fit is left
                                    out in this order: the way to the probe's end, items of capabilities that
                                    are not required, items of those that are
    plan, repair                    half of them choose (`--search-items`), the others make the claims
    train                           the base's scores and all checks cost the monitor's share of the run, with 64
                                    items or more; with --every, they take at most as long as the run

`--items N` sets the number itself.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from ...capabilities import Capability
from ...errors import ConfigError
from ...metrics import Metric
from ...results import shown_amount
from ...stats import MEASURED_SPREADS, items_needed
from ..comparison import no_pass
from ._split import Halves

SCORED_PER_TRAINED_TOKEN = 3.0
"""Forward passes that cost as much as one token's training: forward, and backward twice as much."""
FEWEST_ITEMS = 64
"""Required capabilities are never capped below these, whatever they cost."""
FEWEST_WATCHED = 24
"""Nor the others below these."""
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
) -> dict[str, int] | None:
    """Find how many items capabilities may have, so that scoring takes as long as training.

    The verdict rests on the required capabilities, so the others have few items until all items of
    the required ones are scored.

    Args:
        capabilities: With all their items.
        engine: Knows their tokens.
        num_points: Points at which they are scored.
        other_tokens: Also scored at each point.
        trained_tokens: Tokens that the probe trained on.
        fewest: A required capability's cap is never lower.

    Returns:
        Items by capability; None where all of them fit.

    Raises:
        SuiteError: An item does not fit the model.
    """
    tokens = {c.name: engine.num_tokens((c,)) for c in capabilities}
    allowed = SCORED_PER_TRAINED_TOKEN * trained_tokens / num_points - other_tokens
    deciding = {c.name for c in capabilities if c.required} or set(tokens)
    few = min(fewest, FEWEST_WATCHED)

    def numbers(decide: int, watch: int) -> dict[str, int]:
        return {c.name: decide if c.name in deciding else watch for c in capabilities}

    def fits(decide: int, watch: int) -> bool:
        request = numbers(decide, watch)
        return allowed >= sum(
            tokens[c.name] * min(request[c.name], len(c.items)) / len(c.items) for c in capabilities
        )

    most = max(len(c.items) for c in capabilities)
    if most <= few or fits(most, most):
        return None
    decide = _largest(lambda number: fits(number, few), fewest, most)
    watch = few if decide < most else _largest(lambda number: fits(most, number), few, most)
    return numbers(decide, watch)


def _largest(fits: Callable[[int], bool], low: int, high: int) -> int:
    """Find the largest number up to `high` that fits; `low` is taken whether it does or not."""
    if low >= high or fits(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def search_items(capabilities: Sequence[Capability], *, requested: int | None) -> dict[str, int]:
    """Find how many items of each capability choose, the others making the claims: half by default.

    Args:
        capabilities: With all their items.
        requested: By the user; None for half of them.

    Returns:
        By name. No more than half of a capability's items choose, whatever stands here.
    """
    return {c.name: len(c.items) // 2 if requested is None else requested for c in capabilities}


def certifying_items(capability: Capability) -> int | None:
    """Find how many items a certification at the tolerance needs, if nothing has changed.

    Cost: up to a second.

    Args:
        capability: Its metric, tolerance and groups count.

    Returns:
        Items, by the spread of an item's change that mild runs had; None where no number of them
        could pass, or ten million are too few.
    """
    if no_pass(capability) is not None:
        return None
    largest = max(Counter(capability.groups()).values())
    try:
        return items_needed(
            certified_metric(capability),
            margin=capability.tolerance,
            spread=usual_spread(capability),
            group_size=max(capability.max_group_size or 1, largest),
        )
    except ConfigError:
        return None


def certified_metric(capability: Capability) -> Metric:
    """Return a capability's metric with the bounds of a certification."""
    metric, declared = capability.measure, capability.score_range
    return metric if declared is None else replace(metric, bounds=declared)


def usual_spread(capability: Capability) -> float:
    """Return the spread of an item's change in mild runs, or its share of flips."""
    # Nothing was measured for generated answers: an answer flips as a choice does.
    return MEASURED_SPREADS.get(capability.metric, MEASURED_SPREADS["accuracy"])


def check_items(requested: int | None, *, option: str = "--items") -> None:
    """Refuse a number of items that gives no interval.

    Args:
        requested: By the user; None where nothing was.
        option: Option that set it.

    Raises:
        ConfigError: It is below 2.
    """
    if requested is not None and requested < 2:
        raise ConfigError(f"{option}: {requested} is too few; give 2 or more")


def sampled_items(
    capabilities: Sequence[Capability], num_items: int | Mapping[str, int] | None, *, seed: int
) -> tuple[Capability, ...]:
    """Draw a random part of each capability's items.

    Args:
        capabilities: With all their items.
        num_items: Number of items of each, or of each by name; None for all.
        seed: Random seed of the draw.

    Returns:
        The capabilities, in their order.
    """
    if num_items is None:
        return tuple(capabilities)
    if isinstance(num_items, int):
        num_items = {c.name: num_items for c in capabilities}
    return tuple(c.sample(num_items[c.name], seed=seed) for c in capabilities)


def items_caveat(
    measured: Sequence[MeasuredItems],
    available: Mapping[str, int],
    *,
    requested: int | None,
    of_changes: bool = False,
    training: str = "the probe's training",
) -> str | None:
    """State how much a cap on the items widens the intervals.

    Args:
        measured: On the items that were scored.
        available: Items that each capability would have without the cap, by name.
        requested: The number that the user gave; None where the cap is that of the cost.
        of_changes: The standard errors are those of changes, not of the base's values.
        training: What bounds the time of scoring.

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
        if requested is not None
        else f"so that scoring takes no longer than {training}; --items N raises it"
    )
    what = "the changes" if of_changes else "the base's values"
    # At best: items of groups that are drawn already add less than items of new ones.
    return (
        f"At most {max(m.num_items for m in capped)} items of a capability were scored, {why}. "
        f"Standard errors of {what}, with the cap and at best with all items: {named}{more}."
    )


def claims_caveat(
    claims: Sequence[MeasuredItems],
    capabilities: Sequence[Capability],
    parted: Sequence[Halves],
    requested: int | None,
) -> tuple[str, ...]:
    """State how much `--items` widens the claims of a search."""
    choosing = {halves.search.name: len(halves.search.items) for halves in parted}
    available = {c.name: len(c.items) - choosing[c.name] for c in capabilities}
    said = items_caveat(claims, available, requested=requested, of_changes=True)
    return () if said is None else (said,)


def _width(score: MeasuredItems, available: int) -> str:
    counts = f"({score.num_items} of {available} items)"
    if score.standard_error is None:
        return counts
    whole = score.standard_error * math.sqrt(score.num_items / available)
    return (
        f"{shown_amount(score.standard_error, score.unit, with_unit=False, digits=2)} and "
        f"{shown_amount(whole, score.unit, digits=2)} {counts}"
    )
