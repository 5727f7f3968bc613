"""Real optimiser steps of the user's own config, through TRL's own trainer.

Of a copy of the base; the changes of the weights at some steps are kept on disk, as directions.
"""

import copy
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import torch
from peft import PeftModel
from pydantic import JsonValue
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ...errors import RunError
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
from ._random_states import random_states_kept
from ._training_plan import TrainingPlan
from .config import TrainingConfig, told_in_one_line
from .data import TrainingData
from .levers import Levers


class TrainingOutcome(NamedTuple):
    """Result of training."""

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
    """Folder of the changes; one file per kept step, as large as the weights that moved, or as the
    adapter if plain LoRA is trained."""
    kept_steps: tuple[int, ...]
    """Optimiser steps whose change is kept, ascending; training stops after the last."""
    plan: TrainingPlan
    on_step: Callable[[int], None] = field(default=lambda _step: None)
    frozen: tuple[str, ...] = ()
    """Modules whose weights stay fixed, in addition to those that the levers freeze; of a full
    fine-tuning only."""
    levers: Levers = field(default_factory=Levers)
    """Mitigations of the run against forgetting."""
    goes_on: Callable[[int], bool] = field(default=lambda _step: True)
    """Asked after every step, when a kept step's change is on disk; False ends training there."""
    checkpoints: Path | None = None
    """Folder for the trainer's own checkpoint of the last kept step, from which the run can be
    continued; None keeps none."""

    def __post_init__(self) -> None:
        """Remember the last step that was asked for, which names the folder."""
        self._asked_step = self.kept_steps[-1] if self.kept_steps else 0
        self._is_enough: Callable[[int], bool] | None = None

    def end_where(self, is_enough: Callable[[int], bool]) -> None:
        """Have training end at the first kept step that is enough; later kept steps are dropped.

        Args:
            is_enough: Asked when a kept step's change is on disk, with that step; it may score the model
                there. All random states are put back after it.
        """
        self._is_enough = is_enough
        if self._end_file.exists():
            self._drop_after(int(self._end_file.read_text(encoding="utf-8")))

    def ends_at(self, step: int) -> bool:
        """Tell whether training ends at a kept step, and drop the later ones where it does.

        Args:
            step: Its change is on disk.

        Returns:
            Whether it is the last kept step now.
        """
        if self._is_enough is not None and step < self.kept_steps[-1]:
            with random_states_kept():
                is_enough = self._is_enough(step)
            if is_enough:
                (partial := self._end_file.with_suffix(".partial")).write_text(str(step), "utf-8")
                partial.replace(self._end_file)
                self._drop_after(step)
        return step >= self.kept_steps[-1]

    def _drop_after(self, step: int) -> None:
        self.kept_steps = tuple(each for each in self.kept_steps if each <= step)

    def direction(self, step: int) -> "TrajectoryDirection":
        """Return the change of the weights after a kept step, to be trained when it is needed."""
        return TrajectoryDirection(self, step)

    def recipe(self, step: int) -> JsonValue:
        """Return the value that determines the change after that step."""
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
        """Return the file with the change after that step."""
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
            Result of the training.

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
        """Return whether every kept step is on disk, and the checkpoint if one is to be kept."""
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
        """Count the tokens that went forward and backward, without padding; 0 before training."""
        return int(self._tokens_file.read_text(encoding="utf-8")) if self.is_trained() else 0

    def estimated_tokens_per_step(self) -> float:
        """Estimate the tokens of one optimiser step, for planning time only."""
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
        """Return whether the disk has room for a checkpoint; records the reason if not."""
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
        digest = digest_value(self.recipe(self._asked_step)).removeprefix("sha256:")
        return self.folder / digest[:16]

    @property
    def _end_file(self) -> Path:
        """Holds the step that was enough."""
        return self._own_folder / "ended-at.txt"


@dataclass(frozen=True)
class TrajectoryDirection:
    """The change of the weights after one kept step of a trajectory."""

    trajectory: Trajectory
    step: int

    def identity(self) -> JsonValue:
        """Return the recipe: base, config, data, step."""
        return self.trajectory.recipe(self.step)

    def prepare(self) -> None:
        """Train, if the change is not on disk yet."""
        if not self.trajectory.path(self.step).exists():
            self.trajectory.ensure_trained()

    def delta(self, name: str, base: Tensor) -> Tensor | None:
        """Return the change of one weight; None if the run did not change it."""
        stored = StoredDirection(self.trajectory.path(self.step), self.identity())
        return stored.delta(name, base)


class _Keeper(TrainerCallback):  # type: ignore[misc]
    """Callback that stores the change of the weights after some steps, and stops after the last."""

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
            self.reached_end = trajectory.ends_at(step)
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
    """Return a run's result as a change of the base's weights, whatever adapter was trained."""
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
