"""The trainer of a planned run: one function for the probe and for `train`."""

import contextlib
import warnings
from collections.abc import Iterator

import transformers
from datasets import IterableDataset
from trl import SFTConfig

from ...errors import ConfigError
from ..language_model import LanguageModel
from ._lever_trainer import LeverTrainer, lever_trainer
from .config import TrainingConfig
from .data import TrainingData, check_prepared_rows, quiet_datasets
from .levers import Levers


@contextlib.contextmanager
def planned_trainer(
    opened: LanguageModel,
    config: TrainingConfig,
    data: TrainingData,
    *,
    arguments: SFTConfig,
    levers: Levers,
    num_steps: int | None = None,
    evaluation: TrainingData | None = None,
) -> Iterator[LeverTrainer]:
    """Set up TRL's trainer on a copy of the model, from the config's seed.

    The probe and `train` differ in the callbacks that they add and in the bookkeeping of `arguments`.

    Args:
        opened: The base; it is not changed.
        config: The user's config.
        data: Rows to train on, replay included.
        arguments: TRL's arguments.
        levers: Mitigations of forgetting.
        num_steps: Steps that the run keeps, because replay has other lengths and would pack into another
            number of batches; None where nothing is replayed.
        evaluation: Rows to evaluate on while it trains.

    Yields:
        The trainer. Progress bars of `datasets` are back, and warnings are heard again, after the block.

    Raises:
        ConfigError: Config, data or levers cannot be used with this model, or with each other.
        DataError: A row has a token that the model lacks.
    """
    if num_steps is not None:
        arguments.max_steps = num_steps
    with quiet_datasets(), warnings.catch_warnings():
        # Libraries warn the authors of code about their own future.
        warnings.simplefilter("ignore")
        transformers.set_seed(arguments.seed)
        trainer = lever_trainer(
            opened, config, data, arguments=arguments, levers=levers, evaluation=evaluation
        )
        trainer.remove_callback(transformers.PrinterCallback)
        _check_batches(trainer, config, data)
        check_prepared_rows(trainer.train_dataset, opened, data.name)
        yield trainer


def _check_batches(trainer: LeverTrainer, config: TrainingConfig, data: TrainingData) -> None:
    """Refuse to leave out a last batch that is not full, where it is the only one."""
    args, rows = trainer.args, trainer.train_dataset
    if not args.dataloader_drop_last or isinstance(rows, IterableDataset):
        return
    if len(rows) < args.train_batch_size:
        raise ConfigError(
            f"{config.name}: dataloader_drop_last: {data.name} has {len(rows)} rows to train on, which fill no "
            f"batch of {args.train_batch_size}, so the run would have no step; remove the key, or lower "
            "per_device_train_batch_size"
        )
