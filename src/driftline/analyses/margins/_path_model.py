"""Extrapolation of a capability's loss after the probe: gain by training, and damage.

    L(t) = gain * A(t) / A(p) + damage * B(t) / B(p)

A(t) is the summed learning rate in units of its peak, so the first term is a first-order effect of
moving along. B(t), the sum over steps of A * rate^2, is a second-order one: of being far from the
base while the rate is still high. p is the end of the probe. The two coefficients are fitted to what
the probe saw of the capability, by least squares with a ridge, and the rise from the end of the
probe is made to saturate, since losses level off as the rate decays. How far such curves are from
those of finished runs is in the calibration (`evidence/path_margin`).
"""

from collections.abc import Callable, Sequence
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
        predicted: Float[ndarray, " later"],
        halves: Float[ndarray, " later"],
        *,
        largest_error: float,
    ) -> Self:
        """Join the measured and the predicted part.

        Args:
            steps: At which the probe looked.
            measured: Losses there, with the ends of their intervals.
            predicted: Losses after `steps[-1]` steps and each one more.
            halves: Half the width of the band around them.
            largest_error: Error of the largest predicted loss.

        Returns:
            The whole path. The spread over items at the last evaluation adds in quadrature; as losses
            grow so does that spread, so far from the probe intervals are for these items.
        """
        value, low, high = measured
        later = numpy.arange(steps[-1] + 1, steps[-1] + len(predicted), dtype=float)
        below = numpy.hypot(halves[1:], value[-1] - low[-1])
        above = numpy.hypot(halves[1:], high[-1] - value[-1])
        return cls(
            numpy.concatenate([numpy.asarray(steps, dtype=float), later]),
            numpy.concatenate([value, predicted[1:]]),
            numpy.concatenate([low, predicted[1:] - below]),
            numpy.concatenate([high, predicted[1:] + above]),
            len(steps),
            float(numpy.hypot(largest_error if len(later) else 0.0, high[-1] - value[-1])),
        )

    def linked(
        self,
        measured: Float[ndarray, "3 looks"],
        loss_after: Callable[[Float[ndarray, " points"]], Float[ndarray, " points"]],
    ) -> "PathLosses":
        """Convert a path in nats to another metric.

        Args:
            measured: Losses at the looks, with the ends of their intervals, in the other metric.
            loss_after: From a further rise in nats after the last look, to the loss in the other.

        Returns:
            The measured part as it was measured, the rest and its band by the link.
        """
        num, last = self.num_looks, float(self.losses[self.num_looks - 1])
        value, low, high = measured
        # The band in nats holds the items' spread; by the link it becomes that of the other metric.
        later, lower, upper = (
            loss_after(part[num:] - last) for part in (self.losses, self.lower, self.upper)
        )
        largest, error = float(self.losses.max()), self.largest_error
        ends = loss_after(numpy.array([largest, largest + error]) - last)
        return PathLosses(
            self.steps,
            numpy.concatenate([value, later]),
            numpy.concatenate([low, lower]),
            numpy.concatenate([high, upper]),
            num,
            float(max(ends[1] - ends[0], high[-1] - value[-1])),
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


def predicted_path(
    learning_rates: Sequence[float],
    steps: Sequence[int],
    measured: Float[ndarray, "3 looks"],
    calibration: PathCalibration,
) -> PathLosses:
    """Predict the path of one capability, with a band as wide as finished runs require.

    Args:
        learning_rates: Learning rate of each step of the planned run.
        steps: At which the probe looked, ascending.
        measured: Losses there, with the ends of their intervals.
        calibration: From finished runs.

    Returns:
        The path, from the first look to the end of the run.
    """
    later = predicted_losses(learning_rates, steps, measured[0])
    shares = numpy.linspace(0.0, 1.0, len(later)) if len(later) > 1 else numpy.zeros(1)
    scales = numpy.interp(shares, calibration.shares, calibration.scales_nats)
    return PathLosses.joined(
        steps,
        measured,
        later,
        calibration.quantile * scales,
        largest_error=calibration.largest_loss_error_nats,
    )


def tolerated_multiple(largest: float, tolerance: float, exponents: Sequence[float]) -> list[float]:
    """Return the factors by which a run may grow until its largest loss is the tolerance.

    Args:
        largest: The largest loss of the run as planned, positive.
        tolerance: Positive.
        exponents: Exponents of the largest loss in the rate or the length, positive.

    Returns:
        Factors of the learning rate, or of the steps.
    """
    return [(tolerance / largest) ** (1 / exponent) for exponent in exponents]
