"""The safe envelope: the learning rates and steps at which each capability stays within its tolerance."""

import math

from ._document import Value


class EnvelopePoint(Value):
    """The peak learning rate at which a run of so many steps just reaches a tolerance."""

    steps: float
    """Steps of the whole run, the schedule stretched to them."""
    learning_rate: float | None
    """None where no loss is predicted."""
    low: float | None
    """From the upper end of the range of the largest loss."""
    high: float | None
    """From its lower end; None where that is no loss."""


class EnvelopeContour(Value):
    """Contour on which one capability reaches its tolerance; below it is safe."""

    capability: str
    required: bool
    points: tuple[EnvelopePoint, ...]
    """By steps, ascending; the same steps for every capability."""
    reason: str | None = None
    """Reason why there is no contour, if no point has a rate."""

    @property
    def is_reached(self) -> bool:
        """True if some run of the chart reaches the tolerance."""
        return any(point.learning_rate is not None for point in self.points)

    @property
    def tightness(self) -> float:
        """The lowest rate that reaches the tolerance; infinite where none does."""
        rates = [p.learning_rate for p in self.points if p.learning_rate is not None]
        return min(rates, default=math.inf)


class SafeEnvelope(Value):
    """The chart of learning rate against steps with a contour for each capability."""

    planned_learning_rate: float
    """The peak of the planned schedule."""
    planned_steps: int
    contours: tuple[EnvelopeContour, ...]
    """The tightest first."""
