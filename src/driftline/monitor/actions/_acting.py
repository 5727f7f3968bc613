"""Actions on alarms: logged, then done, then logged as done."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import JsonValue
from transformers import TrainerControl

from ..detectors import Action, Checker, Finding, MonitorSettings, MonitorState
from ._interventions import forget_moments, last_safe, lower_learning_rate, roll_back
from ._log import MonitorLog

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainerHandles:
    """Parts of the trainer that an action uses."""

    step: int
    max_steps: int
    output_dir: Path
    control: TrainerControl
    model: torch.nn.Module
    optimizer: object
    lr_scheduler: object


class Acting:
    """Runner of the actions that the user chose for alarms."""

    def __init__(self, settings: MonitorSettings, log: MonitorLog) -> None:
        """Store the user's choices."""
        self._settings, self._log = settings, log
        self.rolled_back_to: int | None = None
        """The step whose weights the model holds; None where it was not rolled back for good."""
        self.is_rate_changed = False

    def act(
        self,
        alarms: Sequence[Finding],
        state: MonitorState,
        checker: Checker,
        handles: TrainerHandles,
        *,
        before_step: bool = False,
    ) -> Action:
        """Act once on some alarms.

        Args:
            state: Interventions are counted there.
            checker: Has the snapshots, and scores after a roll-back.
            handles: The trainer's parts.
            before_step: The step was looked at, and is not taken yet.

        Returns:
            The action that was taken.
        """
        self.is_rate_changed = False
        action: Action = self._settings.action
        changes_run = action in ("lower_learning_rate", "roll_back")
        if changes_run and state.num_interventions >= self._settings.max_interventions:
            action = "stop"
        for alarm in alarms:
            self._log.write(
                "alarm",
                step=handles.step,
                detector=alarm.detector,
                capabilities=list(alarm.capabilities),
                evidence=list(alarm.evidence),
                action=action,
                before_step=before_step,
            )
            if action != "log":
                told = "; ".join(alarm.evidence)
                when = "before step" if before_step else "step"
                _LOG.warning("%s %d: %s: %s", when, handles.step, alarm.detector, told)
        if action in ("log", "warn"):
            return action
        self._log.write("action", step=handles.step, action=action)
        outcome = self._take(action, state, checker, handles)
        self._log.write("action_done", step=handles.step, action=action, **outcome)
        return action

    def _take(
        self, action: Action, state: MonitorState, checker: Checker, handles: TrainerHandles
    ) -> dict[str, JsonValue]:
        if action == "stop":
            handles.control.should_training_stop = True
            return {}
        state.num_interventions += 1
        if action == "lower_learning_rate":
            return {"learning_rate": self._lower(handles)}
        return self._roll_back(state, checker, handles)

    def _lower(self, handles: TrainerHandles) -> float:
        self.is_rate_changed = True
        return lower_learning_rate(
            handles.optimizer, handles.lr_scheduler, self._settings.lower_factor
        )

    def _roll_back(
        self, state: MonitorState, checker: Checker, handles: TrainerHandles
    ) -> dict[str, JsonValue]:
        safe = last_safe(checker.ring.steps(), state.last_safe_step)
        apart, moved = roll_back(
            handles.model,
            checker.ring,
            step=handles.step,
            safe_step=safe,
            output_dir=handles.output_dir,
        )
        means = checker.means()
        beyond: list[JsonValue] = [c.name for c in checker.deciding if means[c.name] > c.tolerance]
        outcome: dict[str, JsonValue] = {
            "to_step": safe,
            "quarantine": apart,
            "checkpoints_moved": list[JsonValue](moved),
            "losses": dict(means),
            "required_beyond_tolerance": beyond,
        }
        if self._settings.after_roll_back == "stop":
            self.rolled_back_to = safe
            handles.control.should_training_stop = True
            return outcome
        # What was learnt about the damaged weights says nothing of what comes now.
        state.raised.clear()
        state.evidence.clear()
        state.num_unpredictable = 0
        state.checked_kl_nats, state.next_check, state.num_out_of_turn = 0.0, 0, 0
        state.num_restarts += 1
        forget_moments(handles.optimizer)
        return {**outcome, "learning_rate": self._lower(handles)}
