"""The gain on held-out target rows, as a paired difference with rows of one prompt as one draw."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy

from ...capabilities import Capability, Cloze, Item
from ...engine import Engine, Table
from ...models import BASE, LanguageModel, Point, TrainingData
from ...provenance import digest_value
from ...results import TargetGain
from ...stats import mean_interval, standard_error
from ..comparison import Paired
from ..items import distinct, target_capability

NUM_TARGET_ROWS = 256
"""Rows that are scored, at most, drawn by the seed."""


def target_rows(
    data: TrainingData, opened: LanguageModel, engine: Engine, *, seed: int
) -> Capability:
    """Make a capability of held-out rows; rows with the same prompt are one group.

    Args:
        opened: The base.
        engine: Makes the tokens, by which copies are found.
        seed: Of the sample.

    Returns:
        The capability, mean loss in nats a token; copies of a row count once.

    Raises:
        DataError: Fewer than two rows can be scored.
        SuiteError: Fewer than two rows differ.
    """
    target = target_capability(data, seed=seed, opened=opened, num_items=NUM_TARGET_ROWS)
    (target,) = distinct((target,), engine).capabilities
    return rows_by_prompt(target)


def rows_by_prompt(target: Capability) -> Capability:
    """Make rows with the same prompt one group.

    Args:
        target: Rows as a capability.

    Returns:
        The capability; as it is where all rows have one prompt.
    """
    groups = [_group(item) for item in target.items]
    # One instruction before all rows says nothing of how alike they are.
    if len(Counter(groups)) < 2:
        return target
    pairs = zip(target.items, groups, strict=True)
    items = tuple(item.model_copy(update={"group": group}) for item, group in pairs)
    return replace(target, items=items)


def target_gain(pair: Paired) -> TargetGain:
    """Compute the gain of one checkpoint over the base, with its interval.

    Args:
        pair: The rows at the base and at the checkpoint.

    Returns:
        The gain in nats a token.
    """
    gains, groups = pair.gains(), pair.capability.groups()
    error = standard_error(gains, groups=groups)
    result = mean_interval(gains, groups=groups)
    return TargetGain(
        gain=result.value,
        standard_error=error,
        low=result.low,
        high=result.high,
        base_nats=float(pair.values(pair.base).mean()),
        tuned_nats=float(pair.values(pair.tuned).mean()),
        num_rows=len(gains),
        num_groups=pair.num_groups,
    )


def paired_rows(target: Capability, table: Table, point: Point) -> Paired:
    """Pair the target rows at the base and at a point."""
    return Paired(target, table.item_metrics(BASE, target), table.item_metrics(point, target))


def stacked_gains(pairs: Sequence[Paired]) -> numpy.ndarray:
    """Stack the gains of checkpoints on the same items, a row each."""
    return numpy.stack([pair.gains() for pair in pairs])


def _group(item: Item) -> str:
    if isinstance(item, Cloze):
        return digest_value(item.model_dump(mode="json", include={"prompt", "messages"}))
    return item.id
