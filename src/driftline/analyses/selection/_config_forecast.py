"""The one place where a comparison of configs asks the forecaster."""

from collections.abc import Callable
from typing import NamedTuple

from ...capabilities import Suite
from ...choices import Probe
from ...engine import Progress, RunFolder
from ...models import LanguageModel, TrainingConfig, TrainingData
from ...results import Assessment
from ...results.readings import held_losses
from ..assessment import AssessmentRequest, assess
from ..forecasting import PredictedLoss, fit_to, shipped_calibration
from ..probing import Effort

COMPARE_ROUNDS: tuple[Probe, ...] = ("0.1", "0.3")
"""Each probe is trained from the first step; scores that both ask for are taken from the store."""
SHORT_COMPARE_ROUNDS: tuple[Probe, ...] = ("0.2",)
"""For runs whose learning rate is 0 in the first tenth of their steps."""


class PlannedConfig(NamedTuple):
    """One planned run."""

    label: str
    config: TrainingConfig
    data: TrainingData
    evaluation: TrainingData | None = None
    """Rows of the task that it does not train on; None takes rows that its probe does not reach."""


class ConfigForecast(NamedTuple):
    """The forecast of one planned run, in the terms of a comparison."""

    assessment: Assessment
    losses: dict[str, PredictedLoss]
    """Predicted loss of each required capability that the base has, in tolerances."""
    largest_probability_lost: float
    """The largest probability of a loss beyond the tolerance, over these; 0 without any."""
    correlation: float
    """Correlation of the normal scores of two capabilities' errors in one run."""
    num_items: int
    """The most items that a capability was scored on."""


def forecast_config(
    planned: PlannedConfig,
    probe: Probe,
    opened: LanguageModel,
    suites: tuple[Suite, ...],
    folder: RunFolder,
    *,
    num_items: int | None,
    seed: int,
    listener: Callable[[Progress], None],
) -> ConfigForecast:
    """Train the probe of one config and forecast its run; what the folder holds is taken up.

    Args:
        probe: The share of its steps.
        opened: The model; it is as it was afterwards.
        suites: What must not break.
        folder: Where scores and changes of weights are kept, of all configs together.
        num_items: Of each capability; None for as many as the probe's cost allows.
        seed: Of the samples.
        listener: Told about progress.
    """
    request = AssessmentRequest(
        "forecast",
        opened,
        planned.data,
        planned.config,
        suites,
        seed=seed,
        effort=Effort(num_probe_items=num_items),
        probe=probe,
        evaluation=planned.evaluation,
    )
    result = assess(request, folder, listener=listener)
    held = [each for each in held_losses(result) if each.required]
    losses = {
        each.capability: PredictedLoss(
            each.relative,
            each.low / each.tolerance,
            each.high / each.tolerance,
            each.confidence_level,
        )
        for each in held
    }
    forecaster = fit_to(shipped_calibration(), method="driftline", probe=probe)
    return ConfigForecast(
        result,
        losses,
        max((each.probability_lost or 0.0 for each in held), default=0.0),
        forecaster.correlation,
        max(score.num_items for score in result.scores),
    )
