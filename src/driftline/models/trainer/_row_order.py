"""The order in which a planned run takes its rows, as far as it is known before the run."""

import datasets
from accelerate.data_loader import SeedableRandomSampler, get_sampler
from torch.utils.data import SequentialSampler

from ._lever_trainer import LeverTrainer


def first_pass(trainer: LeverTrainer, num_examples: int) -> tuple[int, ...]:
    """List the rows in the order of the first pass over the data.

    Args:
        trainer: Set up from the config's seed; it has not trained.
        num_examples: Rows of the data as they were read.

    Returns:
        Places in the data; empty where they are not known: rows are streamed, packed or left out by
        the trainer, or their order is drawn from a random state that training changes.
    """
    rows = trainer.train_dataset
    if isinstance(rows, datasets.IterableDataset) or trainer.args.packing:
        return ()
    if len(rows) != num_examples:
        return ()
    loader = trainer.get_train_dataloader()
    if not isinstance(get_sampler(loader), SeedableRandomSampler | SequentialSampler):
        return ()
    return tuple(place for batch in loader.batch_sampler for place in batch)
