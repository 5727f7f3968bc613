"""Real optimiser steps of the user's own config, through TRL's own trainer.

Of a copy of the base; the changes of the weights at some steps are kept on disk, as directions.
"""

import contextlib
import copy
import math
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy
import torch
import transformers
from peft import PeftModel
from pydantic import JsonValue
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..errors import ConfigError, RunError
from ..provenance import digest_value
from ._directions import Change, StoredDirection, as_tensors, store_direction
from ._failures import trainer_failures_named
from ._lever_outcome import is_osf, osf_change, scaled_change
from ._lever_trainer import LeverTrainer, lever_trainer
from ._levers import Levers
from ._low_rank import lora_change, unreadable_field
from ._opening import LanguageModel
from ._replay import with_replay
from ._training_config import TrainingConfig
from ._training_data import TrainingData
from ._tuned_adapter import merge_adapter
from ._weights import weights_change


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
        with _trainer(
            self.opened, self.config, self.data, levers=self._held, num_steps=self.plan.num_steps
        ) as trainer:
            keeper = _Keeper(self)
            trainer.add_callback(keeper)
            trainer.train()
            num_tokens = int(trainer.state.num_input_tokens_seen)
        if not keeper.reached_end:
            return TrainingOutcome(False, num_tokens)
        self._tokens_file.write_text(str(num_tokens), encoding="utf-8")
        return TrainingOutcome(True, num_tokens)

    def discard(self) -> None:
        """Remove the changes that are kept; they are trained again when they are needed."""
        shutil.rmtree(self._own_folder, ignore_errors=True)

    def is_trained(self) -> bool:
        """Whether every kept step is on disk."""
        return self._tokens_file.exists() and all(self.path(s).exists() for s in self.kept_steps)

    def num_tokens_trained(self) -> int:
        """Tokens that went forward and backward, padding left out; 0 before training."""
        return int(self._tokens_file.read_text(encoding="utf-8")) if self.is_trained() else 0

    def estimated_tokens_per_step(self) -> float:
        """Tokens of one optimiser step, from the first examples; for planning time only."""
        args = self.config.trainer_arguments(self.folder, use_cpu=True)
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
    with _trainer(opened, config, data) as trainer:
        args = trainer.args
        batches = len(trainer.get_train_dataloader())
        updates = max(1, math.ceil(batches / args.gradient_accumulation_steps))
        num_steps = (
            args.max_steps if args.max_steps > 0 else math.ceil(args.num_train_epochs * updates)
        )
        if num_steps < 1:
            raise ConfigError(f"{config.name}: num_train_epochs: the run would have no step")
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=args.learning_rate)
        scheduler = trainer.create_scheduler(num_steps, optimizer=optimizer)
        rates = []
        for _ in range(num_steps):
            rates.append(float(scheduler.get_last_lr()[0]))
            optimizer.step()
            scheduler.step()
        rows = trainer.train_dataset
        tokens = rows["input_ids"] if "input_ids" in rows.column_names else ()
        lengths = tuple(len(ids) for ids in tokens)
        per_step = args.per_device_train_batch_size * args.gradient_accumulation_steps
    return TrainingPlan(num_steps, tuple(rates), lengths, per_step)


class _Keeper(TrainerCallback):  # type: ignore[misc]
    """Keeps the change of the weights after some steps, and stops after the last of them."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._trajectory = trajectory
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
        if self.reached_end or not trajectory.goes_on(step):
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


@contextlib.contextmanager
def _trainer(
    opened: LanguageModel,
    config: TrainingConfig,
    data: TrainingData,
    *,
    levers: Levers | None = None,
    num_steps: int = 0,
) -> Iterator[LeverTrainer]:
    """TRL's trainer on a copy of the model; random states and progress bars are put back."""
    levers = Levers() if levers is None else levers
    _check_base(opened, config)
    with (
        tempfile.TemporaryDirectory(prefix="driftline-") as output_dir,
        _random_states_kept(),
        _quiet_datasets(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        on_cpu = opened.device.type == "cpu"
        args = config.trainer_arguments(Path(output_dir), use_cpu=on_cpu)
        args.include_num_input_tokens_seen = "non_padding"
        transformers.set_seed(args.seed)
        if levers.replay_share:
            data = with_replay(opened, config, data, levers=levers, num_steps=num_steps)
            # Other lengths would pack into another number of batches.
            args.max_steps = num_steps
        trainer = lever_trainer(opened, config, data, arguments=args, levers=levers)
        if trainer.args.n_gpu > 1 or trainer.args.world_size > 1:
            raise ConfigError(
                f"{trainer.args.n_gpu} GPUs and {trainer.args.world_size} processes: distributed "
                "runs are not supported; show one GPU with CUDA_VISIBLE_DEVICES=0"
            )
        # Printing is for the user's own run.
        trainer.remove_callback(transformers.PrinterCallback)
        with trainer_failures_named(config.name):
            yield trainer


def _check_base(opened: LanguageModel, config: TrainingConfig) -> None:
    """Refuse a run that this base cannot be the start of."""
    if opened.is_offloaded:
        raise ConfigError(
            f"{config.name}: some weights of {opened.source} lie in main memory or on disk and not "
            "where they compute, so it cannot be trained here; take more or larger GPUs, or open "
            "it with load_in (--load-in 4bit) and train LoRA"
        )
    for key, bits in (("load_in_4bit", "4-bit"), ("load_in_8bit", "8-bit")):
        if config.values.get(key) and not (opened.packing or "").startswith(bits):
            raise ConfigError(
                f"{config.name}: {key}: the base was not opened so; add --load-in "
                f"{bits.replace('-', '')}, or remove the key"
            )
    if opened.packing is None:
        return
    adapter = config.adapter_config()
    if adapter is None:
        raise ConfigError(
            f"{config.name}: {opened.source} is quantised ({opened.packing}), and packed weights "
            "cannot be trained; add `use_peft: true` for LoRA, or open the unquantised base"
        )
    more = unreadable_field(adapter)
    if more is not None:
        raise ConfigError(
            f"{config.name}: {more}: on a quantised base only plain LoRA is supported; remove it"
        )


@contextlib.contextmanager
def _random_states_kept() -> Iterator[None]:
    python, numbers = random.getstate(), numpy.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            numpy.random.set_state(numbers)


@contextlib.contextmanager
def _quiet_datasets() -> Iterator[None]:
    was_on = datasets.are_progress_bars_disabled() is False
    level = transformers.utils.logging.get_verbosity()
    datasets.disable_progress_bars()
    transformers.utils.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.utils.logging.set_verbosity(level)
        if was_on:
            datasets.enable_progress_bars()
