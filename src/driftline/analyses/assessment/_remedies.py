"""Changes of a planned run, or more of its measurement, that would bring it within the accepted risk."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...results import CapabilityForecast, CapabilityReading
from ..forecasting import Case, Limit, last_look, probability_any
from ..probing import Study
from ._prediction import Judged
from ._request import AssessmentRequest
from ._verdict import Remedies

_LATER_LOOKS = (0.2, 0.4, 0.6)
"""Shares of the steps at which `--until decided` may say safe."""
_NUM_LOOKS = 4
"""Looks among which it divides the risk."""
_HALVINGS = 20


def find_remedies(request: AssessmentRequest, study: Study, result: Judged) -> Remedies | None:
    """Find what would help a run that is not safe.

    Args:
        request: What was asked.
        study: The planned run.
        result: Its forecast.

    Returns:
        What would help; None for a baseline, which has no path and no noise of items of its own.
    """
    required = list(result.held)
    if request.method != "driftline" or not required:
        return None
    risk, correlation = request.risk, result.forecaster.correlation

    def chance(limits: Sequence[Limit]) -> float:
        return probability_any(limits, correlation)

    def on_the_way(share: float) -> float:
        return chance([Limit(result.at(row.capability, share), row.tolerance) for row in required])

    # A shorter run keeps the shape of the schedule, so its summed learning rate is in proportion.
    num_steps = study.trajectory.plan.num_steps
    steps = _most_steps(
        lambda num: on_the_way(num / num_steps), study.num_probe_steps, num_steps, risk
    )
    share = 0.0 if steps is None else steps / num_steps
    return Remedies(
        steps,
        share,
        1.0 if steps is None else on_the_way(share),
        _decided_at(study, result, required, risk, chance),
        _items_needed(request, study, result, required, chance),
    )


def _most_steps(chance: Callable[[int], float], first: int, last: int, risk: float) -> int | None:
    """Find the most steps, by halving, after which the run keeps the risk."""
    if chance(first) > risk:
        return None
    low, high = first, last
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if chance(middle) <= risk else (low, middle)
    return low


def _decided_at(
    study: Study,
    result: Judged,
    required: Sequence[CapabilityForecast],
    risk: float,
    chance: Callable[[Sequence[Limit]], float],
) -> float | None:
    """Find the first longer probe that would decide, if the losses go on as forecast."""
    plan = study.trajectory.plan
    total = plan.summed_learning_rate(plan.num_steps)
    for probe in _LATER_LOOKS:
        step = max(1, round(probe * plan.num_steps))
        if step <= study.num_probe_steps:
            continue
        share = plan.summed_learning_rate(step) / total
        probability = chance(_limits_from(result, required, share, {}))
        if probability <= risk / len(_LATER_LOOKS) or probability >= 1 - risk / _NUM_LOOKS:
            return probe
    return None


def _items_needed(
    request: AssessmentRequest,
    study: Study,
    result: Judged,
    required: Sequence[CapabilityForecast],
    chance: Callable[[Sequence[Limit]], float],
) -> int | None:
    """Find the number of items with which the run would be safe, if there are so many."""
    scored = max(len(c.items) for c in study.capabilities)
    available = max(len(c.items) for c in request.capabilities)
    share = max(result.reading.clock.values())

    def with_items(num: int) -> float:
        numbers = {c.name: min(num, len(c.items)) for c in request.capabilities}
        return chance(_limits_from(result, required, share, numbers))

    if available <= scored or with_items(available) > request.risk:
        return None
    low, high = scored, available
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if with_items(middle) <= request.risk else (middle, high)
    return high


def _limits_from(
    result: Judged,
    required: Sequence[CapabilityForecast],
    share: float,
    numbers: Mapping[str, int],
) -> list[Limit]:
    """Forecast from a later share, as if losses had gone on as forecast, with so many items by capability."""
    look = last_look(result.reading.capabilities[0].losses)

    def later(reading: CapabilityReading) -> CapabilityReading:
        scored = reading.num_items or 1
        num = max(scored, numbers.get(reading.capability, scored))
        value = result.at(reading.capability, share).value
        changes: dict[str, Any] = {"losses": {look: value}, "num_items": reading.num_items and num}
        if reading.standard_errors is not None:
            changes["standard_errors"] = {
                at: error * math.sqrt(scored / num) for at, error in reading.standard_errors.items()
            }
        return reading.model_copy(update=changes)

    own = tuple(later(each) for each in result.reading.capabilities)
    probe = result.reading.model_copy(update={"clock": {look: share}, "capabilities": own})
    readings = {each.capability: each for each in own}
    predict = result.forecaster.predict
    return [
        Limit(predict(Case(probe, readings[row.capability])), row.tolerance) for row in required
    ]
