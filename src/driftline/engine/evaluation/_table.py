"""Result of an evaluation: scores of capabilities and readings of anchors, at points."""

from dataclasses import dataclass, field

import numpy
from jaxtyping import Float
from numpy import ndarray

from ...capabilities import Capability
from ...metrics import METRICS, MetricName
from ...models import Point
from ..storage import StoredScores
from ._anchors import Anchors


@dataclass(frozen=True)
class Table:
    """The scores of capabilities, and the readings of anchors, at points."""

    rows: dict[tuple[str, str], StoredScores] = field(default_factory=dict)
    """(point digest, digest of the capability or anchors) to scores."""

    def values(
        self, point: Point, capability: Capability, metric: MetricName | None = None
    ) -> Float[ndarray, " items"]:
        """Return a metric of each item at a point; by default the capability's own."""
        return self._metrics(point, capability)[metric or capability.metric]

    def metric(self, point: Point, capability: Capability, metric: str) -> float | None:
        """Return the mean of any metric of the scorer; None if the scorer does not give it."""
        values = self._metrics(point, capability).get(metric)
        return None if values is None else sum(values.tolist()) / len(values)

    def item_metrics(self, point: Point, capability: Capability) -> tuple[dict[str, float], ...]:
        """Return every metric that the scorer gives, item by item."""
        metrics = self._metrics(point, capability)
        rows = zip(*(values.tolist() for values in metrics.values()), strict=True)
        return tuple(dict(zip(metrics, row, strict=True)) for row in rows)

    def item_losses(
        self,
        point: Point,
        capability: Capability,
        *,
        base: Point,
        metric: MetricName | None = None,
    ) -> Float[ndarray, " items"]:
        """Return each item's loss from the base to a point, in a metric: positive is worse."""
        chosen = metric or capability.metric
        before = self.values(base, capability, chosen)
        after = self.values(point, capability, chosen)
        sign = -1.0 if METRICS[chosen].higher_is_better else 1.0
        losses: Float[ndarray, " items"] = sign * (after - before)
        return losses

    def reading(self, point: Point, anchors: Anchors, metric: str) -> tuple[float | None, ...]:
        """Return a metric of the anchors at a point, layer by layer; None if it is undefined."""
        return self.rows[point.digest(), anchors.digest].values[metric]

    def _metrics(self, point: Point, capability: Capability) -> dict[str, Float[ndarray, " items"]]:
        values = self.rows[point.digest(), capability.digest].values
        return {metric: numpy.array(numbers, dtype=float) for metric, numbers in values.items()}
