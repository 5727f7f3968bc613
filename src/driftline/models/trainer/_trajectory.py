"""Real optimiser steps of the user's own config, through TRL's own trainer.

Of a copy of the base; the changes of the weights at some steps are kept on disk, as directions.
"""

import copy
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import datasets
import pyarrow.compute
import torch
from peft import PeftModel
from pydantic import JsonValue
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ...errors import ConfigError, RunError
from ...provenance import digest_value
from ..language_model import LanguageModel, weights_change
from ..points import (
    Change,
    StoredDirection,
    as_tensors,
    lora_change,
    store_direction,
    unreadable_field,
)
from ..tuned import merge_adapter
from ._checkpoints import (
    checkpoint_folder,
    is_whole_checkpoint,
    no_room_for_checkpoint,
    remove_pickle,
)
from ._lever_trainer import LeverTrainer
from ._outcome import is_osf, osf_change, scaled_change
from ._probe_trainer import probe_trainer
from .config import TrainingConfig, told_in_one_line
from .data import TrainingData
from .levers import Levers


@dataclass(frozen=True)
class TrainingPlan:
    """What the config means for this data: how many steps, at which learning rates."""

    num_steps: int
    learning_rates: tuple[float, ...]
    """The learning rate of each optimiser step of the whole planned run."""
    example_tokens: tuple[int, ...] = ()
    """Tokens of every example, or packed row, as the trainer has it."""
    examples_per_step: int = 1

    def summed_learning_rate(self, num_steps: float) -> float:
        """Sum of the learning rates of the first steps, a fraction of a step by interpolation."""
        whole = min(int(num_steps), self.num_steps)
        rest = (num_steps - whole) * self.learning_rates[min(whole, self.num_steps - 1)]
        return sum(self.learning_rates[:whole]) + (rest if whole < self.num_steps else 0.0)


class TrainingOutcome(NamedTuple):
    """What came of training."""

    is_whole: bool
    """Every kept step is on disk; otherwise it was ended on the way."""
    num_tokens: int
    """Tokens that went forward and backward, padding left out."""


@dataclass
class Trajectory:
    """The first steps of a planned run, with the change of the weights after some of them."""

    opened: LanguageModel
    config: TrainingConfig
    data: TrainingData
    folder: Path
    """Where the changes are kept; one file a kept step, as large as the weights that moved, or as
    the adapter where plain LoRA is trained."""
    kept_steps: tuple[int, ...]
    """Optimiser steps whose change is kept, ascending; training stops after the last."""
    plan: TrainingPlan
    on_step: Callable[[int], None] = field(default=lambda _step: None)
    frozen: tuple[str, ...] = ()
    """Modules whose weights stay where they are, beside those that the levers freeze; of a full
    fine-tuning only."""
    levers: Levers = field(default_factory=Levers)
    """What holds the run back from forgetting."""
    goes_on: Callable[[int], bool] = field(default=lambda _step: True)
    """Asked after every step, when a kept step's change is on disk; False ends training there."""
    checkpoints: Path | None = None
    """Folder for the trainer's own checkpoint of the last kept step, from which the run can be
    continued; None keeps none."""

    def direction(self, step: int) -> "TrajectoryDirection":
        """The change of the weights after a kept step, to be trained when it is needed."""
        return TrajectoryDirection(self, step)

    def recipe(self, step: int) -> JsonValue:
        """What the change after that step is determined by."""
        recipe: dict[str, JsonValue] = {
            "kind": "update",
            "base": self.opened.digest,
            "config": dict(self.config.values),
            "data": self.data.digest,
            "step": step,
        }
        # Left out where nothing is set, so that what was kept before keeps its name.
        if loaded := self.config.model_options():
            recipe["loaded"] = loaded
        if self.config.loss_on_answers:
            recipe["loss on answers"] = True
        held = self._held
        if held.frozen_modules:
            recipe["frozen"] = list[JsonValue](sorted(held.frozen_modules))
        if levers := held.recipe():
            recipe["levers"] = levers
        return recipe

    def path(self, step: int) -> Path:
        """The file with the change after that step."""
        return self._own_folder / f"update-{step}.safetensors"

    def ensure_trained(self) -> None:
        """Train, unless every kept step is on disk already.

        Raises:
            RunError: Training broke off, or the loss was not finite.
        """
        if not self.train().is_whole:
            raise RunError(f"{self.config.name}: training ended before step {self.kept_steps[-1]}")

    def train(self) -> TrainingOutcome:
        """Train to the last kept step or to where `goes_on` ends it, unless all is on disk already.

        Returns:
            What came of it.

        Raises:
            RunError: Training broke off, or the loss was not finite.
        """
        if self.is_trained():
            return TrainingOutcome(True, self.num_tokens_trained())
        self._own_folder.mkdir(parents=True, exist_ok=True)
        if self.checkpoints is not None:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        with probe_trainer(
            self.opened,
            self.config,
            self.data,
            levers=self._held,
            num_steps=self.plan.num_steps,
            output_dir=self.checkpoints,
        ) as trainer:
            keeper = _Keeper(self, keeps_checkpoint=self._has_room(trainer))
            trainer.add_callback(keeper)
            steps = lambda: int(trainer.state.global_step)  # noqa: E731 - of this trainer alone
            with told_in_one_line(self.config, "the trainer refuses to start", steps):
                trainer.train()
            num_tokens = int(trainer.state.num_input_tokens_seen)
        if not keeper.reached_end:
            return TrainingOutcome(False, num_tokens)
        (partial := self._tokens_file.with_suffix(".partial")).write_text(str(num_tokens), "utf-8")
        partial.replace(self._tokens_file)
        return TrainingOutcome(True, num_tokens)

    def discard(self) -> None:
        """Remove the changes that are kept; they are trained again when they are needed."""
        shutil.rmtree(self._own_folder, ignore_errors=True)

    def is_trained(self) -> bool:
        """Whether every kept step is on disk, and the checkpoint where one is to be kept."""
        is_kept = self.checkpoint is not None or self.no_checkpoint is not None
        return (
            self._tokens_file.exists()
            and all(self.path(s).exists() for s in self.kept_steps)
            and (self.checkpoints is None or is_kept)
        )

    @property
    def checkpoint(self) -> Path | None:
        """Folder of the checkpoint of the last kept step; None where none is kept."""
        if self.checkpoints is None:
            return None
        path = checkpoint_folder(self.checkpoints, self.kept_steps[-1])
        return path if is_whole_checkpoint(path) else None

    @property
    def no_checkpoint(self) -> str | None:
        """Reason for which a checkpoint that was asked for is not kept."""
        return self._refusal.read_text(encoding="utf-8") if self._refusal.exists() else None

    def num_tokens_trained(self) -> int:
        """Tokens that went forward and backward, padding left out; 0 before training."""
        return int(self._tokens_file.read_text(encoding="utf-8")) if self.is_trained() else 0

    def estimated_tokens_per_step(self) -> float:
        """Tokens of one optimiser step, for planning time only."""
        args = self.config.trainer_arguments(self.folder, use_cpu=True)
        if self.plan.example_tokens:
            lengths: Sequence[int] = self.plan.example_tokens
        else:
            sample = [str(list(example.values())) for example in self.data.examples[:64]]
            lengths = [len(tokens) for tokens in self.opened.tokenizer(sample)["input_ids"]]
        longest = args.max_length or max(lengths)
        mean = longest if args.packing else sum(min(n, longest) for n in lengths) / len(lengths)
        return float(mean * args.per_device_train_batch_size * args.gradient_accumulation_steps)

    @property
    def _held(self) -> Levers:
        """The levers, with all that is frozen among them."""
        frozen = dict.fromkeys((*self.frozen, *self.levers.frozen_modules))
        return replace(self.levers, frozen_modules=tuple(frozen))

    def _has_room(self, trainer: LeverTrainer) -> bool:
        """Whether to keep a checkpoint; writes down why not, where the disk has no room for it."""
        self._refusal.unlink(missing_ok=True)
        if self.checkpoints is None:
            return False
        # Of an earlier request, whose changes are in another folder.
        for old in self.checkpoints.glob("checkpoint-*"):
            shutil.rmtree(old)
        reason = no_room_for_checkpoint(trainer, self.checkpoints)
        if reason is not None:
            self._refusal.write_text(reason, encoding="utf-8")
        return reason is None

    @property
    def _refusal(self) -> Path:
        return self._own_folder / "no-checkpoint.txt"

    @property
    def _tokens_file(self) -> Path:
        """Written last, so that it stands for a trajectory that is whole."""
        return self._own_folder / "tokens-trained.txt"

    @property
    def _own_folder(self) -> Path:
        """Named by the recipe, so that a changed config or model never meets an old change."""
        digest = digest_value(self.recipe(self.kept_steps[-1])).removeprefix("sha256:")
        return self.folder / digest[:16]


@dataclass(frozen=True)
class TrajectoryDirection:
    """The change of the weights after one kept step of a trajectory."""

    trajectory: Trajectory
    step: int

    def identity(self) -> JsonValue:
        """The recipe: base, config, data, step."""
        return self.trajectory.recipe(self.step)

    def prepare(self) -> None:
        """Train, if the change is not on disk yet."""
        self.trajectory.ensure_trained()

    def delta(self, name: str, base: Tensor) -> Tensor | None:
        """The change of one weight; None where the run left it alone."""
        stored = StoredDirection(self.trajectory.path(self.step), self.identity())
        return stored.delta(name, base)


def plan_training(
    opened: LanguageModel, config: TrainingConfig, data: TrainingData
) -> TrainingPlan:
    """Work out the planned run's steps and learning rates, without training.

    Args:
        opened: The base model; it is not changed.
        config: The user's config.
        data: The user's data.

    Returns:
        The plan. Cost: tokenising the data, and a copy of the model for as long as it takes.

    Raises:
        ConfigError: The plan has no step.
    """
    config.check_plan()
    with probe_trainer(opened, config, data) as trainer:
        args = trainer.args
        num_steps = args.max_steps
        if num_steps <= 0:
            with told_in_one_line(config, f"with {data.name}, the trainer refuses them"):
                batches = len(trainer.get_train_dataloader())
            updates = max(1, math.ceil(batches / args.gradient_accumulation_steps))
            num_steps = math.ceil(args.num_train_epochs * updates)
        if num_steps < 1:
            raise ConfigError(f"{config.name}: num_train_epochs: the run would have no step")
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=args.learning_rate)
        with told_in_one_line(config, "lr_scheduler_type"):
            scheduler = trainer.create_scheduler(num_steps, optimizer=optimizer)
        rates = []
        for _ in range(num_steps):
            rates.append(float(scheduler.get_last_lr()[0]))
            optimizer.step()
            scheduler.step()
        lengths = _row_lengths(trainer.train_dataset)
        per_step = args.per_device_train_batch_size * args.gradient_accumulation_steps
    return TrainingPlan(num_steps, tuple(rates), lengths, per_step)


def _row_lengths(rows: datasets.Dataset | datasets.IterableDataset) -> tuple[int, ...]:
    """Tokens of each row, counted in Arrow; none where rows come as a stream."""
    if isinstance(rows, datasets.IterableDataset) or "input_ids" not in rows.column_names:
        return ()
    lengths: list[int] = []
    for batch in rows.select_columns("input_ids").with_format("arrow").iter(batch_size=1000):
        lengths += pyarrow.compute.list_value_length(batch.column("input_ids")).to_pylist()
    return tuple(lengths)


class _Keeper(TrainerCallback):  # type: ignore[misc]
    """Keeps the change of the weights after some steps, and stops after the last of them."""

    def __init__(self, trajectory: Trajectory, *, keeps_checkpoint: bool) -> None:
        self._trajectory, self._keeps_checkpoint = trajectory, keeps_checkpoint
        self.reached_end = False

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        planned = self._trajectory.plan.num_steps
        if state.max_steps != planned:
            raise RunError(f"the trainer plans {state.max_steps} steps and we {planned}")

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: torch.nn.Module | None = None,
        **kwargs: object,
    ) -> TrainerControl:
        step, trajectory = state.global_step, self._trajectory
        trajectory.on_step(step)
        if step in trajectory.kept_steps:
            assert model is not None
            change = _change(trajectory.opened, model, trajectory.levers)
            store_direction(trajectory.path(step), change, trajectory.recipe(step))
        self.reached_end = step >= trajectory.kept_steps[-1]
        if self.reached_end and self._keeps_checkpoint:
            control.should_save = True
        elif self.reached_end or not trajectory.goes_on(step):
            control.should_training_stop = True
        return control

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> TrainerControl:
        remove_pickle(checkpoint_folder(Path(args.output_dir), state.global_step))
        # Only now, so that the saved control does not say that training has stopped.
        control.should_training_stop = True
        return control


def _change(opened: LanguageModel, trained: torch.nn.Module, levers: Levers) -> Change:
    """What comes out of a run as a change of the base's weights, whatever adapter was trained."""
    change: Change
    if not isinstance(trained, PeftModel):
        change = weights_change(opened.model, trained)
    else:
        if is_osf(trained):
            change = osf_change(trained)
        elif unreadable_field(trained.peft_config[trained.active_adapter]) is None:
            change = lora_change(trained, opened.model)
        else:
            # On a copy: merging and unmerging would round the weights that are being trained.
            change = weights_change(opened.model, merge_adapter(copy.deepcopy(trained)))
    for name, tensor in as_tensors(change).items():
        if not torch.isfinite(tensor).all():
            weight = name.partition("|")[0]
            raise RunError(f"training made {weight} infinite or NaN; lower the learning rate")
    if not (change := scaled_change(change, levers)):
        raise RunError("training moved no weight; check learning rate, frozen parts, scales of 0")
    return change
