"""Which of several: checkpoints after training, or configs before it."""

from ._compare import compare as compare
