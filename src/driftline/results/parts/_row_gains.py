"""The gain on rows that a probe trained on, beside the gain on rows of the same task that it did not."""

from typing import Annotated

from pydantic import Field

from ._document import Value

_Share = Annotated[float, Field(gt=0, lt=1)]


class RowGain(Value):
    """The gain on some rows at the end of a probe, base minus tuned: positive is better."""

    gain: float
    standard_error: float | None = None
    """Over rows; None where they have no spread to compute it from."""
    low: float
    high: float
    base_value: float
    num_rows: int


OVER_FITTING_SHARE = 0.25
"""Share of the gain on rows that were trained on, from which a gap is a caveat of its own."""


class RowGains(Value):
    """The gain on rows that are trained on and on others: over-fitting shows as a gap between them."""

    source: str
    """Source of the rows that are not trained on."""
    step: int
    """Step of the planned run after which both were measured."""
    unit: str
    confidence_level: _Share
    seen: RowGain | None = None
    """Rows that the probe trained on; None where it is not known which these are."""
    unseen: RowGain
    """Rows that it did not train on."""
    gap: float | None = None
    """Gain on the rows seen minus gain on the others."""
    gap_standard_error: float | None = None
    predicted_gain: float | None = None
    """Forecast for the rows not trained on, at the end of the run; None where nothing is fitted."""
    predicted_low: float | None = None
    predicted_high: float | None = None
    num_copies: int = 0
    """Rows of the evaluation data that were left out because the run trains on them."""

    @property
    def is_gap_shown(self) -> bool:
        """True if the gap is above 0 with 95 % confidence, one side."""
        if self.gap is None or self.gap_standard_error is None:
            return False
        return self.gap > 1.645 * self.gap_standard_error

    @property
    def is_over_fitting(self) -> bool:
        """True if the gap is shown and is a quarter of the gain on the rows seen, or more: a convention."""
        if not self.is_gap_shown or self.seen is None or self.gap is None:
            return False
        return self.gap >= OVER_FITTING_SHARE * self.seen.gain
