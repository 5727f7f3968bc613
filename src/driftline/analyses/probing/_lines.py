"""Straight lines from the base, evaluated until each capability crosses its tolerance.

An evaluation moves the weights once and scores every capability whose search it narrows, so they
share its cost.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy

from ...capabilities import Capability
from ...engine import Engine, Table
from ...models import BASE, Direction, Point, Term
from ...stats import CrossingSearch, Curve, ScaleGrid

_REACH = 2.0
"""Standard errors from the mean loss to the ends of the interval that is to be spanned by looks."""
_LARGEST_REACH = 7.0


@dataclass(frozen=True)
class Line:
    """A straight line from the base, measured in relative norm."""

    label: str
    direction: Direction
    norm: float = 1.0
    """Relative norm of the direction at scale 1."""

    def point(self, norm: float) -> Point:
        """Return the point at a relative norm."""
        label = f"{self.label} at {norm:g}"
        return Point(label, (Term(self.direction, norm / self.norm),))


@dataclass
class LineScan:
    """Evaluations along one line, capability by capability."""

    line: Line
    grid: ScaleGrid
    base: Table
    """The capabilities at the base."""
    searches: dict[str, CrossingSearch]
    """By the digest of the capability."""
    looks: dict[tuple[str, int], numpy.ndarray] = field(default_factory=dict)
    """Item losses, by the digest of the capability and the index of the grid point."""

    def next_look(self, capabilities: Sequence[Capability]) -> tuple[int, list[Capability]] | None:
        """Return the grid point that most searches need, and the capabilities that it helps."""
        requested = {c.digest: self.searches[c.digest].next_index() for c in capabilities}
        indices = Counter(index for index in requested.values() if index is not None)
        if not indices:
            return self._next_edge(capabilities)

        def helped(index: int) -> list[Capability]:
            return [c for c in capabilities if self.searches[c.digest].is_open_at(index)]

        # The lowest of equals, so that one request gives one answer.
        best = min(indices, key=lambda index: (-indices[index], -len(helped(index)), index))
        return best, helped(best)

    def _next_edge(self, capabilities: Sequence[Capability]) -> tuple[int, list[Capability]] | None:
        """Return a grid point where resamples of items may cross, once the mean's is found."""
        requested = {c.digest: self._edges(c) for c in capabilities}
        indices = Counter(index for edges in requested.values() for index in edges)
        if not indices:
            return None
        best = min(indices, key=lambda index: (-indices[index], index))
        return best, [c for c in capabilities if best in requested[c.digest]]

    def _edges(self, capability: Capability) -> list[int]:
        """Return grid points near the ends of the crossing's interval, if unknown so far."""
        search, grid = self.searches[capability.digest], self.grid
        index = search.lowest_above
        if index is None:
            return []
        losses = self.looks[capability.digest, index]
        reach = _REACH * float(losses.std()) / math.sqrt(len(losses)) / capability.tolerance
        # As of a loss that grows with the power 1.5: a linear one would reach further.
        away = math.log1p(min(reach, _LARGEST_REACH)) / 1.5
        away = max(2, round(away / math.log(grid.ratio)))
        known = [r for digest, r in self.looks if digest == capability.digest]
        edges = [min(index + away, grid.top), max(index - away, grid.bottom)]
        near = away // 2
        return [
            e for e in edges if all(abs(e - r) > near or e == r for r in known) and e not in known
        ]

    def tell(self, index: int, capability: Capability, losses: numpy.ndarray) -> None:
        """Record the item losses at a grid point."""
        self.searches[capability.digest].tell(index, float(losses.mean()))
        self.looks[capability.digest, index] = losses

    def curve(self, capability: Capability) -> Curve:
        """Return the losses of a capability so far, in ascending order of scale."""
        indices = sorted(index for digest, index in self.looks if digest == capability.digest)
        scales = numpy.array([self.grid.scale(index) for index in indices])
        return Curve(scales, numpy.stack([self.looks[capability.digest, r] for r in indices]))

    def crossing(self, capability: Capability) -> float | None:
        """Return the smallest evaluated norm above the tolerance; None if there is none."""
        index = self.searches[capability.digest].lowest_above
        return None if index is None else self.grid.scale(index)


def scan_lines(
    engine: Engine,
    lines: Sequence[Line],
    capabilities: Sequence[Capability],
    grid: ScaleGrid,
    *,
    base: Table,
    guesses: Mapping[str, float],
) -> tuple[LineScan, ...]:
    """Evaluate lines until every capability's crossing lies between two neighbouring grid points.

    Lines go round by round together, so that an engine with several workers has one look a line.

    Cost: five to ten evaluations per capability and line; each moves the weights once and scores the
    capabilities that it helps.

    Args:
        capabilities: Capabilities whose crossings are searched.
        grid: The scales, in relative norm.
        base: The capabilities at the base.
        guesses: Norm to evaluate first, by the digest of the capability.
    """
    scans = tuple(
        LineScan(
            line,
            grid,
            base,
            {c.digest: CrossingSearch(grid, c.tolerance, guesses[c.digest]) for c in capabilities},
        )
        for line in lines
    )
    while True:
        looks = [(scan, scan.next_look(capabilities)) for scan in scans]
        request = [(scan, *look) for scan, look in looks if look is not None]
        if not request:
            return scans
        points = [scan.line.point(grid.scale(index)) for scan, index, _ in request]
        result = engine.evaluate_each(
            [(point, helped) for point, (_, _, helped) in zip(points, request, strict=True)]
        )
        table = Table({**base.rows, **result.rows})
        for point, (scan, index, helped) in zip(points, request, strict=True):
            for capability in helped:
                losses = table.item_losses(point, capability, base=BASE)
                scan.tell(index, capability, losses)
