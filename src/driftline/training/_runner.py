"""`driftline train`: a thin runner over TRL's own trainer, with the monitor on."""

import contextlib
import dataclasses
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import transformers
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import SFTConfig

from ..capabilities import Suite
from ..engine import Progress, RunFolder
from ..errors import ConfigError, OutputError
from ..models import (
    SET_BY_TRAIN,
    LanguageModel,
    Levers,
    LeverTrainer,
    TrainingConfig,
    TrainingData,
    finish,
    last_checkpoint,
    plan_training,
    planned_trainer,
    read_training_data,
    refuse_packing,
    start_weights,
    told_in_one_line,
    with_key,
    with_replay,
    write_training_data,
)
from ..monitor import LOG_NAME, MonitorSettings, StabilityMonitor
from ..results import Assessment, TrainingRun
from ._run_document import RunFacts, training_run
from ._run_start import RunStart, check_start
from ._target_gain import gain_of_run, held_out_rows

CHECKPOINTS, MODEL, MONITOR = "checkpoints", "model", "monitor"
MIXED = "train-with-replay.jsonl"
"""The data that are trained on, where some of them gave way to replay."""
_SECONDS_BETWEEN_LINES = 5.0


@dataclass(frozen=True)
class TrainRequest:
    """Request to train: model, data, protocol and monitor."""

    opened: LanguageModel
    data: TrainingData
    config: TrainingConfig
    suites: tuple[Suite, ...]
    settings: MonitorSettings
    assessment: Assessment | None = None
    levers: Levers = field(default_factory=Levers)
    """Mitigations of the run against forgetting."""
    evaluation: TrainingData | None = None
    """Rows that are set apart: to evaluate on while it trains, where the config asks for that, and to
    measure the gain on at the end."""
    start: RunStart | None = None
    """None trains from step 1."""


def train(
    request: TrainRequest,
    folder: RunFolder,
    *,
    listener: Callable[[Progress], None] = lambda _progress: None,
) -> TrainingRun:
    """Train under the monitor, resuming from the last checkpoint if the folder holds one.

    Without one, training begins at step 1, or at the checkpoint of `request.start`.

    The folder gets `checkpoints/` (TRL's own), `monitor/` (`monitor.jsonl`, snapshots, quarantine) and
    `model/`, the tuned model or adapter with its tokenizer; with replay also the data as mixed.

    Args:
        request: Model, data and settings of the run.
        folder: Open.
        listener: Receives the progress of training, with the margin left and the loss.

    Returns:
        Document of the run.

    Raises:
        ConfigError: The trainer refuses config or data, or the monitor the suites.
        OutputError: The folder holds a model already.
        RunError: Training broke off.
    """
    if (folder.path / MODEL).exists():
        raise OutputError(
            f"{folder.path / MODEL}: is there already; move it, or give another --out"
        )
    checkpoint = last_checkpoint(folder.path / CHECKPOINTS)
    monitor = StabilityMonitor(
        request.suites,
        request.settings,
        out=folder.path / MONITOR,
        assessment=request.assessment,
        # Without a checkpoint a run that was cut off begins again; its log is moved aside.
        force=checkpoint is None,
    )
    began = time.monotonic()
    with _training_of(request, folder.path) as trainer:
        monitor.attach(trainer)
        if checkpoint is None and request.start is not None:
            check_start(
                request.start,
                trainer.args,
                request.config,
                request.data,
                evaluates=trainer.eval_dataset is not None,
            )
            checkpoint = request.start.checkpoint
            monitor.take_up(start_weights(trainer))
            trainer.add_callback(_OwnBookkeeping())
        trainer.add_callback(_Teller(listener))
        steps = lambda: int(trainer.state.global_step)  # noqa: E731 - of this trainer alone
        with told_in_one_line(request.config, "the trainer refuses to start", steps):
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        finish(trainer)
        trainer.save_model(str(folder.path / MODEL))
        # With the template and the end of text that the run was trained with.
        trainer.processing_class.save_pretrained(str(folder.path / MODEL))
        held_out = held_out_rows(request.evaluation, request.data)
        facts = RunFacts(
            log=folder.path / MONITOR / LOG_NAME,
            planned_steps=trainer.state.max_steps,
            wall_seconds=time.monotonic() - began,
            monitor_seconds=monitor.seconds_spent,
            model_folder=MODEL,
            probe_steps=0 if request.start is None else request.start.step,
            target=None
            if held_out is None
            else gain_of_run(
                request.opened, trainer, held_out, request.config, seed=request.settings.seed
            ),
        )
    return training_run(
        facts,
        opened=request.opened,
        data=request.data,
        config=request.config,
        levers=request.levers,
        suites=request.suites,
        settings=request.settings,
    )


@contextlib.contextmanager
def _training_of(request: TrainRequest, folder: Path) -> Iterator[LeverTrainer]:
    """Build TRL's trainer on a copy of the model, with the user's own fields."""
    opened, config = request.opened, request.config
    refuse_packing(config)
    if opened.packing is not None or opened.is_offloaded:
        raise ConfigError(
            f"{opened.source}: is quantised or offloaded, which train does not support; train it "
            "with TRL itself and attach StabilityMonitor to the trainer"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data, num_steps = _mixed(request, folder / MIXED)
    args = _arguments(config, folder / CHECKPOINTS, use_cpu=opened.device.type == "cpu")
    level = transformers.utils.logging.get_verbosity()
    try:
        with planned_trainer(
            opened,
            config,
            data,
            arguments=args,
            levers=request.levers,
            num_steps=num_steps,
            evaluation=request.evaluation if config.evaluates else None,
        ) as trainer:
            yield trainer
    finally:
        transformers.utils.logging.set_verbosity(level)


def _mixed(request: TrainRequest, path: Path) -> tuple[TrainingData, int | None]:
    """Return the data with replay, read from disk, so that a resumed run sees the same rows.

    Returns:
        The data, and the steps that the run keeps; None where nothing is replayed.
    """
    levers = request.levers
    if not levers.replay_share:
        return request.data, None
    levers.check(request.config)
    num_steps = plan_training(request.opened, request.config, request.data).num_steps
    if not path.exists():
        data = with_replay(
            request.opened, request.config, request.data, levers=levers, num_steps=num_steps
        )
        write_training_data(data, path)
    return read_training_data(path, config=request.config.without("dataset_train_split")), num_steps


def _arguments(config: TrainingConfig, output_dir: Path, *, use_cpu: bool) -> SFTConfig:
    """Return TRL's arguments: all fields of the user's; reporting only if asked for."""
    fields = {field.name for field in dataclasses.fields(SFTConfig) if field.init} - SET_BY_TRAIN
    # How the weights are loaded: the trainer is given them as they are to be.
    fields -= {"model_init_kwargs", "trust_remote_code"}
    chosen: dict[str, object] = {"report_to": "none", "logging_steps": 1}
    chosen |= {key: value for key, value in config.values.items() if key in fields}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return SFTConfig(
                **chosen, output_dir=str(output_dir), use_cpu=use_cpu, disable_tqdm=True
            )
    except (TypeError, ValueError, ImportError, RuntimeError, OSError) as error:
        raise ConfigError(f"{config.name}: {with_key(error, chosen)}") from error


class _OwnBookkeeping(TrainerCallback):  # type: ignore[misc]
    """Logs, evaluates and saves as the run's own arguments say, and not as the probe's checkpoint does.

    Until training begins, transformers does not warn that the two differ.
    """

    def __init__(self) -> None:
        self._level = transformers.utils.logging.get_verbosity()
        transformers.utils.logging.set_verbosity_error()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        transformers.utils.logging.set_verbosity(self._level)
        state.compute_steps(args, state.max_steps)


class _Teller(TrainerCallback):  # type: ignore[misc]
    """Callback that reports progress, with loss and margin."""

    def __init__(self, listener: Callable[[Progress], None]) -> None:
        self._listener, self._began, self._told = listener, time.monotonic(), 0.0
        self._first: int | None = None
        self._left = ""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        self._began, self._first = time.monotonic(), state.global_step

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        if logs is None or "loss" not in logs:
            return
        if "drift/kl_suite_nats" in logs:
            left = logs.get("drift/steps_left")
            self._left = "" if left is None else f", {left:.0f} steps to the tolerance"
        now = time.monotonic()
        if now - self._told < _SECONDS_BETWEEN_LINES and state.global_step < state.max_steps:
            return
        self._told = now
        done = state.global_step - (self._first or 0)
        each = (now - self._began) / max(1, done)
        stage = f"step {state.global_step}/{state.max_steps}, loss {logs['loss']:.3g}{self._left}"
        self._listener(
            Progress(
                stage,
                state.global_step / max(1, state.max_steps),
                each * (state.max_steps - state.global_step),
            )
        )
