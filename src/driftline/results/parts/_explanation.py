"""Causes of a forecast, in terms that a person can act on."""

from typing import ClassVar, Literal

from pydantic import Field

from ._document import Value

FailureMode = Literal[
    "belief_space_collapse", "selective_capability_loss", "instability_amplification"
]


class AtRiskItem(Value):
    """An item that the probe has already cost much."""

    in_unit: ClassVar[tuple[str, ...]] = ("loss",)

    capability: str
    item: str
    loss: float
    """From the base to the last look of the probe, in the capability's unit; positive is worse."""


class ConflictingExample(Value):
    """An example of the training data that contradicts what the base is sure of."""

    example: str
    """Its place in the data, from 0."""
    share: float = Field(ge=0, le=1)
    """Share of its answer's tokens."""


class ForecastExplanation(Value):
    """Causes of the risk, and values that would be safe."""

    failure_mode: FailureMode | None
    """None where no capability is forecast to pass its tolerance."""
    reason: str
    items: tuple[AtRiskItem, ...]
    """The worst of each capability, worst first."""
    rate_effect: tuple[float, float, float] | None
    """Share of the largest loss that remains at half the learning rate: value, low, high."""
    steps_effect: tuple[float, float, float] | None
    """The same of half the steps."""
    critical_learning_rate: tuple[float, float, float] | None = None
    """In documents of earlier versions; the assessment's advice has the rate now."""
    conflict_share: float | None = Field(ge=0, le=1)
    """Share of the data's answer tokens, in a sample, to which the base gives 0.05 at most and
    another token 0.5 or more. None if there is no token to judge."""
    conflicts: tuple[ConflictingExample, ...]
    """The examples with the largest share, worst first."""
