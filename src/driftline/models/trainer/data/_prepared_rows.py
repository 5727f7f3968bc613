"""Rows as TRL has tokenised them, taken up by the next trainer of the same data and config."""

import datasets

from ....provenance import digest_value
from ...language_model import LanguageModel
from ..config import TrainingConfig
from ._training_data import TrainingData

_NOT_OF_TOKENS = {
    "learning_rate", "num_train_epochs", "max_steps", "warmup_steps", "weight_decay", "optim",
    "optim_args", "lr_scheduler_type", "lr_scheduler_kwargs", "max_grad_norm", "adam_beta1",
    "adam_beta2", "adam_epsilon", "per_device_train_batch_size", "gradient_accumulation_steps",
    "neftune_noise_alpha", "output_dir", "save_steps", "logging_steps", "dtype", "bf16", "fp16",
}  # fmt: skip
"""Fields on which no token or label depends."""


class PreparedRows:
    """The rows of some training data as TRL has tokenised them, so that no trainer does it again."""

    def __init__(self, opened: LanguageModel, config: TrainingConfig, data: TrainingData) -> None:
        """Select the prepared rows of a config among the data's."""
        kept = {key: value for key, value in config.values.items() if key not in _NOT_OF_TOKENS}
        kept["loss on answers"] = config.loss_on_answers
        self._key, self._opened, self._data = digest_value(kept), opened, data

    def get(self) -> datasets.Dataset | None:
        """Return the rows, if the same tokenizer has made them."""
        tokenizer, rows = self._data.prepared.get(self._key, (None, None))
        return rows if tokenizer is self._opened.tokenizer else None

    def put(self, rows: datasets.Dataset) -> None:
        """Store the rows."""
        self._data.prepared[self._key] = (self._opened.tokenizer, rows)
