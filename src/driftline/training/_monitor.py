"""`StabilityMonitor`: watches capabilities, representation and steps from inside the trainer."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from pydantic import JsonValue
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from ..capabilities import Suite
from ..errors import ConfigError, DriftlineError, OutputError, RunError
from ..results import Assessment
from ._acting import Acting, Hands
from ._cadence import steps_between_checks
from ._check import Checker, Look
from ._detectors import Finding, count_sustained, findings
from ._live import LiveModel
from ._log import SCHEMA, MonitorLog, unfinished_check
from ._metrics import metrics_of
from ._reforecast import StepsLeft, fewest, planned_rates, steps_left
from ._settings import MonitorSettings
from ._sharded import is_main, wait_for_all
from ._state import MonitorState
from ._step_probe import BatchRecorder, StepProbe, StepReading
from ._update_norm import critical_relative_norm

LOG_NAME = "monitor.jsonl"
_FOREIGN = (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, OSError)
"""What a check may raise beside our own errors; it is an alarm, and training need not die of it."""


class StabilityMonitor(TrainerCallback, ExportableState):  # type: ignore[misc]
    """Watches a fine-tuning run for collapse, selective loss and instability, and acts.

    One line in any trainer of transformers or TRL:

        StabilityMonitor([read_suite("core")]).attach(trainer)

    or `callbacks=[monitor]`, where metrics then reach only those reporters that come after it. With
    the actions `log` and `warn` the run is, bit for bit, the one without the monitor: weights,
    optimiser state, random states.

    What an alarm of a required capability means stands in `driftline.stats.look_evidence`.
    """

    def __init__(
        self,
        suites: Sequence[Suite],
        settings: MonitorSettings | None = None,
        *,
        out: Path | None = None,
        assessment: Assessment | None = None,
        force: bool = False,
    ) -> None:
        """Say what to watch; nothing is scored before training begins.

        Args:
            suites: What must not break.
            settings: How often to look and what to do.
            out: Folder of `monitor.jsonl`, the base's numbers and snapshots; by default `monitor/`
                in the trainer's output folder.
            assessment: Of this model and config, for the share of its margin that is used.
            force: Move what an earlier run left in the folder aside.

        Raises:
            ConfigError: There is nothing to watch, or a capability stands in two suites.
        """
        self.settings = settings or MonitorSettings()
        self.capabilities = tuple(c for suite in suites for c in suite.capabilities)
        names = [c.name for c in self.capabilities]
        if not names:
            raise ConfigError("monitor: no suite was given, so there is nothing to watch")
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"monitor: capability {name} stands in two suites; leave one out")
        self._suites, self._out, self._force = tuple(suites), out, force
        self._critical = None if assessment is None else critical_relative_norm(assessment)
        self.state_now = MonitorState()
        self.alarms: list[Finding] = []
        """Raised by this process."""
        self.seconds_spent = 0.0
        """In checks, and at the start, by this process."""
        self._checker: Checker | None = None
        self._log: MonitorLog | None = None
        self._probe: StepProbe | None = None
        self._recorder: BatchRecorder | None = None
        self._acting: Acting | None = None
        self._rates: tuple[float, ...] | None = None
        self._metrics: dict[str, float] = {}

    def attach(self, trainer: Trainer) -> "StabilityMonitor":
        """Add the monitor to a trainer, before its reporters, so that they get the metrics.

        Args:
            trainer: Any trainer of transformers or TRL.

        Returns:
            The monitor.
        """
        trainer.callback_handler.callbacks.insert(0, self)
        return self

    def state(self) -> dict[str, Any]:
        """For the trainer's checkpoints; see transformers' `ExportableState`."""
        return {"args": {}, "attributes": {"memory": self.state_now.to_value()}}

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: torch.nn.Module | None = None,
        processing_class: object = None,
        train_dataloader: Any = None,  # noqa: ANN401
        lr_scheduler: object = None,
        **_kwargs: object,
    ) -> None:
        """Score the base and prove to be alive, or take up where a checkpoint stands.

        Raises:
            ConfigError: An item cannot be scored, an alarm could never be raised, or the set-up is
                not supported.
            RunError: A checkpoint knows nothing of the monitor.
        """
        began = time.monotonic()
        assert model is not None
        _check_arguments(args)
        folder = self._out or Path(args.output_dir) / "monitor"
        live = LiveModel.of(model, processing_class, bfloat16=args.bf16, source=_name(model))
        dataset = getattr(train_dataloader, "dataset", None)
        checker = Checker(
            live,
            self.capabilities,
            self.settings,
            dataset=dataset,
            folder=folder,
            critical=self._critical,
        )
        self._checker, self._log = checker, MonitorLog(folder / LOG_NAME)
        self._acting = Acting(self.settings, self._log)
        if state.global_step == 0:
            self._begin(folder, args, dataset, checker)
        else:
            self._resume(state, checker)
        self._rates = planned_rates(lr_scheduler, state.max_steps)
        if self.settings.step_tokens:
            self._recorder = BatchRecorder(model)
            self._probe = StepProbe(live, self.settings.step_tokens)
        self.seconds_spent += time.monotonic() - began

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_kwargs: object
    ) -> None:
        """Before a step that a check follows, ask for its batch."""
        if self._recorder is not None:
            self._recorder.wanted = self._is_due(state.global_step + 1)
            self._recorder.batch = None

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        optimizer: object = None,
        **_kwargs: object,
    ) -> None:
        """Measure the curvature along the preconditioned gradient."""
        if self._probe is not None and self._recorder is not None and self._recorder.wanted:
            self._recorder.wanted = False
            began = time.monotonic()
            self._probe.before(self._recorder.batch, optimizer)
            self._recorder.batch = None
            self.seconds_spent += time.monotonic() - began

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_kwargs: object
    ) -> None:
        """Measure what the step did."""
        if self._probe is not None and self._is_due(state.global_step + 1):
            began = time.monotonic()
            self._probe.after()
            self.seconds_spent += time.monotonic() - began

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401
    ) -> TrainerControl:
        """Check, where one is due; else say now and then that the monitor is alive."""
        assert self._log is not None
        if self._is_due(state.global_step):
            self._check(_hands(args, state, control, kwargs))
        elif self._log.seconds_silent > self.settings.heartbeat_seconds:
            self._log.write("heartbeat", step=state.global_step)
        return control

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> TrainerControl:
        """Look for spikes in what the trainer logs, and add our metrics to it."""
        if logs is None or self._acting is None or "loss" not in logs:
            return control
        if self._metrics:
            logs.update(self._metrics)
            if state.log_history and state.log_history[-1].get("step") == state.global_step:
                state.log_history[-1].update(self._metrics)
            self._metrics = {}
        limits, now = self.settings.thresholds, self.state_now
        seen = [
            watch.take(
                float(logs[key]), deviations=limits.spike_deviations, factor=limits.spike_factor
            )
            for key, watch in (("grad_norm", now.grad_norm), ("loss", now.loss))
            if key in logs
        ]
        told = tuple(words for words in seen if words is not None)
        if told:
            self._on_spikes(told, _hands(args, state, control, kwargs))
        return control

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401
    ) -> TrainerControl:
        """Look once more where the last check is not of the last step."""
        assert self._log is not None
        rolled_back = self._acting is not None and self._acting.rolled_back_to is not None
        steps = self.state_now.steps
        if not rolled_back and (not steps or steps[-1] != state.global_step):
            self._check(_hands(args, state, control, kwargs))
        self._log.write("ended", step=state.global_step, alarms=len(self.alarms))
        if self._recorder is not None:
            self._recorder.close()
        return control

    def _begin(
        self, folder: Path, args: TrainingArguments, dataset: object, checker: Checker
    ) -> None:
        """A new run: clear the way, score the base, prove to be alive."""
        assert self._log is not None
        _clear(folder, force=self._force)
        self.state_now = MonitorState(
            every_steps=self.settings.every_steps
            or steps_between_checks(
                args, dataset, checker.num_tokens, overhead=self.settings.overhead
            )
        )
        self._log.write(
            "started",
            step=0,
            schema=SCHEMA,
            every_steps=self.state_now.every_steps,
            alpha=self.settings.alpha,
            action=self.settings.action,
            check_tokens=checker.num_tokens,
            suites=[
                {"name": s.provenance().name, "digest": s.provenance().digest} for s in self._suites
            ],
            required=[c.name for c in self.capabilities if c.required],
        )
        checker.read_base()
        noise = checker.prove_alive()
        self._log.write("alive", step=0, tripped_at_noise=noise)

    def _resume(self, state: TrainerState, checker: Checker) -> None:
        """A run that goes on: what was remembered, and what the base scored."""
        assert self._log is not None and self._acting is not None
        held = state.stateful_callbacks.get(type(self).__name__)
        memory = held.get("attributes", {}).get("memory") if isinstance(held, dict) else None
        if memory is None:
            raise RunError(
                "monitor: the checkpoint was written without the monitor, so what the base could do "
                "is not known; start from step 0"
            )
        self.state_now = MonitorState.from_value(memory)
        checker.restore_base()
        unfinished = unfinished_check(self._log.path)
        self._log.write("resumed", step=state.global_step)
        if unfinished is not None:
            self._log.write("check_unfinished", step=state.global_step, of_step=unfinished)

    def _is_due(self, step: int) -> bool:
        return step > 0 and step % self.state_now.every_steps == 0

    def _check(self, hands: Hands) -> None:
        """One check from beginning to end, whatever happens in it."""
        assert self._log is not None and self._checker is not None and self._acting is not None
        began, step = time.monotonic(), hands.step
        self._log.write("check_begun", step=step)
        watchdog = threading.Timer(
            self.settings.check_timeout_seconds,
            self._log.write,
            args=("check_overdue",),
            kwargs={"step": step, "seconds": self.settings.check_timeout_seconds},
        )
        watchdog.daemon = True
        watchdog.start()
        try:
            found = self._examine(hands)
        except RunError as error:
            # Scores or states that are no numbers: nothing is left of what they were.
            self._log.write("check_failed", step=step, reason=str(error))
            found = [Finding("belief_space_collapse", "alarm", (str(error),))]
        except (DriftlineError, *_FOREIGN) as error:
            reason = f"{type(error).__name__}: {error}"
            self._log.write("check_failed", step=step, reason=reason)
            found = [Finding("monitor_failure", "alarm", (f"the check failed: {reason}",))]
        finally:
            watchdog.cancel()
        self._conclude(found, hands)
        self.seconds_spent += time.monotonic() - began

    def _examine(self, hands: Hands) -> list[Finding]:
        """Measure, write it down, and hear the detectors."""
        assert self._log is not None and self._checker is not None
        step, now = hands.step, self.state_now
        step_reading = self._probe.reading() if self._probe is not None else StepReading()
        count_sustained(step_reading, now, self.settings.thresholds)
        look = self._checker.look(step, step_reading, now)
        left = self._steps_left()
        found = findings(look.reading, self.capabilities, state=now, settings=self.settings)
        fields, self._metrics = metrics_of(look, left, now)
        self._log.write(
            "check", step=step, **fields, warnings=_words(found, "warning"), alarms=_words(found, "alarm")
        )
        if self._is_safe(look, found):
            now.last_safe_step = step
            self._checker.ring.save(hands.model, step)
        return found

    def _is_safe(self, look: Look, found: list[Finding]) -> bool:
        within = all(
            look.reading.mean_losses[c.name] <= c.tolerance for c in self.capabilities if c.required
        )
        return within and all(finding.severity != "alarm" for finding in found)

    def _steps_left(self) -> StepsLeft | None:
        now = self.state_now
        if self._rates is None:
            return None
        return fewest(
            [
                steps_left(
                    c.name,
                    c.tolerance,
                    steps=now.steps,
                    losses=now.losses[c.name],
                    learning_rates=self._rates,
                )
                for c in self.capabilities
                if c.required and c.metric.endswith("_nats") and now.steps[-1] <= len(self._rates)
            ]
        )

    def _on_spikes(self, told: tuple[str, ...], hands: Hands) -> None:
        """Write spikes down; several of them are an alarm without waiting for a check."""
        assert self._log is not None
        self._log.write("spike", step=hands.step, evidence=list(told))
        now, limits = self.state_now, self.settings.thresholds
        spikes = sum(w.num_recent(limits.spike_window) for w in (now.grad_norm, now.loss))
        is_broken = any("not finite" in words for words in told)
        if spikes >= limits.num_spikes or is_broken:
            self._conclude([Finding("instability_amplification", "alarm", told)], hands)

    def _conclude(self, found: list[Finding], hands: Hands) -> None:
        """Raise what is new, and act on it."""
        assert self._acting is not None and self._checker is not None
        now = self.state_now
        new = [f for f in found if f.severity == "alarm" and f.key not in now.raised]
        now.raised += [finding.key for finding in new]
        self.alarms += new
        if new:
            self._acting.act(new, now, self._checker, hands)
            if self._acting.is_rate_changed:
                self._rates = planned_rates(hands.lr_scheduler, hands.max_steps)


def _hands(
    args: TrainingArguments, state: TrainerState, control: TrainerControl, kwargs: dict[str, Any]
) -> Hands:
    return Hands(
        step=state.global_step,
        max_steps=state.max_steps,
        output_dir=Path(args.output_dir),
        control=control,
        model=kwargs["model"],
        optimizer=kwargs["optimizer"],
        lr_scheduler=kwargs["lr_scheduler"],
    )


def _words(found: Sequence[Finding], severity: str) -> list[JsonValue]:
    return [
        {"detector": f.detector, "evidence": list(f.evidence), "capabilities": list(f.capabilities)}
        for f in found
        if f.severity == severity
    ]


def _check_arguments(args: TrainingArguments) -> None:
    if args.restore_callback_states_from_checkpoint:
        raise ConfigError(
            "monitor: restore_callback_states_from_checkpoint would make an empty monitor; remove "
            "it, the monitor takes its state from the checkpoint by itself"
        )
    if args.deepspeed:
        raise ConfigError("monitor: deepspeed is not supported; take DDP or FSDP2")


def _clear(folder: Path, *, force: bool) -> None:
    """Make the folder; what an earlier run left is refused, or with force moved aside."""
    if is_main():
        left = [path for path in folder.glob("*") if not path.name.startswith("earlier-")]
        if left and not force:
            raise OutputError(
                f"{folder}: holds an earlier run's monitor; give another folder with out=, or "
                "force=True to move it aside"
            )
        folder.mkdir(parents=True, exist_ok=True)
        if left:
            number = 1 + len(list(folder.glob("earlier-*")))
            aside = folder / f"earlier-{number}"
            aside.mkdir()
            for path in left:
                path.rename(aside / path.name)
    wait_for_all()


def _name(model: torch.nn.Module) -> str:
    config = getattr(model, "config", None)
    is_known = isinstance(config, transformers.PreTrainedConfig)
    return str(config.name_or_path or type(model).__name__) if is_known else type(model).__name__
