"""The path margin: how many steps of real training before a capability passes its tolerance.

It is in steps and learning rates and never mixed with the radius (`_radius`), because straight lines
overstate the damage of training several-fold. Up to the end of the probe the loss is measured; from
there to the end of the planned run it is forecast, with the forecast's own band.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy
from jaxtyping import Float
from numpy import ndarray

from ...capabilities import Capability
from ...engine import Table
from ...models import BASE
from ...results import CurvePoint, StabilityMargin
from ...stats import Crossing, mean_interval
from ..probing import CONFIDENCE_LEVEL, Study, base_standard_error, losses_at
from ._path_model import LargestLoss, PathCalibration, PathLosses, tolerated_multiple

_NUM_SHOWN = 24
"""Points of a curve after the probe, at most."""


class LossInterval(Protocol):
    """A predicted loss with its interval."""

    @property
    def value(self) -> float:
        """Median."""

    @property
    def low(self) -> float:
        """Lower end."""

    @property
    def high(self) -> float:
        """Upper end."""


Predict = Callable[[str, float], LossInterval]
"""From a capability's name and a share of the run's summed learning rate to the loss there."""


def path_margins(
    study: Study, paths: Mapping[str, PathLosses], calibration: PathCalibration, table: Table
) -> tuple[StabilityMargin, ...]:
    """Compute the path margin of every capability.

    Args:
        study: The planned run.
        paths: Result of `path_losses`.
        calibration: From finished runs.
        table: The capabilities at the base.
    """
    return tuple(
        _path_margin(study, capability, paths[capability.name], calibration, table)
        for capability in study.capabilities
    )


def path_losses(study: Study, table: Table, predict: Predict) -> dict[str, PathLosses]:
    """Find every capability's loss along the planned run, by name.

    Args:
        table: The capabilities along the probe.
        predict: The forecast of a capability at a share of the run's summed learning rate; the same that
            says how it ends.

    Returns:
        Paths from the first look to the end of the run: measured, then predicted.
    """
    return {c.name: _path(study, table, c, predict) for c in study.capabilities}


def _path(study: Study, table: Table, capability: Capability, predict: Predict) -> PathLosses:
    plan, looks = study.trajectory.plan, study.trajectory.kept_steps
    total = plan.summed_learning_rate(plan.num_steps)
    later = numpy.linspace(looks[-1], plan.num_steps, _NUM_SHOWN + 1).round().astype(int)
    steps = sorted({int(step) for step in later if step > looks[-1]})
    result = [predict(capability.name, plan.summed_learning_rate(step) / total) for step in steps]
    predicted = numpy.array([(each.value, each.low, each.high) for each in result], dtype=float)
    measured = _measured(study, table, capability)
    return PathLosses.joined(looks, measured, steps, predicted.reshape(-1, 3).T)


def _measured(study: Study, table: Table, capability: Capability) -> Float[ndarray, "3 looks"]:
    """Compute mean losses at every look of the probe, with the ends of their intervals."""
    looks = [
        mean_interval(losses, groups=capability.groups(), confidence_level=CONFIDENCE_LEVEL)
        for losses in losses_at(table, capability, study.path_points())
    ]
    return numpy.array([(look.value, look.low, look.high) for look in looks]).T


def _path_margin(
    study: Study,
    capability: Capability,
    path: PathLosses,
    calibration: PathCalibration,
    table: Table,
) -> StabilityMargin:
    peak = max(study.trajectory.plan.learning_rates)
    steps = path.crossing(capability.tolerance)
    end = float(path.steps[-1])
    multiples = rate_multiples(path.largest, capability.tolerance, calibration)
    rate, low, high = (None if each is None else peak * each for each in multiples)
    sign = -1.0 if capability.higher_is_better else 1.0
    return StabilityMargin(
        capability=capability.name,
        kind="path",
        direction="planned training",
        tolerance=capability.tolerance,
        unit=capability.unit,
        base_value=float(table.values(BASE, capability).mean()),
        base_standard_error=base_standard_error(table, capability),
        num_items=len(capability.items),
        num_groups=len(set(capability.groups())),
        low=end if steps.low is None else steps.low,
        high=steps.high,
        confidence_level=CONFIDENCE_LEVEL,
        critical_steps=steps.value,
        critical_learning_rate=rate,
        critical_learning_rate_low=low,
        critical_learning_rate_high=high,
        used_fraction=None if rate is None else peak / rate,
        reason=None if steps.value is not None else _reason(steps),
        measured_steps=study.trajectory.kept_steps[-1],
        curve=tuple(
            CurvePoint(scale=step, value=sign * loss)
            for step, loss in zip(path.steps.tolist(), path.losses.tolist(), strict=True)
        ),
    )


def _reason(result: Crossing) -> str:
    """Say why no step is critical: it may only not be known to be."""
    if result.low is not None:
        return f"predicted to stay within the tolerance, which the band passes at step {result.low:.1f}"
    return "predicted to stay within the tolerance, by the whole band"


def rate_multiples(
    largest: LargestLoss, tolerance: float, calibration: PathCalibration
) -> tuple[float | None, float | None, float | None]:
    """Return the multiples of the planned rate at which the run's largest loss is the tolerance.

    Args:
        tolerance: Positive.
        calibration: From finished runs.

    Returns:
        Value, low, high; over the range of the loss and of the exponent. None where there is no loss.
    """
    exponent = calibration.rate_exponent
    spread = (exponent.low, exponent.value, exponent.high)

    def multiples(loss: float, exponents: Sequence[float]) -> list[float]:
        return tolerated_multiple(loss, tolerance, exponents) if loss > 0 else []

    return (
        next(iter(multiples(largest.value, [exponent.value])), None),
        min(multiples(largest.high, spread), default=None),
        max(multiples(largest.low, spread), default=None),
    )
