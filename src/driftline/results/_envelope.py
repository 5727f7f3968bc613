"""The safe envelope: the learning rates and steps at which each capability stays within its tolerance."""

from ._document import Value


class EnvelopePoint(Value):
    """The length of a whole run, its schedule stretched to it, at which a tolerance is reached."""

    learning_rate: float
    """Its peak."""
    steps: float
    low: float | None
    """Lower end of the interval of the path margin; None where it is open."""
    high: float | None


class EnvelopeContour(Value):
    """Where one capability reaches its tolerance; below it is safe for this capability."""

    capability: str
    required: bool
    points: tuple[EnvelopePoint, ...]
    """By learning rate, ascending; empty where no loss is forecast."""
    reason: str | None = None
    """Why there is no contour."""


class SafeEnvelope(Value):
    """The chart of learning rate against steps with a contour for each capability."""

    planned_learning_rate: float
    """The peak of the planned schedule."""
    planned_steps: int
    contours: tuple[EnvelopeContour, ...]
    """The tightest at the planned learning rate first."""
