"""The checkpoints that a command line names: single ones, or all of a trainer's output folder."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import ModelError

_STEP = re.compile(r"checkpoint-(\d+)")
_WEIGHTS = (
    "*.safetensors",
    "*.safetensors.index.json",
    "pytorch_model*.bin",
    "adapter_model.bin",
)


class NamedCheckpoint(NamedTuple):
    """A checkpoint as it is opened and as a document calls it."""

    source: str
    label: str
    step: int | None
    run: Path | None
    """The output folder of its training run; None for what is not on this disk."""


def find_checkpoints(sources: Sequence[str]) -> tuple[NamedCheckpoint, ...]:
    """List the checkpoints that sources name.

    A folder with `checkpoint-N` sub-folders stands for all of these, in the order of their steps, and
    for the model that lies in it itself, if one does.

    Args:
        sources: Folders of checkpoints or adapters, output folders of a trainer, or hub ids.

    Returns:
        Each with a label that no other has.

    Raises:
        ModelError: None is named, or one is named twice.
    """
    result = [each for source in sources for each in _found(source)]
    if not result:
        raise ModelError("no checkpoint is named; give folders, or a trainer's output folder")
    places = Counter(_place(each.source) for each in result)
    for each in result:
        if places[_place(each.source)] > 1:
            raise ModelError(f"{each.source}: is named twice, also by its output folder; keep one")
    labels = Counter(each.label for each in result)
    return tuple(
        each._replace(label=each.source) if labels[each.label] > 1 else each for each in result
    )


def saved_steps(run: Path) -> tuple[int, ...]:
    """List the steps of the checkpoints in an output folder, ascending."""
    if not run.is_dir():
        return ()
    matches = (_STEP.fullmatch(path.name) for path in run.iterdir() if path.is_dir())
    return tuple(sorted(int(match[1]) for match in matches if match))


def has_weights(folder: Path) -> bool:
    """Tell whether a model or an adapter lies in a folder itself."""
    return any(next(folder.glob(pattern), None) is not None for pattern in _WEIGHTS)


def _found(source: str) -> Iterator[NamedCheckpoint]:
    folder = Path(source)
    if not folder.is_dir():
        yield NamedCheckpoint(source, source, None, None)
        return
    steps = saved_steps(folder)
    for step in steps:
        name = f"checkpoint-{step}"
        yield NamedCheckpoint(str(folder / name), name, step, folder)
    if steps and not has_weights(folder):
        return
    match = _STEP.fullmatch(folder.resolve().name)
    yield NamedCheckpoint(
        source,
        folder.resolve().name,
        int(match[1]) if match and not steps else None,
        folder.resolve().parent if match and not steps else folder,
    )


def _place(source: str) -> str:
    return str(Path(source).resolve()) if Path(source).exists() else source
