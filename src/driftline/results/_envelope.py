"""The safe envelope: the learning rates and steps at which each capability stays within its tolerance."""

from ._document import Value


class EnvelopePoint(Value):
    """The length of a whole run, its schedule stretched to it, at which a tolerance is reached."""

    learning_rate: float
    """Its peak."""
    steps: float | None
    """None where no length that is worth naming reaches it."""
    low: float | None
    """From the upper end of the interval of the largest loss; None likewise."""
    high: float | None


class EnvelopeContour(Value):
    """Where one capability reaches its tolerance; below it is safe for this capability."""

    capability: str
    required: bool
    points: tuple[EnvelopePoint, ...]
    """By learning rate, ascending; the same rates for every capability."""
    reason: str | None = None
    """Why there is no contour, where no point has steps."""

    @property
    def is_reached(self) -> bool:
        """Whether some run of the chart reaches the tolerance."""
        return any(point.steps is not None for point in self.points)


class SafeEnvelope(Value):
    """The chart of learning rate against steps with a contour for each capability."""

    planned_learning_rate: float
    """The peak of the planned schedule."""
    planned_steps: int
    contours: tuple[EnvelopeContour, ...]
    """The tightest at the planned learning rate first."""
