"""The safe envelope: which learning rates and steps keep each capability within its tolerance.

The largest loss along a run is taken to grow with a power of its learning rate and another of its
steps, both from finished runs (`evidence/path_margin`). Under full fine-tuning the power of the steps is
small, so its contours are nearly level: what is forgotten is a matter of the rate. Under LoRA the two
are about equal, so there a contour is nearly the runs of one summed learning rate.
"""

from collections.abc import Mapping

from ...results import EnvelopeContour, EnvelopePoint, SafeEnvelope
from ..probing import Study
from ._path_margin import rate_multiples
from ._path_model import LargestLoss, PathCalibration, PathLosses

_LENGTHS = tuple(2.0 ** (power / 4) for power in range(-12, 5))
"""Multiples of the planned steps, from an eighth to twice: what was measured, and a little more."""


def safe_envelope(
    study: Study, paths: Mapping[str, PathLosses], calibration: PathCalibration
) -> SafeEnvelope:
    """Compute the contours of every capability, from the losses of the path margins.

    Limits: the power of the steps was measured on runs of a fifth and a tenth of the steps, so longer
    runs than planned are extrapolated; its spread over runs is not in the ranges. For LoRA the power
    of the rate is that of full fine-tuning.

    Args:
        study: The planned run.
        paths: Result of `path_losses`.
        calibration: From finished runs.
    """
    plan = study.trajectory.plan
    is_full = study.trajectory.config.adapter_config() is None
    power = calibration.steps_exponents["full" if is_full else "lora"].value
    peak = max(plan.learning_rates)
    contours = []
    for capability in study.capabilities:
        largest = paths[capability.name].largest
        points = []
        for length in _LENGTHS:
            grown = LargestLoss(*(loss * length**power for loss in largest))
            multiples = rate_multiples(grown, capability.tolerance, calibration)
            rate, low, high = (None if each is None else peak * each for each in multiples)
            points.append(
                EnvelopePoint(steps=plan.num_steps * length, learning_rate=rate, low=low, high=high)
            )
        contours.append(
            EnvelopeContour(
                capability=capability.name,
                required=capability.required,
                points=tuple(points),
                reason=None if largest.value > 0 else "no loss is predicted, so no rate reaches it",
            )
        )
    return SafeEnvelope(
        planned_learning_rate=peak,
        planned_steps=plan.num_steps,
        contours=tuple(sorted(contours, key=lambda contour: contour.tightness)),
    )
