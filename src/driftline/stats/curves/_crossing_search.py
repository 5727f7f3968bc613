"""Search for the scale at which a loss curve passes a tolerance, with few evaluations.

Scales lie on a grid of equal ratios, so that several curves along one direction can share an evaluation,
and a search ends when the crossing lies between two neighbouring grid points.
"""

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ScaleGrid:
    """Geometric grid of scales, `ratio ** index` for whole numbers, between two bounds."""

    ratio: float
    smallest: float
    largest: float

    def scale(self, index: int) -> float:
        """Return the scale of a grid point, to four digits, so that all processes agree."""
        return float(f"{self.ratio**index:.4g}")

    def index_of(self, scale: float) -> int:
        """Return the index of the grid point nearest to a scale, within the grid.

        >>> ScaleGrid(2.0, 0.01, 10.0).index_of(0.24)
        -2

        Args:
            scale: Positive.

        Returns:
            The index.
        """
        nearest = round(math.log(scale) / math.log(self.ratio))
        return min(max(nearest, self.bottom), self.top)

    @property
    def bottom(self) -> int:
        """Index of the smallest scale."""
        return math.ceil(math.log(self.smallest) / math.log(self.ratio) - 1e-9)

    @property
    def top(self) -> int:
        """Index of the largest scale."""
        return math.floor(math.log(self.largest) / math.log(self.ratio) + 1e-9)


@dataclass
class CrossingSearch:
    """Search for the first crossing of one loss curve.

    While nothing lies above the tolerance the search climbs, and while nothing lies below it, it
    descends, by a power law through the known points (a quadratic one at first, as of a loss near its
    minimum). Then it interpolates in log scale and log loss, and bisects whenever two points
    in a row fell on the same side (the safeguard of the Illinois method, Dowell and Jarratt 1971).
    Last, it evaluates about half the scale of the crossing, if nothing near it is known: curves of few
    items come back and pass again.

    Limits: a curve that passes the tolerance and comes back between two points is taken for one that
    does not pass there.
    """

    grid: ScaleGrid
    tolerance: float
    """Positive."""
    guess: float
    """Scale to evaluate first."""
    losses: dict[int, float] = field(default_factory=dict)
    """Loss at each evaluated grid point, by index."""
    _side: list[bool] = field(default_factory=list)
    """True for each evaluation inside the bracket that was above the tolerance, in order."""

    def tell(self, index: int, loss: float) -> None:
        """Record the loss at a grid point; positive is worse.

        Args:
            index: Index of the grid point.
            loss: Finite.
        """
        if self.lowest_above is not None and self.highest_below is not None:
            self._side.append(loss >= self.tolerance)
        self.losses[index] = loss

    @property
    def lowest_above(self) -> int | None:
        """Lowest grid point at which the loss reaches the tolerance; None so far."""
        return min((r for r, loss in self.losses.items() if loss >= self.tolerance), default=None)

    @property
    def highest_below(self) -> int | None:
        """Highest grid point below the crossing; None so far."""
        above = self.lowest_above
        below = (r for r in self.losses if above is None or r < above)
        return max(below, default=None)

    def is_open_at(self, index: int) -> bool:
        """Return whether an evaluation at a grid point would narrow the search."""
        requested = self.next_index()
        if requested is None or index == requested:
            return requested is not None
        above, below = self.lowest_above, self.highest_below
        return (above is None or index < above) and (below is None or index > below)

    def next_index(self) -> int | None:
        """Choose the grid point to evaluate next.

        Returns:
            An index without a loss so far; None if the crossing lies between neighbours and
            half-way to it nothing is passed, below the lowest index, or beyond the highest one.
        """
        above, below = self.lowest_above, self.highest_below
        if above is None and below is None:
            return self.grid.index_of(self.guess)
        if above is None:
            assert below is not None
            return self._beyond(below, upwards=True)
        if below is None:
            return self._beyond(above, upwards=False)
        if above - below <= 1:
            return self._half_way(above)
        return min(max(self._between(below, above), below + 1), above - 1)

    def _half_way(self, above: int) -> int | None:
        """Return the grid point at half the scale of the crossing; None if one near it is known."""
        away = round(math.log(2) / math.log(self.grid.ratio))
        known = any(0.75 * away <= above - index <= 1.25 * away for index in self.losses)
        return None if known or above - away < self.grid.bottom else above - away

    def _beyond(self, end: int, *, upwards: bool) -> int | None:
        """Return a grid point on the far side of the crossing, if the power law holds."""
        limit = self.grid.top if upwards else self.grid.bottom
        if end == limit:
            return None
        loss = self.losses[end]
        # At most a factor of four; a loss that is not positive yet says nothing.
        log_factor = math.log(4)
        if loss > 0:
            log_factor = min(log_factor, abs(math.log(self.tolerance / loss)) / self._power())
        # A little further than the estimate, so that a bracket is likely; where estimates fail one
        # after the other, at least twice as far each time.
        away = math.ceil(log_factor / math.log(self.grid.ratio)) + 1
        away = max(away, 1 << (len(self.losses) - 1))
        return min(end + away, limit) if upwards else max(end - away, limit)

    def _power(self) -> float:
        """Estimate the local power of the curve from its last two points with a positive loss."""
        known = sorted((r, loss) for r, loss in self.losses.items() if loss > 0)
        if len(known) < 2:
            return 2.0
        (low, low_loss), (high, high_loss) = known[:2] if self._falls() else known[-2:]
        if high_loss <= low_loss:
            return 1.0
        slope = math.log(high_loss / low_loss) / ((high - low) * math.log(self.grid.ratio))
        return min(max(slope, 0.5), 4.0)

    def _falls(self) -> bool:
        return self.highest_below is None

    def _between(self, below: int, above: int) -> int:
        if len(self._side) >= 2 and self._side[-1] == self._side[-2]:
            return (below + above) // 2
        low, high = self.losses[below], self.losses[above]
        if low > 0:
            share = math.log(self.tolerance / low) / math.log(high / low)
        else:
            share = (self.tolerance - low) / (high - low)
        return below + round(share * (above - below))
