"""Scores items in seeded batches, each capability until its decision is clear."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...capabilities import Capability, Item
from ...engine import Engine
from ...models import BASE, Point
from ..comparison import (
    Paired,
    Sample,
    base_obstacle,
    fall_to_chance,
    out_of_range,
    sequential_test,
)

_LEAST_ITEMS = 64
"""Smallest number of items of one batch."""
_GROWTH = 0.25
"""A batch holds so many items, as a share of those scored, where that is more: each batch moves
the weights twice, and items beyond the decision are wasted."""


def score_until_clear(
    capabilities: Sequence[Capability], engine: Engine, point: Point, *, alpha: float, seed: int
) -> tuple[Paired, ...]:
    """Score items of both models until each capability is decided, or has no more.

    Groups are shuffled once, before any is scored, and come whole, as the e-process asks; the
    batches depend on nothing but seed and scores, so a run that was broken off takes the same ones
    from its store.

    Cost: two forward passes over the items that are scored, up to a quarter or one batch more than
    the decisions needed, and two moves of the weights a batch.

    Args:
        capabilities: Each with a bounded metric.
        point: The tuned model.
        alpha: Accepted chance that a loss of the margin passes, of each claim.
        seed: Random seed of the orders.

    Returns:
        For each capability the items up to its decision, in the order of scoring.
    """
    courses = [_Course(capability, _shuffled(capability, seed)) for capability in capabilities]
    planned = 2 * engine.num_tokens(capabilities)
    engine.meter.plan(planned)
    with engine.meter.estimated(planned):
        while running := [course for course in courses if not course.is_over]:
            parts = [course.next_part() for course in running]
            table = engine.evaluate((BASE, point), parts)
            for course, part in zip(running, parts, strict=True):
                course.base += table.item_metrics(BASE, part)
                course.tuned += table.item_metrics(point, part)
                course.look(alpha, seed)
    return tuple(course.decided() for course in courses)


def _shuffled(capability: Capability, seed: int) -> list[tuple[Item, ...]]:
    """Return the groups of a capability in random order."""
    held: dict[str, list[Item]] = {}
    for item, group in zip(capability.items, capability.groups(), strict=True):
        held.setdefault(group, []).append(item)
    groups = [tuple(items) for items in held.values()]
    random.Random(seed).shuffle(groups)
    return groups


@dataclass
class _Course:
    """One capability on its way to a decision."""

    capability: Capability
    waiting: list[tuple[Item, ...]]
    """Groups that were not scored yet, the next first."""
    items: list[Item] = field(default_factory=list)
    base: list[Mapping[str, float]] = field(default_factory=list)
    tuned: list[Mapping[str, float]] = field(default_factory=list)
    num_looks: int = 0
    num_decided: int | None = None
    """Items up to the decision."""
    max_group_size: int = field(init=False)

    def __post_init__(self) -> None:
        """Compute the size of the largest group before any is scored."""
        declared = self.capability.max_group_size
        self.max_group_size = declared or max(len(group) for group in self.waiting)

    @property
    def is_over(self) -> bool:
        """True if nothing more is to be scored."""
        return self.num_decided is not None or not self.waiting

    def next_part(self) -> Capability:
        """Return the next batch as a capability of its own."""
        taken = tuple(self._take())
        self.items += taken
        return replace(self.capability, items=taken)

    def _take(self) -> Iterator[Item]:
        """Yield the items of the next groups; a single last group joins those before it."""
        requested = max(_LEAST_ITEMS, int(_GROWTH * len(self.items)))
        num_groups, num_items = 0, 0
        while self.waiting:
            is_full = num_items >= requested and num_groups >= 2
            if is_full and len(self.waiting) > 1:
                return
            group = self.waiting.pop(0)
            num_groups, num_items = num_groups + 1, num_items + len(group)
            yield from group

    def look(self, alpha: float, seed: int) -> None:
        """Stop where the items so far settle it, or show that nothing can be settled."""
        self.num_looks += 1
        paired = self._paired(len(self.items))
        if out_of_range(paired) is not None:
            self.waiting.clear()
            return
        test = sequential_test(paired, alpha)
        if test.verdict == "inconclusive":
            return
        for num_items in (test.num_items, len(self.items)):
            # More items may show that both models are above chance; the decision stays.
            if not self._is_at_chance(num_items, test.verdict, alpha, seed):
                self.num_decided = num_items
                return

    def _is_at_chance(self, num_items: int, verdict: str, alpha: float, seed: int) -> bool:
        """Tell whether a decision has to wait until a model is shown to be above chance."""
        paired = self._paired(num_items)
        if base_obstacle(paired, alpha, seed) is not None:
            return True
        return verdict == "non_inferior" and fall_to_chance(paired, alpha, seed) is not None

    def decided(self) -> Paired:
        """Return the items up to the decision; all of them if there was none."""
        return self._paired(self.num_decided or len(self.items))

    def _paired(self, num_items: int) -> Paired:
        sample = Sample(
            num_scored=len(self.items),
            num_available=len(self.capability.items),
            num_looks=self.num_looks,
            max_group_size=self.max_group_size,
        )
        capability = replace(self.capability, items=tuple(self.items[:num_items]))
        return Paired(capability, self.base[:num_items], self.tuned[:num_items], sample)
