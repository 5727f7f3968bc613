"""The path margin: how many steps of real training before a capability passes its tolerance.

It is in steps and learning rates and never mixed with the radius (`_radius`), because straight lines
overstate the damage of training several-fold. Up to the end of the probe the loss is measured; from
there to the end of the planned run it is predicted (`_path_model`), with a band from finished runs.
"""

from collections.abc import Sequence

import numpy

from ..capabilities import Capability
from ..engine import Table
from ..models import BASE
from ..results import CurvePoint, StabilityMargin
from ..stats import Crossing, mean_interval
from ._path_model import PathCalibration, PathLosses, predicted_path, tolerated_multiple
from ._study import CONFIDENCE_LEVEL, Study, losses_at

_NUM_SHOWN = 24
"""Points of a curve after the probe."""


def path_margins(
    study: Study, table: Table, calibration: PathCalibration
) -> tuple[StabilityMargin, ...]:
    """The path margin of every capability, from the probe and what finished runs did after theirs."""
    return tuple(
        _path_margin(study, table, capability, calibration) for capability in study.capabilities
    )


def path_losses(
    study: Study, table: Table, capability: Capability, calibration: PathCalibration
) -> PathLosses:
    """A capability's loss along the planned run.

    Args:
        study: The planned run.
        table: The capability along the probe.
        capability: Which.
        calibration: From finished runs.

    Returns:
        The path, from the first look to the end of the run.
    """
    looks = [
        mean_interval(losses, groups=capability.groups(), confidence_level=CONFIDENCE_LEVEL)
        for losses in losses_at(table, capability, study.path_points())
    ]
    measured = numpy.array([(look.value, look.low, look.high) for look in looks]).T
    trajectory = study.trajectory
    rates = trajectory.plan.learning_rates
    return predicted_path(rates, trajectory.kept_steps, measured, calibration)


def steps_exponent(study: Study, calibration: PathCalibration) -> float:
    """How the largest loss grows with the number of steps, for this kind of training."""
    is_full = study.trajectory.config.adapter_config() is None
    return calibration.steps_exponents["full" if is_full else "lora"].value


def _path_margin(
    study: Study, table: Table, capability: Capability, calibration: PathCalibration
) -> StabilityMargin:
    plan = study.trajectory.plan
    path = path_losses(study, table, capability, calibration)
    steps = _critical_steps(study, path, capability.tolerance, calibration)
    rate = _critical_rate(path, capability.tolerance, calibration)
    peak = max(plan.learning_rates)
    low, value, high = (None if each is None else peak * each for each in rate)
    sign = -1.0 if capability.higher_is_better else 1.0
    return StabilityMargin(
        capability=capability.name,
        kind="path",
        direction="planned training",
        tolerance=capability.tolerance,
        unit=capability.unit,
        base_value=float(table.values(BASE, capability).mean()),
        low=steps.low,
        high=steps.high,
        confidence_level=CONFIDENCE_LEVEL,
        critical_steps=steps.value,
        critical_learning_rate=value,
        critical_learning_rate_low=low,
        critical_learning_rate_high=high,
        used_fraction=None if steps.value is None else plan.num_steps / steps.value,
        reason=None if steps.value is not None else "no loss is predicted, so no step is critical",
        measured_steps=study.trajectory.kept_steps[-1],
        curve=tuple(
            CurvePoint(scale=float(path.steps[n]), value=sign * float(path.losses[n]))
            for n in _shown(len(path.steps), len(study.trajectory.kept_steps))
        ),
    )


def _shown(num_points: int, num_looks: int) -> list[int]:
    """Every look, and some of the predicted steps: a long run has thousands of them."""
    later = numpy.linspace(num_looks, num_points - 1, min(_NUM_SHOWN, num_points - num_looks))
    return [*range(num_looks), *later.round().astype(int).tolist()]


def _critical_steps(
    study: Study, path: PathLosses, tolerance: float, calibration: PathCalibration
) -> Crossing:
    """Where the tolerance is passed: within the planned run, or in a longer one of its shape.

    Returns:
        Steps. Beyond the planned run only the value is known, by the power of the steps, and that
        the run's own steps lie below it.
    """
    planned = float(study.trajectory.plan.num_steps)
    found = path.crossing(tolerance)
    value, (largest, *_) = found.value, path.largest
    if value is None and largest > 0:
        (longer,) = tolerated_multiple(largest, tolerance, [steps_exponent(study, calibration)])
        value = planned * longer
    return Crossing(value, planned if found.low is None else found.low, found.high)


def _critical_rate(
    path: PathLosses, tolerance: float, calibration: PathCalibration
) -> tuple[float | None, float | None, float | None]:
    """The multiple of the planned learning rate at which the largest loss is the tolerance.

    Returns:
        Low, value, high; None where no loss is predicted.
    """
    exponent = calibration.rate_exponent
    spread = (exponent.low, exponent.value, exponent.high)
    value, smallest, largest = path.largest

    def multiples(loss: float, exponents: Sequence[float]) -> list[float]:
        return tolerated_multiple(loss, tolerance, exponents) if loss > 0 else []

    return (
        min(multiples(largest, spread), default=None),
        next(iter(multiples(value, [exponent.value])), None),
        max(multiples(smallest, spread), default=None),
    )
