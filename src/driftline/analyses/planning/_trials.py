"""One trial: a protocol trained, looked at early, and scored at some scales of its update."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...engine import Engine, Table
from ...errors import ConfigError, RunError
from ...models import (
    BASE,
    Direction,
    HeldDirection,
    NoiseDirection,
    Point,
    StoredDirection,
    Term,
    TrainingData,
    TrainingPlan,
    Trajectory,
)
from ...results import TrialForecast, TrialState
from ..comparison import nothing_to_lose
from ._budget import Budget, tokens_of_run, weight_of
from ._protocol_looks import PartScales, PlanRuler, ProtocolEvaluation, best_of
from ._space import ProtocolCandidate, Settings
from ._trial_forecast import forecast_trial, reason_to_drop

SCALES = (1.0, 0.75, 0.5, 0.25)
"""Scales of a finished trial's update; they cost no training."""
EARLY_SHARE = 0.2
"""Share of a trial's steps after which it is evaluated and may be stopped."""


@dataclass
class Trial:
    """Record of a protocol that was tried."""

    number: int
    purpose: str
    candidate: ProtocolCandidate
    state: TrialState = "finished"
    early: ProtocolEvaluation | None = None
    looks: tuple[ProtocolEvaluation, ...] = ()
    """At its end, one a scale, then those with scales part by part."""
    forecast: tuple[TrialForecast, ...] = ()
    """Forecast of its end, from the early evaluation."""
    tokens: int = 0
    seconds: float = 0.0
    reason: str | None = None

    @property
    def settings(self) -> Settings:
        """Lever to choice."""
        return self.candidate.settings

    @property
    def best(self) -> ProtocolEvaluation | None:
        """Best of its evaluations; None if the trial did not finish."""
        return best_of(self.looks) if self.looks else None

    @property
    def value(self) -> float:
        """Value for the sampler: the merit of the best evaluation, or of the early one."""
        look = self.best or self.early
        return 0.0 if look is None else look.merit

    @property
    def violation(self) -> float:
        """Above 0 where no scale meets the constraint; a run that broke is far beyond it."""
        look = self.best or self.early
        return _BROKEN if look is None else look.violation


_BROKEN = 1e3
_RUIN = 2.0
"""Noise on every matrix, in its own norms."""


@dataclass
class Bench:
    """Runner of trials, with their shared inputs and all results so far."""

    engine: Engine
    ruler: PlanRuler
    data: TrainingData
    folder: Path
    budget: Budget
    seed: int = 0
    base: ProtocolEvaluation = field(init=False)
    lacking: dict[str, str] = field(init=False)
    """Required capabilities that the base is not shown to have by the items that choose, with the reason: they
    hold no trial back (`PlanRuler.deciding`)."""
    blind: tuple[str, ...] = field(init=False)
    """Others that even ruined weights do not clearly cost more than their tolerance, by the items that
    choose: they say little against a trial, and a monitor refuses them."""
    trials: list[Trial] = field(default_factory=list)
    _table: Table = field(default_factory=Table)

    def __post_init__(self) -> None:
        """Score the base, which is the first look, and see what can be lost at all."""
        self._evaluate([BASE])
        reasons = {c.name: nothing_to_lose(c, self._table) for c in self.ruler.deciding}
        self.lacking = {name: reason for name, reason in reasons.items() if reason is not None}
        self.ruler = replace(self.ruler, lacking=frozenset(self.lacking))
        self.base = self._look(BASE, None, 0, 0.0)
        self.blind = self._blind()

    @property
    def table(self) -> Table:
        """All scores so far."""
        return self._table

    @property
    def looks(self) -> list[ProtocolEvaluation]:
        """Every look at the end of a trial, the base first."""
        return [self.base, *(look for trial in self.trials for look in trial.looks)]

    def scored_tokens(self, num_points: int) -> float:
        """Return the weighed tokens of so many evaluations."""
        return num_points * self.engine.num_tokens(self.ruler.watched) / 4

    def cost(self, candidate: ProtocolCandidate, *, screened: bool) -> float:
        """Return an upper bound of a whole trial's weighed tokens."""
        trained = tokens_of_run(candidate, candidate.num_steps) * weight_of(candidate)
        return self.scored_tokens(len(scales_of(candidate)) + screened) + trained

    def run(self, number: int, purpose: str, candidate: ProtocolCandidate) -> Trial:
        """Train a protocol and look at it; what is on disk or in the store is taken up.

        Args:
            number: Number of the trial.
            purpose: `search` trials may be stopped at their early look.

        Returns:
            The finished trial, which is added to `trials`.
        """
        started = time.monotonic()
        trial = Trial(number, purpose, candidate)
        trajectory = self.trajectory(candidate)
        early, last = trajectory.kept_steps[0], trajectory.kept_steps[-1]
        screened = purpose == "search" and early < last

        def goes_on(step: int) -> bool:
            # At most; what was really trained is known at the end, unless it broke off before.
            trial.tokens = math.ceil(tokens_of_run(candidate, step))
            if screened and step == early:
                self._look_early(trial, trajectory)
                reason = self._reason_to_stop(trial)
                if reason is not None:
                    trial.state, trial.reason = (
                        "stopped",
                        f"after {early} of {last} steps: {reason}",
                    )
                    return False
            if self.budget.is_out_of_time(self.scored_tokens(len(scales_of(candidate)))):
                trial.state = "out of budget"
                trial.reason = f"time was up at step {step} of {last}"
            return trial.state == "finished"

        trajectory.goes_on = goes_on
        try:
            outcome = trajectory.train()
            trial.tokens = outcome.num_tokens
            if outcome.is_whole:
                trial.state, trial.reason = "finished", None
                trial.looks = self._final(trial, trajectory)
                if screened and trial.early is None:
                    self._look_early(trial, trajectory)
        except (RunError, ConfigError) as error:
            trial.state, trial.reason = "failed", str(error)
            trial.looks = ()
        trial.seconds = time.monotonic() - started
        self._enter(trial)
        return trial

    def restore(self, trial: Trial) -> None:
        """Restore a trial of an earlier process; its evaluations come from the store."""
        trajectory = self.trajectory(trial.candidate)
        if trial.state == "finished":
            trial.looks = self._final(trial, trajectory)
        screened = trial.purpose == "search" and len(trajectory.kept_steps) > 1
        if screened and trial.state in ("finished", "stopped"):
            self._look_early(trial, trajectory)
        self._enter(trial)

    def trajectory(self, candidate: ProtocolCandidate) -> Trajectory:
        """Return the run of a protocol."""
        early = early_step(candidate.plan)
        kept = (early, candidate.num_steps) if early else (candidate.num_steps,)
        trained = Trajectory(
            self.engine.opened,
            candidate.config,
            self.data,
            self.folder,
            kept,
            candidate.plan,
            levers=candidate.levers,
        )
        tokens = tokens_of_run(candidate, candidate.num_steps) / candidate.num_steps
        meter = self.engine.meter
        trained.on_step = lambda _step: meter.advance(tokens * meter.TRAINED_TOKEN)
        return trained

    def point(self, look: ProtocolEvaluation) -> Point:
        """Return the point of an evaluation; its change is trained again if it was deleted."""
        if look.trial is None:
            return BASE
        trial = next(t for t in self.trials if t.number == look.trial)
        direction = _end_of(self.trajectory(trial.candidate))
        if look.parts is None:
            return _point(trial, direction, look.scale)
        return self._point_of_parts(trial, direction, look.scale, look.parts)

    def update(self, trial: Trial) -> HeldDirection:
        """Return the whole update of a trial, in memory."""
        return HeldDirection(_end_of(self.trajectory(trial.candidate)))

    def look_at_parts(
        self, trial: Trial, update: HeldDirection, scale: float, parts: PartScales
    ) -> ProtocolEvaluation:
        """Evaluate a trial's update with separate scales of its parts."""
        point = self._point_of_parts(trial, update, scale, parts)
        self._evaluate([point])
        step = trial.candidate.num_steps
        look = self.ruler.look(
            self._table, point, trial=trial.number, step=step, scale=scale, parts=parts
        )
        trial.looks = (*trial.looks, look)
        return look

    def _point_of_parts(
        self, trial: Trial, direction: Direction, scale: float, parts: PartScales
    ) -> Point:
        levers = trial.candidate.with_scale(scale, parts.modules).levers
        scales = {
            weight.name: levers.scale_of(weight.name) for weight in self.engine.opened.weights
        }
        return Point(f"trial {trial.number} in parts", (Term(direction, scales),))

    def keep_only(self, best: ProtocolEvaluation) -> None:
        """Remove the changes of all trials but the best: the disk would fill, and scores stay."""
        kept = None
        for trial in self.trials:
            if trial.number == best.trial:
                kept = self.trajectory(trial.candidate)
        for trial in self.trials:
            trajectory = self.trajectory(trial.candidate)
            last = trajectory.kept_steps[-1]
            if kept is None or trajectory.path(last) != kept.path(kept.kept_steps[-1]):
                trajectory.discard()

    def _blind(self) -> tuple[str, ...]:
        ruined = Point("ruined", (Term(NoiseDirection(self.seed), _RUIN),))
        try:
            self._evaluate([ruined])
        except RunError:
            # Not a number at all: that says nothing of one capability by itself.
            return ()
        return tuple(
            capability.name
            for capability in self.ruler.deciding
            if self.ruler.least_loss(self._table, ruined, capability) <= capability.tolerance
        )

    def _enter(self, trial: Trial) -> None:
        self.budget.spend(trial.tokens, weight_of(trial.candidate))
        self.trials.append(trial)

    def _reason_to_stop(self, trial: Trial) -> str | None:
        """Return why a trial ends at its early look: a better one is there, or its forecast is bad."""
        assert trial.early is not None
        within = [t for t in self.trials if t.best is not None and t.best.excess == 0]
        for other in within:
            if other.early is not None and trial.early.is_dominated_by(other.early):
                return f"trial {other.number} had gained more and lost less there"
        if not within:
            return None
        least = min(scales_of(trial.candidate))
        return reason_to_drop(trial.forecast, scale=least, other=within[0].number)

    def _look_early(self, trial: Trial, trajectory: Trajectory) -> None:
        trial.early = self._early(trial, trajectory)
        trial.forecast = forecast_trial(
            self.engine, self.ruler, trajectory, self._table, seed=self.seed
        )

    def _early(self, trial: Trial, trajectory: Trajectory) -> ProtocolEvaluation:
        step = trajectory.kept_steps[0]
        direction = StoredDirection(trajectory.path(step), trajectory.recipe(step))
        point = Point(f"trial {trial.number} step {step}", (Term(direction, 1.0),))
        return self._look(point, trial.number, step, 1.0)

    def _final(self, trial: Trial, trajectory: Trajectory) -> tuple[ProtocolEvaluation, ...]:
        scales, held = scales_of(trial.candidate), HeldDirection(_end_of(trajectory))
        points = [_point(trial, held, scale) for scale in scales]
        self._evaluate(points)
        return tuple(
            self._look(point, trial.number, trajectory.kept_steps[-1], scale)
            for point, scale in zip(points, scales, strict=True)
        )

    def _look(self, point: Point, trial: int | None, step: int, scale: float) -> ProtocolEvaluation:
        self._evaluate([point])
        return self.ruler.look(self._table, point, trial=trial, step=step, scale=scale)

    def _evaluate(self, points: Sequence[Point]) -> None:
        """Score points that were not looked at yet, so that each is counted once."""
        seen = {digest for digest, _ in self._table.rows}
        new = [point for point in points if point.digest() not in seen]
        if new:
            self._table.rows.update(self.engine.evaluate(new, self.ruler.watched).rows)


def _end_of(trajectory: Trajectory) -> Direction:
    return trajectory.direction(trajectory.kept_steps[-1])


def _point(trial: Trial, direction: Direction, scale: float) -> Point:
    return Point(f"trial {trial.number} scale {scale:g}", (Term(direction, scale),))


def early_step(plan: TrainingPlan) -> int | None:
    """Return the step of the early evaluation: the first fifth, once something has moved.

    Args:
        plan: Plan of the trial.

    Returns:
        The step; None where that is the last one.
    """
    for step in range(max(1, round(EARLY_SHARE * plan.num_steps)), plan.num_steps):
        if plan.summed_learning_rate(step) > 0:
            return step
    return None


def scales_of(candidate: ProtocolCandidate) -> tuple[float, ...]:
    """Return the scales that the update of a protocol can be given after training."""
    try:
        candidate.with_scale(0.5).levers.check(candidate.config)
    except ConfigError:
        return (1.0,)
    return SCALES
