"""The path margin: how many steps of real training before a capability passes its tolerance.

It is in steps and learning rates and never mixed with the radius (`_radius`), because straight lines
overstate the damage of training several-fold. Up to the end of the probe the loss is measured; from
there to the end of the planned run it is predicted (`_path_model`), with a band from finished runs.
"""

from collections.abc import Mapping, Sequence

import numpy
from jaxtyping import Float
from numpy import ndarray

from ...capabilities import Capability
from ...engine import Table
from ...metrics import MetricName
from ...models import BASE
from ...results import CurvePoint, StabilityMargin
from ...stats import Crossing, log_odds, mean_interval, shifted_means
from ..probing import CONFIDENCE_LEVEL, Study, base_standard_error, losses_at
from ._path_model import (
    LargestLoss,
    PathCalibration,
    PathLosses,
    predicted_path,
    tolerated_multiple,
)

NOTHING = numpy.zeros(1)
"""The band at the end of the probe, where nothing is predicted."""
_NUM_SHOWN = 24
"""Points of a curve after the probe."""


def path_margins(
    study: Study, paths: Mapping[str, PathLosses], calibration: PathCalibration, table: Table
) -> tuple[StabilityMargin, ...]:
    """Compute the path margin of every capability.

    Args:
        study: The planned run.
        paths: Result of `path_losses`.
        calibration: From finished runs.
        table: The capabilities at the base.

    Returns:
        One a capability.
    """
    return tuple(
        _path_margin(study, capability, paths[capability.name], calibration, table)
        for capability in study.capabilities
    )


def path_losses(study: Study, table: Table, calibration: PathCalibration) -> dict[str, PathLosses]:
    """Return every capability's loss along the planned run, by name.

    Args:
        study: The planned run.
        table: The capabilities along the probe.
        calibration: From finished runs.

    Returns:
        Paths from the first look to the end of the run, of probabilities by way of margins; to the end
        of the probe where a metric has neither, since nothing finished says how far off a prediction
        would be.
    """
    return {c.name: _path(study, table, c, calibration) for c in study.capabilities}


def _path(
    study: Study, table: Table, capability: Capability, calibration: PathCalibration
) -> PathLosses:
    measured = _measured(study, table, capability, capability.metric)
    steps, rates = study.trajectory.kept_steps, study.trajectory.plan.learning_rates
    metric = capability.measure.forecast_from
    if metric is None:
        return PathLosses.joined(steps, measured, measured[0, -1:], NOTHING, largest_error=0.0)
    if metric == capability.metric:
        return predicted_path(rates, steps, measured, calibration)
    in_nats = predicted_path(rates, steps, _measured(study, table, capability, metric), calibration)
    last = study.path_points()[-1]
    odds = log_odds(table.values(last, capability))
    base = float(table.values(BASE, capability).mean())
    return in_nats.linked(measured, lambda rises: base - shifted_means(odds, -rises))


def _measured(
    study: Study, table: Table, capability: Capability, metric: MetricName
) -> Float[ndarray, "3 looks"]:
    """Return mean losses at every evaluation of the probe, with the ends of their intervals."""
    looks = [
        mean_interval(losses, groups=capability.groups(), confidence_level=CONFIDENCE_LEVEL)
        for losses in losses_at(table, capability, study.path_points(), metric)
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
        reason=None if steps.value is not None else _reason(study, path, steps),
        measured_steps=study.trajectory.kept_steps[-1],
        curve=tuple(
            CurvePoint(scale=float(path.steps[n]), value=sign * float(path.losses[n]))
            for n in _shown(len(path.steps), len(study.trajectory.kept_steps))
        ),
    )


def _reason(study: Study, path: PathLosses, found: Crossing) -> str:
    """Return why no step is critical, or why it is unknown."""
    planned, end = study.trajectory.plan.num_steps, float(path.steps[-1])
    if end < planned:
        return f"not passed by step {end:.0f}; what follows is predicted from margins or likelihoods alone"
    if found.low is not None:
        return (
            f"predicted to stay within the tolerance, which the band passes at step {found.low:.1f}"
        )
    return "predicted to stay within the tolerance, by the whole band"


def rate_multiples(
    largest: LargestLoss, tolerance: float, calibration: PathCalibration
) -> tuple[float | None, float | None, float | None]:
    """Return the multiples of the planned rate at which the run's largest loss is the tolerance.

    Args:
        largest: Largest loss of the run as planned.
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


def _shown(num_points: int, num_looks: int) -> list[int]:
    """Return every evaluated step, and some predicted ones: a long run has thousands."""
    later = numpy.linspace(num_looks, num_points - 1, min(_NUM_SHOWN, num_points - num_looks))
    return [*range(num_looks), *later.round().astype(int).tolist()]
