"""One monitored training run: start, checks, conclusions."""

import logging
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from transformers import TrainerState, TrainingArguments

from ..capabilities import Capability, Suite
from ..errors import DriftlineError, OutputError, RunError
from ..models import random_states_kept
from ._cadence import affordable_cadence
from .actions import SCHEMA, Acting, MonitorLog, TrainerHandles, unfinished_check
from .detectors import (
    Checker,
    CheckResult,
    Finding,
    MonitorSettings,
    MonitorState,
    count_sustained,
    findings,
    metrics_of,
)
from .handles import is_main, wait_for_all
from .signals import MarginLink, StepReading, StepsLeft, fewest, planned_rates, steps_left

_LOG = logging.getLogger(__name__)
_FOREIGN = (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, OSError)
"""Exceptions of a check other than Driftline's own; they raise an alarm, and training continues."""


_OUT_OF_TURN = 8
"""Checks of a run that a forecast may bring forward: halving eight times comes close enough, and a run
that hovers under a tolerance is not looked at for ever."""


def remembered(state: TrainerState, key: str) -> MonitorState | None:
    """Read what a monitor left in the checkpoint that a run resumes from.

    Args:
        state: The trainer's.
        key: Under which the monitor stands there.

    Returns:
        Its state; None where the checkpoint was written without a monitor.
    """
    held = state.stateful_callbacks.get(key)
    memory = held.get("attributes", {}).get("memory") if isinstance(held, dict) else None
    return None if memory is None else MonitorState.from_value(memory)


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
    alarms: list[Finding] = field(default_factory=list)
    """Raised by this process."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Metrics of the last check, until the trainer logs."""

    def begin(
        self, args: TrainingArguments, dataset: object, suites: Sequence[Suite], *, num_steps: int
    ) -> None:
        """Start a new run: score the base, and run the sensitivity self-test."""
        settings, checker = self.settings, self.checker
        found = affordable_cadence(
            args,
            dataset,
            check_tokens=checker.num_tokens,
            glance_tokens=checker.num_glance_tokens,
            num_steps=num_steps,
            overhead=settings.overhead,
        )
        glances = settings.glance_every_steps
        self.state.every_steps = settings.every_steps or found.every_steps
        self.state.glance_every_steps = found.glance_every_steps if glances is None else glances
        provenances = [suite.provenance() for suite in suites]
        self.log.write(
            "started",
            step=0,
            schema=SCHEMA,
            every_steps=self.state.every_steps,
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
        self._tell_what_the_base_lacks()
        self.log.write("alive", step=0, tripped_at_noise=checker.check_sensitivity())

    def _tell_what_the_base_lacks(self) -> None:
        lacking = [c.name for c in self.checker.capabilities if c.name not in self.checker.held]
        self.log.write(
            "base",
            step=0,
            no_better_than_guessing=list[JsonValue](lacking),
            accuracies=dict[str, JsonValue](self.checker.base_accuracies),
        )
        required = [c.name for c in self.checker.capabilities if c.required and c.name in lacking]
        if required and self.settings.action != "log":
            _LOG.warning(
                "the base is no better than guessing at %s: what it loses there says little; write "
                "`required: false` in the suite",
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

    def is_due(self, step: int) -> bool:
        """Return whether a check follows this step."""
        now = self.state
        return step > 0 and (step % now.every_steps == 0 or step == now.next_check)

    def glance(self, step: int) -> bool:
        """Test between checks whether the output has moved twice as far as at any check so far.

        A loss that grows no faster than the divergence has at most doubled then. Nothing is concluded
        from a glance.

        Args:
            step: The last.

        Returns:
            True if a check is due now; False if no glance is due.
        """
        now, limits = self.state, self.settings.thresholds
        if not now.glance_every_steps or step % now.glance_every_steps:
            return False
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

    def check(self, step_reading: StepReading, handles: TrainerHandles) -> None:
        """Run one check, and turn its errors into alarms."""
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
                found = self._examine(step_reading, handles)
        except RunError as error:
            # Scores or states that are no numbers: nothing is left of what they were.
            self.log.write("check_failed", step=step, reason=str(error))
            found = [Finding("belief_space_collapse", "alarm", (str(error),))]
        except (DriftlineError, *_FOREIGN) as error:
            reason = f"{type(error).__name__}: {error}"
            self.log.write("check_failed", step=step, reason=reason)
            found = [Finding("monitor_failure", "alarm", (f"the check failed: {reason}",))]
        finally:
            watchdog.cancel()
        self._conclude(found, handles)

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
        count_sustained(step_reading, now, self.settings.thresholds)
        look = self.checker.look(step, step_reading, now)
        found = findings(look.reading, self.checker.capabilities, state=now, settings=self.settings)
        now.checked_kl_nats = max(now.checked_kl_nats, look.reading.anchors.kl_suite_nats)
        left = self._steps_left()
        self._bring_forward(step, left)
        fields, self.metrics = metrics_of(look, left, now)
        self.log.write(
            "check",
            step=step,
            **fields,
            warnings=_words(found, "warning"),
            alarms=_words(found, "alarm"),
        )
        if self._is_safe(look, found):
            now.last_safe_step = step
            self.checker.ring.save(handles.model, step)
        return found

    def _is_safe(self, look: CheckResult, found: Sequence[Finding]) -> bool:
        losses = look.reading.mean_losses
        required = [c for c in self.checker.capabilities if c.required]
        within = all(losses[c.name] <= c.tolerance for c in required)
        return within and all(finding.severity != "alarm" for finding in found)

    def _bring_forward(self, step: int, left: StepsLeft | None) -> None:
        """Schedule a check halfway to a forecast crossing that comes before the next one."""
        now = self.state
        now.num_out_of_turn += step == now.next_check and step % now.every_steps > 0
        now.next_check = 0
        ahead = None if left is None else left.steps
        wait = now.every_steps - step % now.every_steps
        if ahead and ahead < wait and now.num_out_of_turn < _OUT_OF_TURN:
            now.next_check = step + max(1, math.floor(ahead / 2))

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
                    link=self._link(c),
                )
                for c in self.checker.capabilities
                if c.required and (c.measure.is_in_nats or self._link(c) is not None)
            ]
        )

    def _link(self, capability: Capability) -> MarginLink | None:
        """Return the link from a margin's forecast to the capability's own metric, if needed."""
        margins, odds = self.state.margins.get(capability.name), self.checker.odds
        # A run that was taken up again from an earlier version remembers no margins.
        if margins is None or len(margins) != len(self.state.steps) or capability.name not in odds:
            return None
        return MarginLink(tuple(margins), odds[capability.name])

    def _conclude(self, found: Sequence[Finding], handles: TrainerHandles) -> None:
        """Raise new alarms, and act on them."""
        now = self.state
        new = [f for f in found if f.severity == "alarm" and f.key not in now.raised]
        now.raised += [finding.key for finding in new]
        self.alarms += new
        if new:
            self.acting.act(new, now, self.checker, handles)
            if self.acting.is_rate_changed:
                self.rates = planned_rates(handles.lr_scheduler, handles.max_steps)


def clear_folder(folder: Path, *, force: bool) -> None:
    """Create the monitor's folder; files of an earlier run are refused, or moved aside.

    Args:
        folder: The folder.
        force: Move it aside, into `earlier-1`, `earlier-2`, and so on.

    Raises:
        OutputError: It holds an earlier run's files, and force is off.
    """
    if is_main():
        left = [path for path in folder.glob("*") if not path.name.startswith("earlier-")]
        if left and not force:
            raise OutputError(
                f"{folder}: holds an earlier run's monitor; give another folder with out=, or "
                "force=True to move it aside"
            )
        folder.mkdir(parents=True, exist_ok=True)
        if left:
            aside = folder / f"earlier-{1 + len(list(folder.glob('earlier-*')))}"
            aside.mkdir()
            for path in left:
                path.rename(aside / path.name)
    wait_for_all()


def _words(found: Sequence[Finding], severity: str) -> list[JsonValue]:
    return [
        {"detector": f.detector, "evidence": list(f.evidence), "capabilities": list(f.capabilities)}
        for f in found
        if f.severity == severity
    ]
