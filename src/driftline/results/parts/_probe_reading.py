"""Measurements of a planned run's probe: the only numbers that a forecast is computed from."""

from typing import Literal

from ._document import Value

Look = Literal["early_5", "early_10", "early_20", "early_30", "early_40", "early_60", "replica_10"]
"""Evaluation of a probe, with the percent of the planned steps before it: the planned run itself,
stopped. `replica_10` is of earlier versions: a shorter run at a higher rate."""


class CapabilityReading(Value):
    """One capability along a probe."""

    capability: str
    metric: str
    base_value: float
    losses: dict[Look, float]
    """Mean loss from the base, in the metric's unit; positive is worse."""
    base_standard_error: float | None = None
    standard_errors: dict[Look, float] | None = None
    """Standard errors of the mean losses, over groups of items; None in readings of earlier
    versions."""
    num_items: int | None = None
    """Items that were scored; None in readings of earlier versions."""
    num_groups: int | None = None
    """Groups of items that were drawn together; None where each item is its own, or not known."""
    item_spreads: dict[Look, float] | None = None
    """Standard deviations of the losses of single items; None in readings of earlier versions."""
    is_shown: bool = True
    """The base is shown to have the capability; True in readings of earlier versions, which do not say."""
    straight_line: float | None = None
    """Loss on the line through the last early look, at the planned run's summed learning rate."""


class ProbeReading(Value):
    """One planned run as its probe saw it."""

    model: str
    model_digest: str
    adapter: bool
    """LoRA or another adapter is trained, not the weights themselves."""
    learning_rate: float
    """The highest of the planned run."""
    num_steps: int
    clock: dict[Look, float]
    """Summed learning rate at an early look as a share of the whole run's."""
    update_norm: float | None = None
    """||change||_F / ||W||_F at the last early look."""
    target: CapabilityReading
    capabilities: tuple[CapabilityReading, ...]
