"""The safe envelope: which learning rates and steps keep each capability within its tolerance.

The largest loss along a run is taken to grow with a power of its learning rate and another of its
steps, both from finished runs (`evidence/path_margin`). Under full fine-tuning the power of the steps is
small, so its contours are nearly level: what is forgotten is a matter of the rate. Under LoRA the two
are about equal, so there a contour is nearly the runs of one summed learning rate.
"""

import math

from ..engine import Table
from ..results import EnvelopeContour, EnvelopePoint, SafeEnvelope
from ._path_margin import path_losses, steps_exponent
from ._path_model import PathCalibration, tolerated_multiple
from ._study import Study

_RATES = tuple(2.0 ** (power / 4) for power in range(-12, 13))
"""Multiples of the planned learning rate at which contours are given."""
_LONGEST = 1e3
"""Multiple of the planned steps beyond which a contour is not followed."""


def safe_envelope(study: Study, table: Table, calibration: PathCalibration) -> SafeEnvelope:
    """The contours of every capability, from the same losses as the path margins.

    Limits: the power of the steps was measured on runs of a fifth and a tenth of the steps, so longer
    runs than planned are extrapolated; its spread over runs is not in the intervals.

    Args:
        study: The planned run.
        table: Capabilities along the probe.
        calibration: From finished runs.

    Returns:
        The envelope.
    """
    plan = study.trajectory.plan
    contours = []
    for capability in study.capabilities:
        path = path_losses(study, table, capability, calibration)
        value, smallest, largest = path.largest

        def steps(loss: float, multiple: float, tolerance: float) -> float | None:
            """Of a whole run at that multiple of the rate whose largest loss is the tolerance."""
            if loss <= 0:
                return None
            grown = loss * multiple**calibration.rate_exponent.value
            (longer,) = tolerated_multiple(grown, tolerance, [steps_exponent(study, calibration)])
            return plan.num_steps * longer if longer <= _LONGEST else None

        points = tuple(
            EnvelopePoint(
                learning_rate=max(plan.learning_rates) * multiple,
                steps=steps(value, multiple, capability.tolerance),
                low=steps(largest, multiple, capability.tolerance),
                high=steps(smallest, multiple, capability.tolerance),
            )
            for multiple in _RATES
        )
        is_reached = any(point.steps is not None for point in points)
        contours.append(
            EnvelopeContour(
                capability=capability.name,
                required=capability.required,
                points=points,
                reason=None if is_reached else "no loss is predicted at any of these rates",
            )
        )
    return SafeEnvelope(
        planned_learning_rate=max(plan.learning_rates),
        planned_steps=plan.num_steps,
        contours=tuple(sorted(contours, key=_tightness)),
    )


def _tightness(contour: EnvelopeContour) -> float:
    """The fewest steps, at whatever rate; infinite where the tolerance is never reached."""
    return min((p.steps for p in contour.points if p.steps is not None), default=math.inf)
