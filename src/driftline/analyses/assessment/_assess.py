"""The main job: margin, map, forecast and verdict for one planned run, in one document."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ...engine import Engine, Meter, Progress, RunFolder, Table, open_session
from ...models import Trajectory, plan_training
from ...provenance import provenance_fields
from ...results import (
    Assessment,
    BeliefSpace,
    CapabilityForecast,
    CapabilityScore,
    Cost,
    Provenance,
    StabilityMargin,
)
from ..fragility import (
    FragilityMap,
    attempted_map,
    belief_space,
    protected_quarter,
    suite_anchors,
    unmapped_share,
)
from ..items import TargetRows, items_caveat, target_capability
from ..margins import (
    PathCalibration,
    has_worst_case,
    path_losses,
    path_margins,
    radius_margins,
    safe_envelope,
    shipped_path_calibration,
    worst_case_margins,
    worst_case_tokens,
)
from ..probing import Study
from ..suite_scores import capability_score, check_names
from ._caveats import caveats, lacking_caveat
from ._decision import decision
from ._prediction import decision_tokens, is_decided, predict
from ._probe_checkpoint import checkpoint_caveats, kept_checkpoint
from ._request import AssessmentRequest, Part
from ._row_gains import row_caveats, row_gains, row_tokens, rows_asked_for
from ._work import (
    focused,
    kept_steps,
    planned_tokens,
    probe_tokens,
    tokens_for_lines,
    way_caveat,
    within_cost,
)


def assess(
    request: AssessmentRequest,
    folder: RunFolder,
    *,
    listener: Callable[[Progress], None] = lambda _progress: None,
) -> Assessment:
    """Answer a request, taking up what an earlier process stored in the folder.

    Cost: the probe's share of the planned steps, and a few dozen evaluations of the suite or of a
    sample of it; `Assessment.cost` says what it came to.

    Args:
        request: What is asked.
        folder: Where the store and the changes of weights are kept.
        listener: Told about progress.

    Returns:
        The assessment; the model is as it was, bit for bit.

    Raises:
        ConfigError: Two suites have a capability of one name.
    """
    started = time.monotonic()
    check_names(request.capabilities, reserved=("target",))
    meter = Meter(listener)
    with open_session(folder, request.opened, request.options, meter, ray=request.ray) as engine:
        study, rows = _study(request, folder, engine)
        assessment = _answer(request, study, rows, started)
        engine.check_unchanged()
    return assessment


@dataclass(frozen=True)
class PlannedWork:
    """The work of an assessment, planned but not done."""

    tokens_forward: float
    """Tokens of all scoring and gradients; a gradient's token is weighed as several."""
    tokens_trained: float
    num_steps_trained: int
    num_steps: int
    tokens_base: float
    """Tokens of the base's scores, which several runs of one model share; among those above."""
    num_items: int
    """The most items of a capability that are scored."""
    num_kept: int
    """Changes of the weights that are kept on disk at one time."""


def planned_work(request: AssessmentRequest, folder: RunFolder) -> PlannedWork:
    """Count the work of a request, on a model whose weights need not be the real ones.

    Args:
        request: What is asked.
        folder: For files that the planning needs.

    Returns:
        The work, as the progress of the real run counts it before it begins.
    """
    check_names(request.capabilities, reserved=("target",))
    meter = Meter()
    with open_session(folder, request.opened, request.options, meter) as engine:
        study, _ = _study(request, folder, engine)
        steps = study.num_probe_steps
        trained = study.trajectory.estimated_tokens_per_step() * steps
        return PlannedWork(
            tokens_forward=meter.planned - trained * Meter.TRAINED_TOKEN,
            tokens_trained=trained,
            num_steps_trained=steps,
            num_steps=study.trajectory.plan.num_steps,
            tokens_base=engine.num_tokens(study.capabilities),
            num_items=max(len(each.items) for each in study.capabilities),
            num_kept=len(study.trajectory.kept_steps),
        )


def _study(
    request: AssessmentRequest, folder: RunFolder, engine: Engine
) -> tuple[Study, TargetRows | None]:
    meter = engine.meter
    meter.enter("reading the plan")
    plan = plan_training(request.opened, request.config, request.data)
    target = target_capability(
        request.data,
        seed=request.seed,
        opened=request.opened,
        chat_template=request.config.chat_template(),
    )
    kept = kept_steps(request, plan)
    trajectory = Trajectory(
        request.opened,
        request.config,
        request.data,
        folder.directions,
        kept,
        plan,
        checkpoints=folder.checkpoints if request.keeps_checkpoint else None,
    )
    trained = trajectory.estimated_tokens_per_step() * Meter.TRAINED_TOKEN
    trajectory.on_step = lambda _step: meter.advance(trained)
    anchors = None
    if request.part in ("assess", "margin"):
        anchors = suite_anchors(
            request.opened, request.capabilities, request.effort, seed=request.seed
        )
    study = Study(
        engine,
        request.capabilities,
        target,
        trajectory,
        request.effort,
        request.seed,
        anchors,
    )
    study = within_cost(request, study, trained / Meter.TRAINED_TOKEN)
    meter.plan(0 if trajectory.is_trained() else study.num_probe_steps * trained)
    rows = rows_asked_for(request, study)
    meter.plan(planned_tokens(request.part, study) + decision_tokens(request, study))
    meter.plan(row_tokens(study, rows))
    return study, rows


def _radii(part: Part, study: Study) -> tuple[StabilityMargin, ...]:
    """Measure how far the weights may move along straight lines, and up each worst direction."""
    meter, effort = study.engine.meter, study.effort
    meter.enter("moving along straight lines")
    with meter.estimated(tokens_for_lines(study)):
        ratio = effort.assess_margin_ratio if part == "assess" else effort.margin_ratio
        margins = radius_margins(study, ratio=ratio)
    if not has_worst_case(part, effort):
        return margins
    meter.enter("climbing to the worst case")
    with meter.estimated(worst_case_tokens(study)):
        return (*margins, *worst_case_margins(study))


def _answer(
    request: AssessmentRequest, study: Study, rows: TargetRows | None, started: float
) -> Assessment:
    part, meter = request.part, study.engine.meter
    paths = shipped_path_calibration()
    scores, table, study = _scores_and_probe(request, study)
    predicted = predict(request, study, table)
    gains = row_gains(request, study, rows, predicted.reading)
    on_the_way = path_losses(study, table, predicted.at)
    path = path_margins(study, on_the_way, paths, table)
    focus = focused(part, study)
    margins: tuple[StabilityMargin, ...] = ()
    envelope = None
    result = FragilityMap((), (), (), ())
    belief: BeliefSpace | None = None
    if part in ("assess", "margin"):
        envelope = safe_envelope(study, on_the_way, paths)
        margins = (*path, *_radii(part, focus))
        belief = belief_space(study, table)
    if part in ("assess", "map"):
        meter.enter("taking gradients for the map")
        result = attempted_map(focus, must_succeed=part == "map")
    shows_forecast = part in ("assess", "forecast")
    protect, protect_share = protected_quarter(study, result)
    return Assessment(
        schema_=f"driftline/{part}/1",
        **decision(request, study, predicted, paths),
        scores=scores,
        margins=margins,
        envelope=envelope,
        fragility=result.rows,
        target_fragility=result.target,
        noise=result.noise,
        protect=protect,
        protect_share=protect_share,
        unmapped=tuple(module.name for module in result.unread),
        unmapped_share=unmapped_share(study, result) if result.rows else None,
        map_failure=result.failure,
        regions=result.regions,
        forecast=predicted.capabilities if shows_forecast else (),
        target=predicted.target if shows_forecast else None,
        row_gains=gains,
        explanation=predicted.explanation,
        method=request.method,
        probe=predicted.reading,
        belief_space=belief,
        checkpoint=kept_checkpoint(study.trajectory),
        cost=_cost(study, started),
        caveats=(
            *row_caveats(rows, gains),
            *_all_caveats(request, study, scores, result, paths, _novelty(predicted.capabilities)),
        ),
        provenance=_provenance(request, study),
    )


def _all_caveats(
    request: AssessmentRequest,
    study: Study,
    scores: Sequence[CapabilityScore],
    result: FragilityMap,
    paths: PathCalibration,
    novelty: float,
) -> tuple[str, ...]:
    capped = items_caveat(
        scores,
        {c.name: len(c.items) for c in request.capabilities},
        requested=request.effort.num_probe_items,
    )
    return (
        *lacking_caveat(scores),
        *((capped,) if capped else ()),
        *way_caveat(request, study),
        *result.failure_caveats(),
        *caveats(request, study, paths=paths, novelty=novelty),
        *result.caveats(),
        *checkpoint_caveats(study.trajectory),
    )


def _novelty(rows: Sequence[CapabilityForecast]) -> float:
    """Find the largest factor by which a forecast is wider than for runs like the finished ones."""
    return max((row.novelty or 1.0 for row in rows), default=1.0)


def _scores_and_probe(
    request: AssessmentRequest, study: Study
) -> tuple[tuple[CapabilityScore, ...], Table, Study]:
    """Score the base, say what it lacks, then train the probe and score along it.

    Returns:
        The base's scores, all of them along the probe, and the study with what the base lacks.
    """
    meter = study.engine.meter
    meter.enter("scoring the base")
    base = study.base_table()
    scores = tuple(capability_score(c, base) for c in study.capabilities)
    lacking = [score.capability for score in scores if score.nothing_to_lose is not None]
    study = replace(study, lacking=frozenset(lacking))
    said = f"; the base is not shown to have: {', '.join(lacking)}" if lacking else ""
    meter.enter(f"training the first steps and scoring along them{said}")
    if not request.until_decided:
        return scores, study.probe_table(base), study
    with meter.estimated(probe_tokens(request, study)):
        study.trajectory.end_where(partial(is_decided, request, study, base))
        study.trajectory.ensure_trained()
        return scores, study.probe_table(base), study


def _cost(study: Study, started: float) -> Cost:
    return Cost.since(
        started,
        forward=study.engine.tokens_used,
        backward=study.trajectory.num_tokens_trained() + study.engine.tokens_backward,
        share=study.num_probe_steps / study.trajectory.plan.num_steps,
    )


def _provenance(request: AssessmentRequest, study: Study) -> Provenance:
    return Provenance(
        **provenance_fields(request.part, request.seed),
        model=request.opened.provenance(),
        data=request.data.provenance(),
        config=request.config.provenance(),
        config_values=request.config.values,
        suites=tuple(suite.provenance() for suite in request.suites),
        numerics=study.engine.numerics,
    )
