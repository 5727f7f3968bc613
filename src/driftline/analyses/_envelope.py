"""The safe envelope: which learning rates and steps keep each capability within its tolerance.

A path margin is a summed learning rate. Where learning rate and steps are exchangeable, every run whose
rates add up to it reaches the tolerance, so a contour is the runs of one sum.
"""

import math

from ..engine import Table
from ..results import EnvelopeContour, EnvelopePoint, SafeEnvelope
from ._forecast import LossForecast
from ._path_margin import critical_clocks
from ._study import Study

_RATES = tuple(2.0 ** (power / 2) for power in range(-6, 7))
"""Multiples of the planned learning rate at which contours are given."""


def safe_envelope(study: Study, table: Table, forecasts: dict[str, LossForecast]) -> SafeEnvelope:
    """The contours of every capability, from the same numbers as the path margins.

    Limits: learning rate and steps are taken as exchangeable, which measured runs bear out for full
    fine-tuning below a learning rate of some 5e-4 and not much beyond (design/path-margin.md).

    Args:
        study: The planned run.
        table: Capabilities along the probe.
        forecasts: Their losses at the end of the planned run.

    Returns:
        The envelope.
    """
    plan = study.trajectory.plan
    peak = max(plan.learning_rates)
    end = plan.summed_learning_rate(plan.num_steps)
    contours = []
    for capability in study.capabilities:
        clock = critical_clocks(study, table, capability, forecasts[capability.name])

        def steps(clock: float | None, multiple: float) -> float | None:
            return None if clock is None else plan.num_steps * clock / end / multiple

        points = tuple(
            EnvelopePoint(
                learning_rate=peak * multiple,
                steps=plan.num_steps * clock.value / end / multiple,
                low=steps(clock.low, multiple),
                high=steps(clock.high, multiple),
            )
            for multiple in _RATES
            if clock.value is not None
        )
        reason = None if points else "no loss is forecast, so no run reaches the tolerance"
        contours.append(
            EnvelopeContour(
                capability=capability.name,
                required=capability.required,
                points=points,
                reason=reason,
            )
        )
    tightest = sorted(contours, key=lambda c: c.points[0].steps if c.points else math.inf)
    return SafeEnvelope(
        planned_learning_rate=peak, planned_steps=plan.num_steps, contours=tuple(tightest)
    )
