"""Comparisons of several checkpoints after training, or of several configs before it."""

from ._compare import compare as compare
