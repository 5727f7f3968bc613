"""The fields of the document that hold the decision: the verdict, its reasons and the one thing to do."""

from typing import Any

from ...results import ForecastAdvice
from ..margins import PathCalibration
from ..probing import Study
from ._prediction import ExplainedPrediction
from ._remedies import find_remedies
from ._request import AssessmentRequest
from ._verdict import advise, limits_of


def decision(
    request: AssessmentRequest, study: Study, result: ExplainedPrediction, paths: PathCalibration
) -> dict[str, Any]:
    """Return the fields of the document that hold the decision.

    Args:
        request: What was asked; `map` judges nothing.
        study: The planned run.
        paths: The power with which losses grow with the learning rate.
    """
    fields = {"risk": request.risk, "probability_any_lost": result.judgement.probability_any_lost}
    if request.part == "map":
        return {**fields, "verdict": None, "reasons": ()}
    return {
        **fields,
        "verdict": result.judgement.verdict,
        "reasons": result.judgement.reasons,
        "advice": _advice(request, study, result, paths),
    }


def _advice(
    request: AssessmentRequest, study: Study, predicted: ExplainedPrediction, paths: PathCalibration
) -> ForecastAdvice | None:
    plan, exponent = study.trajectory.plan, paths.rate_exponent
    chance = predicted.judgement.probability_any_lost
    # A run within the whole risk, and not within that of one look, is advised by the latter.
    is_within = chance is not None and chance <= request.risk
    return advise(
        predicted.judgement,
        limits_of(predicted.held, predicted.losses),
        correlation=predicted.forecaster.correlation,
        risk=request.risk_of_safe_at_a_look if is_within else request.risk,
        exponents=(exponent.low, exponent.value, exponent.high),
        learning_rate=max(plan.learning_rates),
        probe_share=study.num_probe_steps / plan.num_steps,
        remedies=find_remedies(request, study, predicted),
    )
