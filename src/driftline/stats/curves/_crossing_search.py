"""Which scale to look at next, to find where a curve of loss passes a tolerance with few looks.

Scales lie on a ladder of equal ratios, so that several curves along one direction can share a look,
and a search ends when the passage lies between two neighbouring rungs.
"""

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Ladder:
    """Scales `ratio ** rung` for whole numbers, from the smallest to the largest that is looked at."""

    ratio: float
    smallest: float
    largest: float

    def scale(self, rung: int) -> float:
        """The scale of a rung, to four digits, so that it is the same number in every process."""
        return float(f"{self.ratio**rung:.4g}")

    def rung(self, scale: float) -> int:
        """The rung nearest to a scale, within the ladder.

        >>> Ladder(2.0, 0.01, 10.0).rung(0.24)
        -2

        Args:
            scale: Positive.

        Returns:
            The rung.
        """
        nearest = round(math.log(scale) / math.log(self.ratio))
        return min(max(nearest, self.bottom), self.top)

    @property
    def bottom(self) -> int:
        """The lowest rung."""
        return math.ceil(math.log(self.smallest) / math.log(self.ratio) - 1e-9)

    @property
    def top(self) -> int:
        """The highest rung."""
        return math.floor(math.log(self.largest) / math.log(self.ratio) + 1e-9)


@dataclass
class CrossingSearch:
    """The search for the first passage of one curve.

    While nothing lies above the tolerance the search climbs, and while nothing lies below it, it
    descends, by a power law through what is known (a quadratic one at first, as of a loss near its
    minimum). Then it interpolates in log scale and log loss, and halves instead whenever two looks
    in a row fell on the same side (the safeguard of the Illinois method, Dowell and Jarratt 1971).
    Last, it looks at about half the scale of the passage, where no look lies near yet: curves of a few
    items come back and pass again.

    Limits: a curve that passes the tolerance and comes back between two looks is taken for one that
    does not pass there.
    """

    ladder: Ladder
    tolerance: float
    """Positive."""
    guess: float
    """Where to look first."""
    losses: dict[int, float] = field(default_factory=dict)
    """What was seen, by rung."""
    _side: list[bool] = field(default_factory=list)
    """Whether each look inside the bracket was above, in order."""

    def tell(self, rung: int, loss: float) -> None:
        """Take note of a loss; positive is worse.

        Args:
            rung: Where.
            loss: Finite.
        """
        if self.lowest_above is not None and self.highest_below is not None:
            self._side.append(loss >= self.tolerance)
        self.losses[rung] = loss

    @property
    def lowest_above(self) -> int | None:
        """The lowest rung at which the tolerance is reached; None so far."""
        return min((r for r, loss in self.losses.items() if loss >= self.tolerance), default=None)

    @property
    def highest_below(self) -> int | None:
        """The highest rung under the passage, None so far."""
        above = self.lowest_above
        below = (r for r in self.losses if above is None or r < above)
        return max(below, default=None)

    def is_open_at(self, rung: int) -> bool:
        """Whether a look at a rung would narrow the search."""
        wanted = self.next_rung()
        if wanted is None or rung == wanted:
            return wanted is not None
        above, below = self.lowest_above, self.highest_below
        return (above is None or rung < above) and (below is None or rung > below)

    def next_rung(self) -> int | None:
        """Where to look next.

        Returns:
            A rung that has not been looked at; None where the passage lies between neighbours and
            half-way to it nothing is passed, below the lowest rung, or beyond the highest one.
        """
        above, below = self.lowest_above, self.highest_below
        if above is None and below is None:
            return self.ladder.rung(self.guess)
        if above is None:
            assert below is not None
            return self._beyond(below, upwards=True)
        if below is None:
            return self._beyond(above, upwards=False)
        if above - below <= 1:
            return self._half_way(above)
        return min(max(self._between(below, above), below + 1), above - 1)

    def _half_way(self, above: int) -> int | None:
        """The rung at half the scale of the passage; None where one about there is known."""
        away = round(math.log(2) / math.log(self.ladder.ratio))
        known = any(0.75 * away <= above - rung <= 1.25 * away for rung in self.losses)
        return None if known or above - away < self.ladder.bottom else above - away

    def _beyond(self, end: int, *, upwards: bool) -> int | None:
        """A rung on the far side of the passage, if the power law holds."""
        limit = self.ladder.top if upwards else self.ladder.bottom
        if end == limit:
            return None
        loss = self.losses[end]
        # At most a factor of four; a loss that is not positive yet says nothing.
        log_factor = math.log(4)
        if loss > 0:
            log_factor = min(log_factor, abs(math.log(self.tolerance / loss)) / self._power())
        # A little further than the estimate, so that a bracket is likely; where estimates fail one
        # after the other, at least twice as far each time.
        away = math.ceil(log_factor / math.log(self.ladder.ratio)) + 1
        away = max(away, 1 << (len(self.losses) - 1))
        return min(end + away, limit) if upwards else max(end - away, limit)

    def _power(self) -> float:
        """The local power of the curve, by its last two looks with a positive loss."""
        known = sorted((r, loss) for r, loss in self.losses.items() if loss > 0)
        if len(known) < 2:
            return 2.0
        (low, low_loss), (high, high_loss) = known[:2] if self._falls() else known[-2:]
        if high_loss <= low_loss:
            return 1.0
        slope = math.log(high_loss / low_loss) / ((high - low) * math.log(self.ladder.ratio))
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
