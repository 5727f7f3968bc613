"""What an evaluation gives: the scores of capabilities at points."""

from dataclasses import dataclass, field

import numpy
from jaxtyping import Float
from numpy import ndarray

from ..capabilities import Capability
from ..models import Point
from ._store import StoredScores


@dataclass(frozen=True)
class Table:
    """The scores of capabilities at points."""

    rows: dict[tuple[str, str], StoredScores] = field(default_factory=dict)
    """(point digest, capability digest) to scores."""

    def values(self, point: Point, capability: Capability) -> Float[ndarray, " items"]:
        """The capability's metric for each of its items at a point."""
        row = self.rows[point.digest(), capability.digest]
        return numpy.array(row.values[capability.metric])

    def metric(self, point: Point, capability: Capability, metric: str) -> float | None:
        """The mean of any metric that the scorer gives; None where it gives no such one."""
        values = self.rows[point.digest(), capability.digest].values.get(metric)
        return None if values is None else sum(values) / len(values)

    def item_losses(
        self, point: Point, capability: Capability, *, base: Point
    ) -> Float[ndarray, " items"]:
        """Loss of each item from the base to a point: positive is worse."""
        before, after = self.values(base, capability), self.values(point, capability)
        sign = -1.0 if capability.higher_is_better else 1.0
        losses: Float[ndarray, " items"] = sign * (after - before)
        return losses
