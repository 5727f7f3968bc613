"""A capability: a named set of items with a scorer, a unit and a chance level."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from pydantic import JsonValue

from ..errors import SuiteError
from ..metrics import METRICS, Metric, MetricName
from ..provenance import digest_value
from ._declared import check_declared
from ._items import Item, options_of
from ._scorers import SCORER_METRICS, Normalization, ScorerName


@dataclass(frozen=True)
class Capability:
    """A named set of items, how they are scored, and how much loss its owner accepts."""

    name: str
    scorer: ScorerName
    metric: MetricName
    tolerance: float
    """Loss that its owner accepts, in the metric's unit, positive, set before any data is seen."""
    items: tuple[Item, ...]
    required: bool = True
    description: str = ""
    normalization: Normalization = "none"
    score_range: tuple[float, float] | None = None
    """The least and the largest nll_nats that an item can have, declared before any is seen; None
    leaves them unbounded."""
    max_group_size: int | None = None
    """The most items that a group can hold; needed to claim a pass where groups differ in size."""

    def __post_init__(self) -> None:
        """Refuse what cannot give a number with an interval.

        Raises:
            SuiteError: Fewer than two items or groups, two items of one id, a metric that the
                scorer does not give, a tolerance that is not positive, or a range or group size
                that cannot hold.
        """
        if len(self.items) < 2:
            raise SuiteError(
                f"capability {self.name}: has {len(self.items)} item; an interval needs at least "
                "2, and a useful one 50 or more"
            )
        seen: set[str] = set()
        for item in self.items:
            if item.id in seen:
                raise SuiteError(f"capability {self.name}: two items have the id {item.id}")
            seen.add(item.id)
        if len(set(self.groups())) < 2:
            raise SuiteError(
                f"capability {self.name}: all its items are in the group {self.items[0].group}; an "
                "interval needs at least 2 groups"
            )
        if self.metric not in SCORER_METRICS[self.scorer]:
            raise SuiteError(
                f"capability {self.name}: scorer {self.scorer} gives "
                f"{_listed(SCORER_METRICS[self.scorer])}, not {self.metric}"
            )
        if not 0 < self.tolerance < float("inf"):
            raise SuiteError(f"capability {self.name}: tolerance {self.tolerance} is not above 0")
        check_declared(
            self.name,
            metric=self.metric,
            score_range=self.score_range,
            max_group_size=self.max_group_size,
            groups=self.groups(),
        )

    @property
    def measure(self) -> Metric:
        """The properties of the metric."""
        return METRICS[self.metric]

    @property
    def metrics(self) -> tuple[MetricName, ...]:
        """Every metric that the scorer gives."""
        return SCORER_METRICS[self.scorer]

    @property
    def unit(self) -> str:
        """The unit of the metric."""
        return self.measure.unit

    @property
    def higher_is_better(self) -> bool:
        """True if a higher value is better."""
        return self.measure.higher_is_better

    @property
    def chance(self) -> float | None:
        """Expected accuracy, and expected probability, of a guess; None where there is none."""
        chances = self.chances()
        return sum(chances) / len(chances) if chances else None

    def chances(self) -> tuple[float, ...]:
        """Return P(right) of a guess at each item; empty if guessing has no meaning."""
        options = map(options_of, self.items)
        return tuple(1 / len(each.texts) for each in options if each is not None)

    @cached_property
    def digest(self) -> str:
        """The digest of all that a score depends on: items, scorer and normalisation."""
        return digest_value(
            {
                "scorer": self.scorer,
                "normalization": self.normalization,
                "items": [item.model_dump(mode="json") for item in self.items],
            }
        )

    def identity(self) -> JsonValue:
        """List all that a verdict about it depends on: its scores, and by what they are judged.

        Returns:
            A JSON value.
        """
        return {
            "name": self.name,
            "metric": self.metric,
            "items": self.digest,
            "tolerance": float(self.tolerance),
            "required": self.required,
            "score_range": None if self.score_range is None else [*map(float, self.score_range)],
            "max_group_size": self.max_group_size,
        }

    def loss(self, change: float) -> float:
        """Return a change (tuned - base) as a loss: positive is worse."""
        return -change if self.higher_is_better else change

    def groups(self) -> tuple[str, ...]:
        """Group of each item; an item without one is its own."""
        return tuple(item.group or item.id for item in self.items)

    def sample(self, num_items: int, *, seed: int) -> "Capability":
        """Return the capability with a random part of its items, in their order.

        A draw that falls into one group is drawn again, since it would have no interval.

        Args:
            num_items: Number of items to keep, at least 2; all of them if there are no more.
            seed: Random seed of the draw.

        Returns:
            The smaller capability.
        """
        if num_items >= len(self.items):
            return self
        generator, groups = random.Random(seed), self.groups()
        while True:
            chosen = sorted(generator.sample(range(len(self.items)), max(2, num_items)))
            if len({groups[index] for index in chosen}) > 1:
                return replace(self, items=tuple(self.items[index] for index in chosen))

    def apart_from(self, part: "Capability") -> "Capability | None":
        """Return the capability with the items that share no group with a part of it.

        Args:
            part: Some of its items.

        Returns:
            The rest; None where it is too small for a capability.
        """
        taken = set(part.groups())
        pairs = zip(self.items, self.groups(), strict=True)
        kept = [(item, group) for item, group in pairs if group not in taken]
        if len({group for _, group in kept}) < 2:
            return None
        return replace(self, items=tuple(item for item, _ in kept))


def _listed(names: Sequence[str]) -> str:
    """Join names in a sentence: `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
