"""The work of one assessment: where the probe is scored, on how many items, and what all of it costs."""

from dataclasses import replace

from ...engine import SLOPE_TOKEN, Meter
from ...errors import ConfigError
from ...models import TrainingPlan
from ..forecasting import early_step
from ..fragility import map_capabilities, noise_tokens
from ..items import affordable_items, sampled_items
from ..margins import has_worst_case, worst_case_tokens
from ..probing import Study
from ._prediction import decision_tokens
from ._request import AssessmentRequest, Part

_LOOKS_A_LINE = 10
"""At most, of all capabilities together, for planning time only: a search ends when it has found."""


def within_cost(request: AssessmentRequest, study: Study, tokens_per_step: float) -> Study:
    """Cut the study to the items that were asked for, or to the looks and items that the cost allows."""
    inputs = study.effort.num_probe_items
    if inputs is not None:
        return replace(study, capabilities=study.sampled(inputs))

    def affordable() -> dict[str, int] | None:
        return affordable_items(
            study.capabilities,
            study.engine,
            num_points=1 + len(study.trajectory.kept_steps),
            other_tokens=study.engine.num_tokens((study.target,)),
            trained_tokens=study.num_probe_steps * tokens_per_step,
        )

    # Nothing is forecast from the way to a deciding look, so it goes before any item does.
    if affordable() is not None and request.method == "driftline":
        deciding = {
            early_step(look, study.trajectory.plan.num_steps) for look in request.deciding_looks
        }
        kept = study.trajectory.kept_steps
        study.trajectory.kept_steps = tuple(step for step in kept if step in deciding)
    return replace(
        study, capabilities=sampled_items(study.capabilities, affordable(), seed=study.seed)
    )


def kept_steps(request: AssessmentRequest, plan: TrainingPlan) -> tuple[int, ...]:
    """List the steps of the planned run at which the probe looks."""
    kept = {early_step(look, plan.num_steps) for look in request.looks}
    if plan.summed_learning_rate(max(kept)) <= 0:
        raise ConfigError(
            f"{request.config.name}: the learning rate is 0 during the first {max(kept)} steps, which "
            "is all that the probe trains; shorten the warm-up or lengthen the run"
        )
    # A step that a warm-up takes at learning rate 0 moves nothing.
    return tuple(sorted(step for step in kept if plan.summed_learning_rate(step) > 0))


def planned_tokens(part: Part, study: Study) -> float:
    effort, tokens = study.effort, study.engine.num_tokens
    total: float = (1 + len(study.trajectory.kept_steps)) * tokens(
        (*study.capabilities, study.target)
    )
    focus = focused(part, study)
    if part in ("assess", "margin"):
        total += tokens_for_lines(focus)
        if has_worst_case(part, effort):
            total += worst_case_tokens(focus)
        if study.anchors is not None:
            points = 1 + len(study.trajectory.kept_steps)
            points += len(effort.belief_norms) + len(effort.belief_multiples)
            total += points * tokens((study.anchors,))
    if part in ("assess", "map"):
        total += SLOPE_TOKEN * tokens(map_capabilities(focus)) + noise_tokens(focus)
    return total


def focused(part: Part, study: Study) -> Study:
    """Keep the required capabilities, for the straight lines and the map of `assess`.

    They take most of its time, and `margin` and `map` measure every capability. Where none is required, all are kept.
    """
    required = tuple(c for c in study.capabilities if c.required and part == "assess")
    return replace(study, capabilities=required or study.capabilities)


def tokens_for_lines(study: Study) -> float:
    looks = _LOOKS_A_LINE * (study.effort.num_noise_seeds + 1)
    return (1 + looks) * study.engine.num_tokens(study.sampled(study.effort.num_line_items))


def probe_tokens(request: AssessmentRequest, study: Study) -> float:
    """Count the work of a probe that is trained to its last look, as it was planned."""
    trajectory, tokens = study.trajectory, study.engine.num_tokens
    trained = study.num_probe_steps * trajectory.estimated_tokens_per_step() * Meter.TRAINED_TOKEN
    scored = len(trajectory.kept_steps) * tokens((*study.capabilities, study.target))
    if study.anchors is not None:
        scored += (1 + len(trajectory.kept_steps)) * tokens((study.anchors,))
    return trained + scored + decision_tokens(request, study)


def way_caveat(request: AssessmentRequest, study: Study) -> tuple[str, ...]:
    """Say where the probe was not scored, if anywhere."""
    kept = [
        step for step in kept_steps(request, study.trajectory.plan) if step <= study.num_probe_steps
    ]
    left_out = [str(step) for step in kept if step not in study.trajectory.kept_steps]
    if not left_out:
        return ()
    return (
        f"Not scored after step {' and '.join(left_out)}, so that more items could be at the probe's end.",
    )
