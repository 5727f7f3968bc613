"""Move the results of an earlier run aside for `train --force`; they are never deleted."""

from pathlib import Path


def move_aside(folder: Path) -> None:
    """Move what an earlier run trained into a folder of its own.

    Args:
        folder: The run folder.
    """
    left = [
        folder / name for name in ("checkpoints", "monitor", "model", "train-with-replay.jsonl")
    ]
    left = [path for path in left if path.exists()]
    if left:
        aside = folder / f"earlier-{1 + len(list(folder.glob('earlier-*')))}"
        aside.mkdir()
        for path in left:
            path.rename(aside / path.name)
