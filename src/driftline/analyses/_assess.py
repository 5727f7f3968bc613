"""The main job: margin, map, forecast and verdict for one planned run, in one document."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from ..capabilities import Capability, Suite
from ..engine import (
    SLOPE_TOKEN,
    Engine,
    Meter,
    Progress,
    RayOptions,
    ResultStore,
    RunFolder,
    disk_errors_named,
    open_engine,
)
from ..errors import ConfigError
from ..models import (
    LanguageModel,
    ScoringOptions,
    TrainingConfig,
    TrainingData,
    Trajectory,
    plan_training,
)
from ..provenance import driftline_version, package_versions, python_version
from ..results import (
    Assessment,
    BeliefSpace,
    CapabilityForecast,
    Cost,
    Provenance,
    StabilityMargin,
    TargetForecast,
)
from ._belief_space import belief_space, suite_anchors
from ._calibration import shipped_calibration
from ._caveats import caveats
from ._envelope import safe_envelope
from ._forecast import capability_forecasts, forecast_losses, target_forecast
from ._fragility import FragilityMap, fragility_map, map_capabilities
from ._most_fragile import most_fragile
from ._noise_sensitivity import noise_tokens
from ._path_margin import path_losses, path_margins
from ._path_model import shipped_path_calibration
from ._radius import radius_margins
from ._score import capability_score, check_names
from ._study import Effort, Study, probe_steps
from ._target import target_capability
from ._verdict import judge
from ._worst_case import has_worst_case, worst_case_margins, worst_case_tokens

Part = Literal["assess", "margin", "map", "forecast"]
PARTS: tuple[Part, ...] = ("assess", "margin", "map", "forecast")
_PROTECTED_SHARE = 0.25
_LOOKS_A_LINE = 10
"""At most, of all capabilities together, for planning time only: a search ends when it has found."""


@dataclass(frozen=True)
class AssessmentRequest:
    """What is asked: one planned run of one model, and what must not break."""

    part: Part
    opened: LanguageModel
    data: TrainingData
    config: TrainingConfig
    suites: tuple[Suite, ...]
    seed: int = 0
    effort: Effort = field(default_factory=Effort)
    options: ScoringOptions = field(default_factory=ScoringOptions)
    ray: RayOptions | None = None
    """Have the points computed on Ray; None computes them in this process."""

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """All capabilities of all suites."""
        return tuple(c for suite in self.suites for c in suite.capabilities)


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
    with (
        disk_errors_named(folder.path),
        ResultStore(folder.store) as store,
        open_engine(
            request.opened,
            store,
            request.options,
            meter,
            directions=folder.directions,
            ray=request.ray,
        ) as engine,
    ):
        study = _study(request, folder, engine)
        assessment = _answer(request, study, started)
        engine.check_unchanged()
    return assessment


def _study(request: AssessmentRequest, folder: RunFolder, engine: Engine) -> Study:
    meter = engine.meter
    meter.enter("reading the plan")
    plan = plan_training(request.opened, request.config, request.data)
    target = target_capability(request.data, seed=request.seed, opened=request.opened)
    kept = probe_steps(plan.num_steps, request.effort.probe_fraction)
    if plan.summed_learning_rate(kept[-1]) <= 0:
        raise ConfigError(
            f"{request.config.name}: the learning rate is 0 during the first {kept[-1]} steps, which "
            "is all that the probe trains; shorten the warm-up or lengthen the run"
        )
    # A step that a warm-up takes at learning rate 0 moves nothing.
    kept = tuple(step for step in kept if plan.summed_learning_rate(step) > 0)
    trajectory = Trajectory(
        request.opened, request.config, request.data, folder.directions, kept, plan
    )
    trained = trajectory.estimated_tokens_per_step() * Meter.TRAINED_TOKEN
    trajectory.on_step = lambda _step: meter.advance(trained)
    anchors = None
    if request.part in ("assess", "margin"):
        anchors = suite_anchors(
            request.opened, request.capabilities, request.effort, seed=request.seed
        )
    study = Study(
        engine, request.capabilities, target, trajectory, request.effort, request.seed, anchors
    )
    meter.plan(0 if trajectory.is_trained() else kept[-1] * trained)
    meter.plan(_planned_tokens(request.part, study))
    return study


def _planned_tokens(part: Part, study: Study) -> float:
    effort, tokens = study.effort, study.engine.num_tokens
    total: float = (1 + len(study.trajectory.kept_steps)) * tokens(
        (*study.capabilities, study.target)
    )
    if part in ("assess", "margin"):
        total += _tokens_for_lines(study)
        if has_worst_case(part, effort):
            total += worst_case_tokens(study)
        if study.anchors is not None:
            points = 1 + len(study.trajectory.kept_steps)
            points += len(effort.belief_norms) + len(effort.belief_multiples)
            total += points * tokens((study.anchors,))
    if part in ("assess", "map"):
        total += SLOPE_TOKEN * tokens(map_capabilities(study)) + noise_tokens(study)
    return total


def _tokens_for_lines(study: Study) -> float:
    looks = _LOOKS_A_LINE * (study.effort.num_noise_seeds + 1)
    return (1 + looks) * study.engine.num_tokens(study.sampled(study.effort.num_line_items))


def _answer(request: AssessmentRequest, study: Study, started: float) -> Assessment:
    part, meter = request.part, study.engine.meter
    calibration, paths = shipped_calibration(), shipped_path_calibration()
    meter.enter("training the first steps and scoring along them")
    table = study.path_table()
    losses = forecast_losses(study, table, calibration)
    forecast = capability_forecasts(study, table, losses)
    on_the_way = path_losses(study, table, paths)
    path = path_margins(study, on_the_way, paths, table)
    margins: tuple[StabilityMargin, ...] = ()
    envelope = None
    found = FragilityMap((), (), (), ())
    belief: BeliefSpace | None = None
    if part in ("assess", "margin"):
        envelope = safe_envelope(study, on_the_way, paths)
        meter.enter("moving along straight lines")
        with meter.estimated(_tokens_for_lines(study)):
            margins = (*path, *radius_margins(study))
        if has_worst_case(part, study.effort):
            meter.enter("climbing to the worst case")
            with meter.estimated(worst_case_tokens(study)):
                margins += worst_case_margins(study)
        belief = belief_space(study, table)
    if part in ("assess", "map"):
        meter.enter("taking gradients for the map")
        found = fragility_map(study)
    verdict, reasons = judge(forecast, path)
    shown: tuple[CapabilityForecast, ...] = forecast if part in ("assess", "forecast") else ()
    target: TargetForecast | None = None
    if part in ("assess", "forecast"):
        target = target_forecast(study, table, calibration)
    return Assessment(
        schema_=f"driftline/{part}/1",
        verdict=None if part == "map" else verdict,
        reasons=() if part == "map" else reasons,
        scores=tuple(capability_score(c, table) for c in study.capabilities),
        margins=margins,
        envelope=envelope,
        fragility=found.rows,
        target_fragility=found.target,
        noise=found.noise,
        protect=protected_quarter(study, found),
        regions=found.regions,
        forecast=shown,
        target=target,
        belief_space=belief,
        cost=_cost(study, started),
        caveats=(
            *caveats(request, study, calibration=calibration, paths=paths),
            *found.caveats(),
        ),
        provenance=_provenance(request, study),
    )


def protected_quarter(study: Study, found: FragilityMap) -> tuple[str, ...]:
    """What to freeze first, for the required capabilities that the map has.

    Args:
        study: The planned run.
        found: Its map.

    Returns:
        Module names; none without a required capability, nor under an adapter, which trains a few
        modules only and was not part of the evidence.
    """
    tolerances = {c.name: c.tolerance for c in study.capabilities if c.required}
    rows = [row for row in found.rows if row.capability in tolerances]
    if not rows or study.trajectory.config.adapter_config() is not None:
        return ()
    return most_fragile(rows, _PROTECTED_SHARE, noise=found.noise, tolerances=tolerances)


def _cost(study: Study, started: float) -> Cost:
    trajectory = study.trajectory
    return Cost(
        wall_seconds=round(time.monotonic() - started, 1),
        tokens_forward=study.engine.tokens_used,
        tokens_backward=trajectory.num_tokens_trained() + study.engine.tokens_backward,
        fraction_of_planned_run=trajectory.kept_steps[-1] / trajectory.plan.num_steps,
    )


def _provenance(request: AssessmentRequest, study: Study) -> Provenance:
    return Provenance(
        driftline_version=driftline_version(),
        python_version=python_version(),
        packages=package_versions(),
        command=request.part,
        model=request.opened.provenance(),
        data=request.data.provenance(),
        config=request.config.provenance(),
        config_values=request.config.values,
        suites=tuple(suite.provenance() for suite in request.suites),
        numerics=study.engine.numerics,
        seed=request.seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
