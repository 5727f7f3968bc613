"""One monitored training run: start, checks, conclusions."""

import itertools
import logging
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from transformers import TrainerState, TrainingArguments

from ..capabilities import Suite
from ..errors import DriftlineError, RunError
from ..models import random_states_kept
from ._cadence import (
    affordable_cadence,
    bring_forward,
    is_check_due,
    is_glance_due,
    is_look_ahead_due,
)
from ._earlier_run import remembered
from .actions import SCHEMA, Acting, MonitorLog, TrainerHandles, unfinished_check, withhold_step
from .detectors import (
    Action,
    Checker,
    CheckResult,
    Finding,
    MonitorSettings,
    MonitorState,
    count_unpredictable,
    findings,
    metrics_of,
    words_of,
)
from .handles import trained_parameters
from .signals import (
    NextStep,
    StepReading,
    StepsLeft,
    fewest,
    planned_rates,
    standing_after,
    steps_left,
)

_LOG = logging.getLogger(__name__)
_FOREIGN = (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, OSError)
"""Exceptions of a check other than Driftline's own; they raise an alarm, and training continues."""


_AHEAD = StepReading(reason="looked at before the step was taken")


@dataclass
class Session:
    """State of a monitor from the beginning of training to its end."""

    settings: MonitorSettings
    checker: Checker
    log: MonitorLog
    acting: Acting
    state: MonitorState
    rates: tuple[float, ...] | None = None
    """Learning rates of the whole run; None where the schedule does not say."""
    clock: tuple[float, ...] = ()
    """Learning rate summed up to each step; the number of the step where the schedule does not say."""
    looked_ahead: int = 0
    """The last step whose end was seen before it was taken."""
    safe_ahead: int = 0
    """The last step that was found safe before it was taken; its weights are kept once they are there."""
    alarms: list[Finding] = field(default_factory=list)
    """Raised by this process."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Metrics of the last check, until the trainer logs."""

    def begin(
        self, args: TrainingArguments, dataset: object, suites: Sequence[Suite], *, num_steps: int
    ) -> None:
        """Start a new run: score the base, and run the sensitivity self-test."""
        settings, checker = self.settings, self.checker
        result = affordable_cadence(
            args,
            dataset,
            check_tokens=checker.num_tokens,
            glance_tokens=checker.num_glance_tokens,
            num_steps=num_steps,
            overhead=settings.overhead,
        )
        glances = settings.glance_every_steps
        self.state.every_steps = settings.every_steps or result.every_steps
        self.state.early_steps = [] if settings.every_steps else list(result.early_steps)
        self.state.glance_every_steps = result.glance_every_steps if glances is None else glances
        self.state.has_early_glances = glances is None
        provenances = [suite.provenance() for suite in suites]
        self.log.write(
            "started",
            step=0,
            schema=SCHEMA,
            every_steps=self.state.every_steps,
            early_steps=list[JsonValue](self.state.early_steps),
            glance_every_steps=self.state.glance_every_steps,
            alpha=settings.alpha,
            action=settings.action,
            check_tokens=checker.num_tokens,
            glance_tokens=checker.num_glance_tokens,
            suites=[{"name": each.name, "digest": each.digest} for each in provenances],
            required=[c.name for c in checker.capabilities if c.required],
            items={c.name: len(c.items) for c in checker.capabilities},
            groups={c.name: len(set(c.groups())) for c in checker.capabilities},
        )
        checker.read_base()
        lacking = self._log_what_the_base_lacks()
        self.log.write("alive", step=0, tripped_at_noise=checker.check_sensitivity())
        self._warn_of_what_the_base_lacks(lacking)

    def _log_what_the_base_lacks(self) -> list[str]:
        lacking = [c.name for c in self.checker.capabilities if c.name not in self.checker.held]
        self.log.write(
            "base",
            step=0,
            no_better_than_guessing=list[JsonValue](lacking),
            accuracies=dict[str, JsonValue](self.checker.base_accuracies),
        )
        return lacking

    def _warn_of_what_the_base_lacks(self, lacking: Sequence[str]) -> None:
        """Name it once, when the self-test is passed: it begins again with more items until then."""
        required = [c.name for c in self.checker.capabilities if c.required and c.name in lacking]
        if required and self.settings.action != "log":
            _LOG.warning(
                "the base is no better than guessing at %s: what it loses there raises no alarm; write "
                "`required: false` in the suite, or give items that it can answer",
                ", ".join(required),
            )

    def resume(self, state: TrainerState, key: str) -> None:
        """Resume a run from the stored state and the base's scores."""
        held = remembered(state, key)
        if held is None:
            raise RunError(
                "monitor: the checkpoint was written without the monitor, so what the base could do "
                "is not known; start from step 0"
            )
        self.state = held
        self.checker.restore_base()
        unfinished = unfinished_check(self.log.path)
        self.log.write("resumed", step=state.global_step)
        if unfinished is not None:
            self.log.write("check_unfinished", step=state.global_step, of_step=unfinished)

    def plan(self, lr_scheduler: object, num_steps: int) -> None:
        """Read the learning rates of the run from the trainer's schedule.

        Args:
            num_steps: Number of steps of the whole run.
        """
        self.rates = planned_rates(lr_scheduler, num_steps)
        rates = self.rates or (1.0,) * num_steps
        self.clock = tuple(itertools.accumulate(rates))

    def is_due(self, step: int) -> bool:
        """Return whether a check follows this step, and was not made before it."""
        return is_check_due(self.state, step)

    def is_glance_due(self, step: int) -> bool:
        """Return whether the output is looked at between checks, at the end of this step."""
        return step != self.looked_ahead and is_glance_due(self.state, self.clock, step)

    def glance(self, step: int) -> bool:
        """Test whether the output has moved twice as far as at any check so far.

        A loss that grows no faster than the divergence has at most doubled then. Nothing is concluded
        from a glance.

        Args:
            step: The last.

        Returns:
            True if a check is due now.
        """
        now, limits = self.state, self.settings.thresholds
        try:
            moved = self.checker.glance()
        except RunError:
            # No numbers any more: the check will say so.
            moved = math.inf
        if math.isfinite(moved):
            self.metrics["drift/kl_suite_nats"] = moved
        if moved < max(limits.glance_kl_nats, 2 * now.checked_kl_nats):
            return False
        self.log.write("glance", step=step, kl_suite_nats=moved if math.isfinite(moved) else None)
        return True

    def look_ahead(self, handles: TrainerHandles, folder: Path) -> None:
        """Glance where the next step leads, and check there if the output moves on; act before it is taken.

        A lowered learning rate changes this very step, which is then looked at again. A step that would
        be stopped or rolled back after is not taken at all.

        Args:
            handles: The trainer's parts, gradients among them; the step is the one to come.
            folder: For a copy of the weights.
        """
        is_due = is_look_ahead_due(self.state, self.clock, handles.step)
        if not self.settings.look_ahead or not is_due:
            return
        while True:
            coming = NextStep.of(handles.optimizer)
            if isinstance(coming, str):
                return
            self.looked_ahead, kept = handles.step, self.state.to_value()
            with standing_after(coming, trained_parameters(handles.model), folder):
                if not self.glance(handles.step):
                    return
                result = self._measured(_AHEAD, handles)
            action = self._conclude(result, handles, before_step=True)
            if action not in ("lower_learning_rate", "stop", "roll_back"):
                return
            self._avert(kept, action, handles)
            if action != "lower_learning_rate":
                return

    def _avert(self, kept: JsonValue, action: Action, handles: TrainerHandles) -> None:
        """Forget what was measured of a step that is not taken as it was looked at."""
        self.log.write("averted", step=handles.step, action=action)
        self.safe_ahead = 0
        if action != "roll_back":
            # After a roll-back the state is that of the weights that were restored.
            num = self.state.num_interventions
            self.state = MonitorState.from_value(kept)
            self.state.num_interventions = num
        if action != "lower_learning_rate":
            withhold_step(handles.model)

    def check(self, step_reading: StepReading, handles: TrainerHandles) -> None:
        """Run one check, and turn its errors into alarms.

        Args:
            step_reading: Reading of the step that was just taken.
            handles: The trainer's parts.
        """
        self._conclude(self._measured(step_reading, handles), handles)

    def settle(self, handles: TrainerHandles) -> None:
        """Keep the weights of a step that was found safe before it was taken.

        Args:
            handles: The trainer's parts.
        """
        if handles.step == self.safe_ahead:
            self._keep(handles)

    def _measured(self, step_reading: StepReading, handles: TrainerHandles) -> list[Finding]:
        """Run one check where the model stands; an error is a finding."""
        step, limit = handles.step, self.settings.check_timeout_seconds
        self.log.write("check_begun", step=step)
        watchdog = threading.Timer(
            limit,
            self.log.write,
            args=("check_overdue",),
            kwargs={"step": step, "seconds": limit},
        )
        watchdog.daemon = True
        watchdog.start()
        try:
            with random_states_kept():
                return self._examine(step_reading, handles)
        except RunError as error:
            # Scores or states that are no numbers: nothing is left of what they were.
            self.log.write("check_failed", step=step, reason=str(error))
            return [Finding("belief_space_collapse", "alarm", (str(error),))]
        except (DriftlineError, *_FOREIGN) as error:
            reason = f"{type(error).__name__}: {error}"
            self.log.write("check_failed", step=step, reason=reason)
            return [Finding("monitor_failure", "alarm", (f"the check failed: {reason}",))]
        finally:
            watchdog.cancel()

    def take_logs(self, logs: dict[str, Any], handles: TrainerHandles) -> None:
        """Search the trainer's logs for spikes; several are an alarm before the next check."""
        limits, now = self.settings.thresholds, self.state
        watches = {"grad_norm": now.grad_norm, "loss": now.loss}
        seen = [
            watch.take(
                float(logs[key]), deviations=limits.spike_deviations, factor=limits.spike_factor
            )
            for key, watch in watches.items()
            if key in logs
        ]
        told = tuple(words for words in seen if words is not None)
        if not told:
            return
        self.log.write("spike", step=handles.step, evidence=list(told))
        num = sum(watch.num_recent(limits.spike_window) for watch in watches.values())
        if num >= limits.num_spikes or any("not finite" in words for words in told):
            self._conclude([Finding("instability_amplification", "alarm", told)], handles)

    def _examine(self, step_reading: StepReading, handles: TrainerHandles) -> list[Finding]:
        """Measure, run the detectors, and log the result; keep the weights if they are safe."""
        step, now = handles.step, self.state
        count_unpredictable(step_reading, now, self.settings.thresholds)
        look = self.checker.look(step, step_reading, now)
        result = findings(
            look.reading, self.checker.capabilities, state=now, settings=self.settings
        )
        now.checked_kl_nats = max(now.checked_kl_nats, look.reading.anchors.kl_suite_nats)
        left = self._steps_left()
        bring_forward(now, step, None if left is None else left.steps)
        fields, self.metrics = metrics_of(look, left, now)
        is_ahead = step_reading is _AHEAD
        self.log.write(
            "check",
            step=step,
            before_step=is_ahead,
            **fields,
            warnings=words_of(result, "warning"),
            alarms=words_of(result, "alarm"),
        )
        if self._is_safe(look, result):
            self.safe_ahead = step
            if not is_ahead:
                self._keep(handles)
        return result

    def _keep(self, handles: TrainerHandles) -> None:
        self.state.last_safe_step, self.safe_ahead = handles.step, 0
        self.checker.ring.save(handles.model, handles.step)

    def _is_safe(self, look: CheckResult, result: Sequence[Finding]) -> bool:
        losses = look.reading.mean_losses
        within = all(losses[c.name] <= c.tolerance for c in self.checker.deciding)
        return within and all(finding.severity != "alarm" for finding in result)

    def _steps_left(self) -> StepsLeft | None:
        now, rates = self.state, self.rates
        if rates is None or now.steps[-1] > len(rates):
            return None
        return fewest(
            [
                steps_left(
                    c.name,
                    c.tolerance,
                    steps=now.steps,
                    losses=now.losses[c.name],
                    learning_rates=rates,
                )
                for c in self.checker.deciding
            ]
        )

    def _conclude(
        self, result: Sequence[Finding], handles: TrainerHandles, *, before_step: bool = False
    ) -> Action | None:
        """Raise new alarms, and act on them.

        Returns:
            The action; None where no alarm is new.
        """
        now = self.state
        new = [f for f in result if f.severity == "alarm" and f.key not in now.raised]
        if not new:
            return None
        now.raised += [finding.key for finding in new]
        self.alarms += new
        action = self.acting.act(new, now, self.checker, handles, before_step=before_step)
        if self.acting.is_rate_changed:
            self.plan(handles.lr_scheduler, handles.max_steps)
        return action
