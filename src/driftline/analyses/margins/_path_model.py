"""A capability's loss along the planned run, and what rates and lengths do to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal, NamedTuple, Self

import numpy
from jaxtyping import Float
from numpy import ndarray
from pydantic import Field

from ...results import Document, Value
from ...stats import Crossing, first_crossing

RIDGE = 0.02
"""Against squared looks that weigh up to 1 each, so it holds coefficients back by a few percent."""
_HIGH_RATE = 0.9
"""Share of the peak rate. A probe that never came near it carries no second-order information."""
SATURATION_NATS = 0.5
"""A rise of this much by the two terms comes out as three quarters of it, and none as more."""


class Exponent(Value):
    """Exponent of a power law, with its range over finished runs."""

    value: float
    low: float
    high: float


class PathCalibration(Document):
    """Errors of predicted curves against finished runs, and effects of rate and length."""

    schema_: Literal["driftline/path-calibration/1"] = Field(alias="schema")
    model: str
    model_digest: str
    num_runs: int
    num_cells: int
    """Capability x run pairs whose tolerance was not passed by the end of the probe."""
    shares: tuple[float, ...]
    """Shares of the steps from the end of the probe to that of the run, ascending from 0 to 1."""
    scales_nats: tuple[float, ...]
    """A typical error of the predicted loss at each of these shares."""
    quantile: float
    """So many scales to either side, the crossing of the tolerance lay between those of the bands in
    nine of ten capabilities that passed theirs after the probe."""
    num_passing: int
    """Such capabilities."""
    largest_loss_error_nats: float
    """Error of the largest loss after the probe, in nine of ten capabilities."""
    rate_exponent: Exponent
    """The largest loss of a run grows with the learning rate to this power, at equal steps; from
    full fine-tuning alone."""
    steps_exponents: dict[Literal["full", "lora"], Exponent]
    """And with the number of steps to these, at an equal peak rate and a schedule stretched: the rate
    exponent less what a replica at a times the rate in an a-th of the steps loses more."""
    longest_num_steps: int
    """Length of the longest run behind the calibration."""


class LargestLoss(NamedTuple):
    """The largest loss along a run, with its range."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PathLosses:
    """One capability's loss along the planned run: what the probe measured, then what is predicted."""

    steps: Float[ndarray, " points"]
    """Ascending, up to the end of the run."""
    losses: Float[ndarray, " points"]
    lower: Float[ndarray, " points"]
    upper: Float[ndarray, " points"]
    num_looks: int
    """Points that were measured; the others are predicted."""
    largest_error: float
    """Error of the largest loss on the path."""

    @classmethod
    def joined(
        cls,
        steps: Sequence[int],
        measured: Float[ndarray, "3 looks"],
        later: Sequence[int],
        predicted: Float[ndarray, "3 later"],
    ) -> Self:
        """Join the measured and the predicted part.

        Args:
            steps: At which the probe looked.
            measured: Losses there, with the ends of their intervals.
            later: Steps after the probe, ascending.
            predicted: Losses there, with the ends of their intervals.

        Returns:
            The whole path.
        """
        value, low, high = numpy.concatenate([measured, predicted], axis=1)
        largest = int(value.argmax())
        return cls(
            numpy.array([*steps, *later], dtype=float),
            value,
            low,
            high,
            len(steps),
            float(high[largest] - value[largest]),
        )

    def crossing(self, tolerance: float) -> Crossing:
        """Return the step at which the loss passes a tolerance, and those of the two bands.

        Args:
            tolerance: Positive.

        Returns:
            Steps; None where it is not passed within the run.
        """
        # The more is lost, the sooner the tolerance is passed.
        value, low, high = (
            first_crossing(self.steps, curve, tolerance)
            for curve in (self.losses, self.upper, self.lower)
        )
        return Crossing(value, low, high)

    @property
    def largest(self) -> LargestLoss:
        """The largest loss on the way, and how small or large it may be; what was seen, was."""
        value = float(self.losses.max())
        seen = float(self.lower[: self.num_looks].max())
        return LargestLoss(
            value,
            min(value, max(value - self.largest_error, seen)),
            value + self.largest_error,
        )


def shipped_path_calibration() -> PathCalibration:
    """Read the calibration that comes with Driftline."""
    file = files("driftline.analyses.margins").joinpath("path_calibration.json")
    return PathCalibration.from_json(
        file.read_text(encoding="utf-8"), origin="path_calibration.json"
    )


def predicted_losses(
    learning_rates: Sequence[float], steps: Sequence[int], losses: Float[ndarray, " looks"]
) -> Float[ndarray, " later"]:
    """Predict the loss after each step from the end of the probe to the end of the run.

    Args:
        learning_rates: Learning rate of each step of the planned run.
        steps: At which the probe looked, ascending; the learning rates up to there add up to more
            than 0.
        losses: Seen there, in nats; positive is worse.

    Returns:
        Losses after `steps[-1]`, ..., `len(learning_rates)` steps; the first is the last one seen.
    """
    rates = numpy.asarray(learning_rates, dtype=float) / max(learning_rates)
    first = numpy.concatenate([[0.0], numpy.cumsum(rates)])
    second = numpy.concatenate([[0.0], numpy.cumsum(first[:-1] * rates**2)])
    looks, probe = list(steps), steps[-1]
    # A probe of one step, or of a warm-up alone, has no second order worth prolonging.
    has_second = second[probe] > 0 and rates[:probe].max() >= _HIGH_RATE
    parts = [first / first[probe], *([second / second[probe]] if has_second else [])]
    seen = numpy.stack([part[looks] for part in parts], axis=1)
    # The further the run had gone, the more a look says about what is to come.
    weights = first[looks] / first[probe]
    normal = seen.T @ (seen * weights[:, None]) + RIDGE * numpy.eye(len(parts))
    coefficients = numpy.linalg.solve(normal, seen.T @ (losses * weights))
    curve = coefficients @ numpy.stack(parts)
    rise = curve[probe:] - curve[probe]
    later: Float[ndarray, " later"] = losses[-1] + SATURATION_NATS * numpy.tanh(
        rise / SATURATION_NATS
    )
    return later


def tolerated_multiple(largest: float, tolerance: float, exponents: Sequence[float]) -> list[float]:
    """Return the factors by which a run may grow until its largest loss is the tolerance."""
    return [(tolerance / largest) ** (1 / exponent) for exponent in exponents]
