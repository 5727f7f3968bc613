"""Straight lines from the base, looked at until each capability's passage of its tolerance is found.

A look moves the weights once and scores every capability whose search it narrows, so that capabilities
share what it costs to move.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy

from ...capabilities import Capability
from ...engine import Engine, Table
from ...models import BASE, Direction, Point, Term
from ...stats import CrossingSearch, Curve, Ladder

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
        """The point at a relative norm."""
        label = f"{self.label} at {norm:g}"
        return Point(label, (Term(self.direction, norm / self.norm),))


@dataclass
class LineScan:
    """The looks along one line, capability by capability."""

    line: Line
    ladder: Ladder
    base: Table
    """The capabilities at the base."""
    searches: dict[str, CrossingSearch]
    """By the digest of the capability."""
    looks: dict[tuple[str, int], numpy.ndarray] = field(default_factory=dict)
    """Item losses, by the digest of the capability and rung."""

    def next_look(self, capabilities: Sequence[Capability]) -> tuple[int, list[Capability]] | None:
        """The rung that most searches want, and the capabilities whose search it narrows."""
        wanted = {c.digest: self.searches[c.digest].next_rung() for c in capabilities}
        rungs = Counter(rung for rung in wanted.values() if rung is not None)
        if not rungs:
            return self._next_edge(capabilities)

        def helped(rung: int) -> list[Capability]:
            return [c for c in capabilities if self.searches[c.digest].is_open_at(rung)]

        # The lowest of equals, so that one request gives one answer.
        best = min(rungs, key=lambda rung: (-rungs[rung], -len(helped(rung)), rung))
        return best, helped(best)

    def _next_edge(self, capabilities: Sequence[Capability]) -> tuple[int, list[Capability]] | None:
        """A rung where resamples of some capabilities' items may pass, once the mean's is found."""
        wanted = {c.digest: self._edges(c) for c in capabilities}
        rungs = Counter(rung for edges in wanted.values() for rung in edges)
        if not rungs:
            return None
        best = min(rungs, key=lambda rung: (-rungs[rung], rung))
        return best, [c for c in capabilities if best in wanted[c.digest]]

    def _edges(self, capability: Capability) -> list[int]:
        """Rungs about the ends of the interval for the passage, where no look lies near yet."""
        search, ladder = self.searches[capability.digest], self.ladder
        rung = search.lowest_above
        if rung is None:
            return []
        losses = self.looks[capability.digest, rung]
        reach = _REACH * float(losses.std()) / math.sqrt(len(losses)) / capability.tolerance
        # As of a loss that grows with the power 1.5: a linear one would reach further.
        away = math.log1p(min(reach, _LARGEST_REACH)) / 1.5
        away = max(2, round(away / math.log(ladder.ratio)))
        known = [r for digest, r in self.looks if digest == capability.digest]
        edges = [min(rung + away, ladder.top), max(rung - away, ladder.bottom)]
        near = away // 2
        return [
            e for e in edges if all(abs(e - r) > near or e == r for r in known) and e not in known
        ]

    def tell(self, rung: int, capability: Capability, losses: numpy.ndarray) -> None:
        """Take note of the item losses of a look."""
        self.searches[capability.digest].tell(rung, float(losses.mean()))
        self.looks[capability.digest, rung] = losses

    def curve(self, capability: Capability) -> Curve:
        """What was seen of a capability, in ascending order."""
        rungs = sorted(rung for digest, rung in self.looks if digest == capability.digest)
        scales = numpy.array([self.ladder.scale(rung) for rung in rungs])
        return Curve(scales, numpy.stack([self.looks[capability.digest, r] for r in rungs]))

    def passage(self, capability: Capability) -> float | None:
        """The norm of the lowest look above the tolerance; None where there is none."""
        rung = self.searches[capability.digest].lowest_above
        return None if rung is None else self.ladder.scale(rung)


def scan_lines(
    engine: Engine,
    lines: Sequence[Line],
    capabilities: Sequence[Capability],
    ladder: Ladder,
    *,
    base: Table,
    guesses: Mapping[str, float],
) -> tuple[LineScan, ...]:
    """Look along lines until every capability's passage lies between two neighbouring rungs.

    Lines go round by round together, so that an engine with several workers has one look a line.

    Cost: some five to ten looks a capability and line; a look moves the weights once and scores the
    capabilities that it helps.

    Args:
        engine: Evaluates the points.
        lines: Where to look.
        capabilities: Whose passages are wanted.
        ladder: The scales, in relative norm.
        base: The capabilities at the base.
        guesses: Where to look first, by the digest of the capability.

    Returns:
        One scan a line.
    """
    scans = tuple(
        LineScan(
            line,
            ladder,
            base,
            {
                c.digest: CrossingSearch(ladder, c.tolerance, guesses[c.digest])
                for c in capabilities
            },
        )
        for line in lines
    )
    while True:
        looks = [(scan, scan.next_look(capabilities)) for scan in scans]
        asked = [(scan, *look) for scan, look in looks if look is not None]
        if not asked:
            return scans
        points = [scan.line.point(ladder.scale(rung)) for scan, rung, _ in asked]
        found = engine.evaluate_each(
            [(point, helped) for point, (_, _, helped) in zip(points, asked, strict=True)]
        )
        table = Table({**base.rows, **found.rows})
        for point, (scan, rung, helped) in zip(points, asked, strict=True):
            for capability in helped:
                losses = table.item_losses(point, capability, base=BASE)
                scan.tell(rung, capability, losses)
