"""`StabilityMonitor`: watches capabilities, representation and steps from inside the trainer."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from ..capabilities import Suite
from ..errors import ConfigError
from ..models import LeverTrainer, scale_update
from ..results import Assessment
from ._cadence import affordable_num_items
from ._earlier_run import clear_folder, remembered
from ._enough_items import begin_with_enough_items
from ._monitored_run import Session
from .actions import Acting, MonitorLog, TrainerHandles
from .detectors import (
    Checker,
    Finding,
    MonitorSettings,
    MonitorState,
    check_group_sizes,
    scored_items,
)
from .handles import LiveModel, standing_at, trained_parameters
from .signals import (
    BatchRecorder,
    StepProbe,
    StepReading,
    critical_relative_norm,
    is_loss_of_labels,
)

LOG_NAME = "monitor.jsonl"


class StabilityMonitor(TrainerCallback, ExportableState):  # type: ignore[misc]
    """Callback that detects collapse, selective loss and instability of a run, and acts.

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
        """Set what to watch; nothing is scored before training begins.

        Args:
            suites: Suites to retain.
            settings: Settings of the monitor.
            out: Folder of `monitor.jsonl`, the base's numbers and snapshots; by default `monitor/`
                in the trainer's output folder.
            assessment: Assessment of this model and config, for the share of its margin that is used.
            force: Move what an earlier run left in the folder aside.

        Raises:
            ConfigError: There is nothing to watch, a capability stands in two suites, or the groups of a
                required one differ in size and no largest one is declared.
        """
        self.settings = settings or MonitorSettings()
        self.capabilities = tuple(c for suite in suites for c in suite.capabilities)
        names = [c.name for c in self.capabilities]
        if not names:
            raise ConfigError("monitor: no suite was given, so there is nothing to watch")
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"monitor: capability {name} stands in two suites; leave one out")
        check_group_sizes(self.capabilities, self.settings)
        self._suites, self._out, self._force = tuple(suites), out, force
        self._critical = None if assessment is None else critical_relative_norm(assessment)
        self.seconds_spent = 0.0
        """In checks, and at the start, by this process."""
        self._scale: Callable[[], None] | None = None
        self._start: Mapping[str, Tensor] | None = None
        self._session: Session | None = None
        self._probe: StepProbe | None = None
        self._recorder: BatchRecorder | None = None

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """Alarms that this process raised."""
        return () if self._session is None else tuple(self._session.alarms)

    def attach(self, trainer: Trainer) -> "StabilityMonitor":
        """Add the monitor to a trainer, before its reporters, so that they get the metrics.

        Args:
            trainer: Any trainer of transformers or TRL.

        Returns:
            The monitor.
        """
        trainer.callback_handler.callbacks.insert(0, self)
        if isinstance(trainer, LeverTrainer) and trainer.levers.is_interpolated:
            self._scale = functools.partial(scale_update, trainer)
        return self

    def take_up(self, start: Mapping[str, Tensor]) -> "StabilityMonitor":
        """Watch a run whose first steps were trained without the monitor, such as by a probe.

        The base is scored at the weights of step 0, and checks begin after the step of the checkpoint
        that training resumes from. A checkpoint that knows the monitor is resumed as always.

        Args:
            start: Trained weights at step 0, by their names in the trainer's model.

        Returns:
            The monitor.
        """
        self._start = start
        return self

    def state(self) -> dict[str, Any]:
        """Return the monitor's state for checkpoints; see transformers' `ExportableState`."""
        held = MonitorState() if self._session is None else self._session.state
        return {"args": {}, "attributes": {"memory": held.to_value()}}

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Score the base and run the sensitivity self-test, or resume from a checkpoint.

        Raises:
            ConfigError: An item cannot be scored, an alarm could never be raised, or the set-up is
                not supported.
            RunError: A checkpoint knows nothing of the monitor.
        """
        began = time.monotonic()
        # Nobody is told of an exception in training, so what the last run left is dropped here.
        self._let_go()
        _check_arguments(args)
        model, loader = kwargs["model"], kwargs["train_dataloader"]
        dataset = None if loader is None else loader.dataset
        folder = self._folder(args)
        live = LiveModel.of(
            model,
            kwargs["processing_class"],
            bfloat16=args.bf16,
            source=_name(model),
            scale=self._scale,
        )
        num_items = self._num_items(args, state, dataset, live)

        def checker_of(num_items: int | dict[str, int] | None) -> Checker:
            return Checker(
                live, scored_items(self.capabilities, num_items, seed=self.settings.seed),
                self.settings, dataset=dataset, folder=folder, critical=self._critical,
            )  # fmt: skip

        checker, log = checker_of(num_items), MonitorLog(folder / LOG_NAME)
        # What this object left there is of the same trainer's last `train()`, and moved aside.
        is_again = self._session is not None
        session = Session(self.settings, checker, log, Acting(self.settings, log), MonitorState())
        self._session = session
        session.state.num_items = num_items
        key = type(self).__name__
        start = functools.partial(
            session.begin, args, dataset, self._suites, num_steps=state.max_steps
        )
        begin = functools.partial(
            begin_with_enough_items, session, start, checker_of, self.capabilities
        )
        if state.global_step == 0:
            clear_folder(folder, force=self._force or is_again)
            begin()
        elif self._start is not None and remembered(state, key) is None:
            clear_folder(folder, force=self._force or is_again)
            with standing_at(trained_parameters(model), self._start, folder):
                begin()
            log.write("taken_up", step=state.global_step)
            # The trainer's next checkpoint expects an entry of every callback with a state.
            state.stateful_callbacks[key] = self.state()
        else:
            session.resume(state, key)
        session.plan(kwargs["lr_scheduler"], state.max_steps)
        if self.settings.step_tokens:
            self._recorder = BatchRecorder(model)
            self._probe = StepProbe(
                live, self.settings.step_tokens, folder, is_loss_of_labels(args)
            )
        self.seconds_spent += time.monotonic() - began

    def on_step_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_kwargs: object,
    ) -> None:
        """Request the batch of a step that a check follows."""
        if self._recorder is not None and self._is_due(state.global_step + 1):
            self._recorder.listen()

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Look at where the step leads, and keep what is needed to measure it after."""
        began = time.monotonic()
        session, coming = self._begun(), state.global_step + 1
        handles = replace(_handles(args, state, control, kwargs), step=coming)
        session.look_ahead(handles, self._folder(args))
        recorder = self._recorder
        if self._probe is not None and recorder is not None and recorder.wanted:
            batch = recorder.take()
            if session.is_due(coming):
                self._probe.before(batch)
        self.seconds_spent += time.monotonic() - began

    def on_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_kwargs: object,
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
        """Run a check if one is due; else log now and then that the monitor is alive."""
        session, handles = self._begun(), _handles(args, state, control, kwargs)
        session.settle(handles)
        if session.is_due(state.global_step):
            reading = StepReading() if self._probe is None else self._probe.reading()
            self._check(reading, handles)
        elif self._glance(state.global_step):
            why = StepReading(reason="a glance asked for this check after the step was taken")
            self._check(why, handles)
        elif session.log.seconds_silent > self.settings.heartbeat_seconds:
            session.log.write("heartbeat", step=state.global_step)
        return control

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> TrainerControl:
        """Check the trainer's logs for spikes, and add Driftline's metrics to them."""
        session = self._session
        if logs is None or session is None or "loss" not in logs:
            return control
        if session.metrics:
            logs.update(session.metrics)
            if state.log_history and state.log_history[-1].get("step") == state.global_step:
                state.log_history[-1].update(session.metrics)
            session.metrics = {}
        session.take_logs(logs, _handles(args, state, control, kwargs))
        return control

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401
    ) -> TrainerControl:
        """Run a last check, unless the last one is of the weights that are left."""
        session = self._begun()
        self._let_go()
        steps, is_back = session.state.steps, session.acting.rolled_back_to is not None
        best = _best_step(args, state)
        if best is not None and not is_back:
            session.log.write("best_model", step=state.global_step, of_step=best)
        if not is_back and (best is not None or not steps or steps[-1] != state.global_step):
            self._check(StepReading(), _handles(args, state, control, kwargs))
        session.log.write("ended", step=state.global_step, alarms=len(session.alarms))
        return control

    def _let_go(self) -> None:
        """Take the hook off the model, and drop the batch and the copy of the weights."""
        if self._recorder is not None:
            self._recorder.close()
        if self._probe is not None:
            self._probe.forget()
        self._recorder = self._probe = None

    def _num_items(
        self, args: TrainingArguments, state: TrainerState, dataset: object, live: LiveModel
    ) -> int | dict[str, int] | None:
        """Choose the items of each capability to score; those of a run that resumes are as they were."""
        held = remembered(state, type(self).__name__) if state.global_step else None
        if held is not None:
            return held.num_items
        if self.settings.num_items is not None:
            return self.settings.num_items
        return affordable_num_items(
            args,
            dataset,
            self.capabilities,
            live,
            num_steps=state.max_steps,
            every_steps=self.settings.every_steps,
            overhead=self.settings.overhead,
            other_tokens=self.settings.tokens_beside_items,
        )

    def _folder(self, args: TrainingArguments) -> Path:
        return self._out or Path(args.output_dir) / "monitor"

    def _check(self, reading: StepReading, handles: TrainerHandles) -> None:
        began = time.monotonic()
        self._begun().check(reading, handles)
        self.seconds_spent += time.monotonic() - began

    def _glance(self, step: int) -> bool:
        began = time.monotonic()
        session = self._begun()
        is_asked_for = session.is_glance_due(step) and session.glance(step)
        self.seconds_spent += time.monotonic() - began
        return is_asked_for

    def _is_due(self, step: int) -> bool:
        return self._begun().is_due(step)

    def _begun(self) -> Session:
        assert self._session is not None, "training has not begun"
        return self._session


def _handles(
    args: TrainingArguments, state: TrainerState, control: TrainerControl, kwargs: dict[str, Any]
) -> TrainerHandles:
    return TrainerHandles(
        step=state.global_step,
        max_steps=state.max_steps,
        output_dir=Path(args.output_dir),
        control=control,
        model=kwargs["model"],
        optimizer=kwargs["optimizer"],
        lr_scheduler=kwargs["lr_scheduler"],
    )


def _best_step(args: TrainingArguments, state: TrainerState) -> int | None:
    """Return the step whose weights the trainer loaded as the best; None where the last ones stayed."""
    best = state.best_model_checkpoint
    if not args.load_best_model_at_end or best is None:
        return None
    step = int(Path(best).name.rpartition("-")[2])
    return None if step == state.global_step else step


def _check_arguments(args: TrainingArguments) -> None:
    if args.restore_callback_states_from_checkpoint:
        raise ConfigError(
            "monitor: restore_callback_states_from_checkpoint would make an empty monitor; remove "
            "it, the monitor takes its state from the checkpoint by itself"
        )
    if args.deepspeed:
        raise ConfigError("monitor: deepspeed is not supported; take DDP or FSDP2")


def _name(model: torch.nn.Module) -> str:
    name: object = getattr(getattr(model, "config", None), "name_or_path", None)
    return name if isinstance(name, str) and name else type(model).__name__
