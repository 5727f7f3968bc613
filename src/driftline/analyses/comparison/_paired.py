"""The scores of two models on the same items of one capability."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy
from jaxtyping import Float, Int
from numpy import ndarray

from ...capabilities import Capability
from ...choices import TestMethod
from ...metrics import METRICS, MetricName

RIGHT = tuple(name for name, metric in METRICS.items() if metric.is_binary)
"""Metrics that are 1 for an item that is right and 0 for one that is wrong."""


class Sample(NamedTuple):
    """Sample sizes of a sequential claim."""

    num_scored: int
    """Items that were scored until the decision was seen."""
    num_available: int
    num_looks: int
    max_group_size: int
    """Largest group of all items, known before any was scored."""


@dataclass(frozen=True)
class Paired:
    """A capability with the scores of both models on the same items."""

    capability: Capability
    """With the items that the claim rests on."""
    base: Sequence[Mapping[str, float]]
    """Every metric of each item, in the capability's order."""
    tuned: Sequence[Mapping[str, float]]
    sample: Sample | None = None
    """None where all items were scored, whatever they say."""

    @property
    def num_moved(self) -> int:
        """Items of which any metric differs."""
        return sum(dict(b) != dict(t) for b, t in zip(self.base, self.tuned, strict=True))

    @property
    def num_groups(self) -> int:
        """Independent units of evidence."""
        return len(set(self.capability.groups()))

    @property
    def method(self) -> TestMethod:
        """Test that suits the metric: see design/certification-statistics.md."""
        if not is_bounded(self.capability):
            return "unbounded"
        if self.sample is not None:
            return "sequential"
        declared = self.capability.max_group_size or 1
        is_grouped = declared > 1 or self.num_groups < len(self.capability.items)
        return "flips" if self.capability.measure.is_binary and not is_grouped else "bounded"

    def values(
        self, side: Sequence[Mapping[str, float]], metric: MetricName | None = None
    ) -> Float[ndarray, " items"]:
        """Return a metric of each item, by default the capability's own."""
        name = metric or self.capability.metric
        return numpy.array([metrics[name] for metrics in side], dtype=float)

    def gains(self) -> Float[ndarray, " items"]:
        """Return the changes tuned - base, signed so that larger is better."""
        sign = 1.0 if self.capability.higher_is_better else -1.0
        result: Float[ndarray, " items"] = sign * (self.values(self.tuned) - self.values(self.base))
        return result

    def group_numbers(self) -> Int[ndarray, " items"]:
        """Return the number of each item's group."""
        return numpy.unique(self.capability.groups(), return_inverse=True)[1]

    def right(self, side: Sequence[Mapping[str, float]]) -> list[bool] | None:
        """Return which items are right; None if the scorer does not say."""
        for metric in RIGHT:
            if metric in side[0]:
                return [metrics[metric] > 0 for metrics in side]
        return None


def is_bounded(capability: Capability) -> bool:
    """Return whether an item's loss is bounded, so that betting tests apply."""
    return capability.score_range is not None or capability.measure.is_bounded


def largest_loss(capability: Capability) -> float:
    """Return the largest loss that a mean score could have."""
    if capability.score_range is not None:
        low, high = capability.score_range
        return high - low
    return capability.measure.largest_loss


def has_known_sizes(capability: Capability) -> bool:
    """Tell whether the largest group size is known: one size by design, or a declared maximum."""
    sizes = set(Counter(capability.groups()).values())
    return len(sizes) == 1 or capability.max_group_size is not None
