"""Directions of folders, as tests give them."""

from pathlib import Path

from driftline import models


def open_tuned(folder: Path, opened: models.LanguageModel) -> models.Direction:
    """The direction that leads to the tuned model or adapter of a folder."""
    return models.open_tuned(models.open_checkpoint(str(folder)), opened)
