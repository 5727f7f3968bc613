"""Is what was lost gone, or only hard to reach? What the recovery probe found."""

from typing import ClassVar, Literal

from ._document import Value

RecoveryFinding = Literal["access", "persists", "inconclusive"]


class RecoveryProbe(Value):
    """One capability that was found inferior, asked again behind solved examples.

    It explains a loss and decides nothing: verdicts stand as they are.
    """

    in_unit: ClassVar[tuple[str, ...]] = (
        "base_plain",
        "tuned_plain",
        "base",
        "tuned",
        "low",
        "high",
        "margin",
        "standard_error",
    )

    capability: str
    finding: RecoveryFinding
    """access: behind the examples the tuned model is within the margin of the base, so the loss
    was one of access or format. persists: it is beyond the margin there too, so that knowledge is
    lost, as far as examples in the prompt can tell."""
    reason: str | None
    """Reason why it is inconclusive."""
    num_shots: int
    """Solved items before each of the others; they are not scored."""
    num_items: int
    unit: str
    base_plain: float | None
    """The same items without examples; None where nothing was scored."""
    tuned_plain: float | None
    base: float | None
    """Behind the examples."""
    tuned: float | None
    low: float | None
    """One-sided limits of the true change tuned - base behind the examples, at 1 - alpha."""
    high: float | None
    margin: float
    standard_error: float | None = None
    """Standard error of the change with solved examples, over groups; None if nothing was
    scored."""
    num_groups: int | None = None
