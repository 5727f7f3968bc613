"""Rows of the training data that a plan keeps out of training, to measure the target on."""

import random
from collections import defaultdict
from typing import NamedTuple

from ...errors import DataError
from ...models import LanguageModel, TrainingData
from ...provenance import digest_value
from ..items import Halves, split_items, target_capability

NUM_TARGET = 64
"""Rows on either side, at most."""
_SHARE = 0.1
"""Largest share of all rows that is held out; never fewer rows than a split needs."""
_LEAST = 4
_FEWEST = 20


class PlanData(NamedTuple):
    """A training set in three parts that share no row."""

    train: TrainingData
    target: Halves
    num_held_out: int


def hold_out(data: TrainingData, *, seed: int, opened: LanguageModel) -> PlanData:
    """Split rows into those to train on, to select by, and to report on.

    Rows that say the same go to one side.

    Args:
        data: All of them.
        seed: Random seed of the draw.
        opened: Rows that this model cannot score are not held out for it.

    Returns:
        The parts.

    Raises:
        DataError: There are too few rows, or too few that can be scored.
    """
    same: dict[str, list[int]] = defaultdict(list)
    for index, example in enumerate(data.examples):
        same[digest_value(example)].append(index)
    if len(same) < _FEWEST:
        raise DataError(
            f"{data.name}: {len(same)} different examples are too few to keep some out of training; "
            f"give {_FEWEST} or more"
        )
    requested = min(2 * NUM_TARGET, max(_LEAST, int(_SHARE * len(data.examples))))
    order = list(same)
    random.Random(f"{seed}|held out").shuffle(order)
    held = {index for digest in order[:requested] for index in same[digest]}
    first = [same[digest][0] for digest in sorted(order[:requested], key=lambda d: same[d][0])]
    target = target_capability(
        data.select(first, name="held-out rows"), seed=seed, opened=opened, num_items=2 * NUM_TARGET
    )
    rest = [index for index in range(len(data.examples)) if index not in held]
    train = data.select(rest, name=data.name)
    halves = split_items(target, num_search=NUM_TARGET, seed=seed)
    return PlanData(train, halves, len(held))
