"""The path margin: how many steps of real training before a capability passes its tolerance.

It is in steps and learning rates and never mixed with the radius (`_radius`), because straight lines
overstate the damage of training several-fold.
"""

from typing import Literal

import numpy

from ..capabilities import Capability
from ..engine import Table
from ..models import BASE, TrainingPlan
from ..results import CurvePoint, StabilityMargin
from ..stats import ConfidenceInterval, Crossing, first_crossing, mean_interval
from ._forecast import LossForecast
from ._study import CONFIDENCE_LEVEL, Study, losses_at


def path_margins(
    study: Study, table: Table, forecasts: dict[str, LossForecast]
) -> tuple[StabilityMargin, ...]:
    """The path margin of every capability, from the probe and the forecast of its end."""
    return tuple(
        _path_margin(study, table, capability, forecasts[capability.name])
        for capability in study.capabilities
    )


def critical_clocks(
    study: Study, table: Table, capability: Capability, forecast: LossForecast
) -> Crossing:
    """The summed learning rate at which a capability reaches its tolerance, with its interval.

    Args:
        study: The planned run.
        table: The capability along the probe.
        capability: Which.
        forecast: Its loss at the end of the planned run.

    Returns:
        Summed learning rates; None where no loss is to be expected.
    """
    plan, steps = study.trajectory.plan, study.trajectory.kept_steps
    measured = _measured(study, table, capability)
    clocks = numpy.array([plan.summed_learning_rate(step) for step in steps])
    end = plan.summed_learning_rate(plan.num_steps)

    def critical(end_name: Literal["value", "low", "high"]) -> float | None:
        losses = numpy.array([getattr(interval, end_name) for interval in measured])
        end_loss = getattr(forecast, end_name)
        return _critical_clock(clocks, losses, end, end_loss, capability.tolerance)

    # The more is lost, the sooner the tolerance is passed.
    return Crossing(critical("value"), critical("high"), critical("low"))


def _measured(study: Study, table: Table, capability: Capability) -> list[ConfidenceInterval]:
    """The mean loss at each kept step of the probe."""
    return [
        mean_interval(losses, groups=capability.groups(), confidence_level=CONFIDENCE_LEVEL)
        for losses in losses_at(table, capability, study.path_points())
    ]


def _path_margin(
    study: Study, table: Table, capability: Capability, forecast: LossForecast
) -> StabilityMargin:
    plan, steps = study.trajectory.plan, study.trajectory.kept_steps
    end = plan.summed_learning_rate(plan.num_steps)
    clock, low, high = critical_clocks(study, table, capability, forecast)
    critical_steps = None if clock is None else _steps(plan, clock)
    measured = _measured(study, table, capability)
    sign = -1.0 if capability.higher_is_better else 1.0
    curve = [(float(step), at.value) for step, at in zip(steps, measured, strict=True)]
    return StabilityMargin(
        capability=capability.name,
        kind="path",
        direction="planned training",
        tolerance=capability.tolerance,
        unit=capability.unit,
        base_value=float(table.values(BASE, capability).mean()),
        low=None if low is None else _steps(plan, low),
        high=None if high is None else _steps(plan, high),
        confidence_level=CONFIDENCE_LEVEL,
        critical_steps=critical_steps,
        critical_learning_rate=None if clock is None else max(plan.learning_rates) * clock / end,
        used_fraction=None if critical_steps is None else plan.num_steps / critical_steps,
        reason=None if clock is not None else "no loss is forecast, so no step is critical",
        curve=tuple(
            CurvePoint(scale=step, value=sign * loss)
            for step, loss in [*curve, (float(plan.num_steps), forecast.value)]
        ),
    )


def _critical_clock(
    clocks: numpy.ndarray, losses: numpy.ndarray, end: float, end_loss: float, tolerance: float
) -> float | None:
    """The summed learning rate at which the loss reaches the tolerance.

    Between the measured steps and the forecast end the loss is taken as linear in the summed
    learning rate; beyond the end, as proportional to it. None where no loss is to be expected.

    Returns:
        The summed learning rate.
    """
    found = first_crossing(
        numpy.append(clocks[clocks < end], end),
        numpy.append(losses[clocks < end], end_loss),
        tolerance,
    )
    if found is not None:
        return found
    return end * tolerance / end_loss if end_loss > 0 else None


def _steps(plan: TrainingPlan, clock: float) -> float:
    """The optimiser steps that add up to a summed learning rate; the schedule is stretched beyond."""
    total = plan.summed_learning_rate(plan.num_steps)
    if clock >= total:
        return plan.num_steps * clock / total
    sums = numpy.concatenate([[0.0], numpy.cumsum(plan.learning_rates)])
    return float(numpy.interp(clock, sums, numpy.arange(plan.num_steps + 1)))
