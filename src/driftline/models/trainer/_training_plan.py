"""Steps and learning rates of a planned run, from the user's own config."""

import math
from dataclasses import dataclass

import datasets
import pyarrow.compute
import torch

from ...errors import ConfigError
from ..language_model import LanguageModel
from ._probe_trainer import probe_trainer
from ._row_order import first_pass
from .config import TrainingConfig, told_in_one_line
from .data import TrainingData


@dataclass(frozen=True)
class TrainingPlan:
    """Schedule that the config gives for this data: number of steps, and learning rates."""

    num_steps: int
    learning_rates: tuple[float, ...]
    """The learning rate of each optimiser step of the whole planned run."""
    example_tokens: tuple[int, ...] = ()
    """Tokens of every example, or packed row, as the trainer has it."""
    examples_per_step: int = 1
    first_pass: tuple[int, ...] = ()
    """Places of the rows in the data, in the order in which the first pass takes them; empty where that
    is not known."""

    def rows_taken(self, num_steps: int) -> tuple[int, ...]:
        """List the rows that the first steps take, of the first pass: all of them once it is over."""
        return self.first_pass[: num_steps * self.examples_per_step]

    def rows_left(self, num_steps: int) -> tuple[int, ...]:
        """List the rows that the first steps do not take; empty where the order is not known."""
        return self.first_pass[num_steps * self.examples_per_step :]

    def summed_learning_rate(self, num_steps: float) -> float:
        """Sum of the learning rates of the first steps, a fraction of a step by interpolation."""
        whole = min(int(num_steps), self.num_steps)
        rest = (num_steps - whole) * self.learning_rates[min(whole, self.num_steps - 1)]
        return sum(self.learning_rates[:whole]) + (rest if whole < self.num_steps else 0.0)


def plan_training(
    opened: LanguageModel, config: TrainingConfig, data: TrainingData
) -> TrainingPlan:
    """Compute the planned run's steps and learning rates, without training.

    Args:
        opened: The base model; it is not changed.
        config: The user's config.
        data: The user's data.

    Returns:
        The plan. Cost: tokenising the data, and a copy of the model for as long as it takes.

    Raises:
        ConfigError: The plan has no step.
        DataError: A row that the trainer refuses, or with a token that the model has no row for.
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
        order = first_pass(trainer, len(data.examples))
    return TrainingPlan(num_steps, tuple(rates), lengths, per_step, order)


def _row_lengths(rows: datasets.Dataset | datasets.IterableDataset) -> tuple[int, ...]:
    """Count the tokens of each row in Arrow; empty if rows come as a stream."""
    if isinstance(rows, datasets.IterableDataset) or "input_ids" not in rows.column_names:
        return ()
    lengths: list[int] = []
    for batch in rows.select_columns("input_ids").with_format("arrow").iter(batch_size=1000):
        lengths += pyarrow.compute.list_value_length(batch.column("input_ids")).to_pylist()
    return tuple(lengths)
