"""The inputs of `compare`: checkpoints or configs, from files or from memory."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ...errors import ConfigError, ModelError
from .. import inputs

if TYPE_CHECKING:
    from driftline.capabilities import Suite

CheckpointsInput: TypeAlias = Any
"""One checkpoint or a list: names, paths, models, or `(model, tokenizer)` pairs."""
ConfigsInput: TypeAlias = Any
"""A list of configs, or a dict of names and configs."""
OUTPUTS = ("summary.txt", "comparison.html", "comparison.json")


@dataclass(frozen=True)
class Options:
    """The inputs that both kinds of comparison take."""

    suites: "tuple[Suite, ...]"
    data: inputs.DataInput
    columns: str | Mapping[str, str] | None
    num_items: int | None
    out: object
    seed: int
    force: bool
    reporter: inputs.Reporter
    eval_data: inputs.DataInput = None
    """Rows of the task that configs do not train on."""
    dry_run: bool = False
    reads: tuple[object, ...] = ()
    """All inputs, as they were given, of which no file may be replaced."""


def listed(checkpoints: CheckpointsInput) -> tuple[Any, ...]:
    """Read one checkpoint or several; a pair of a model and its tokenizer is one.

    Args:
        checkpoints: As they were given.
    """
    if checkpoints is None:
        return ()
    if isinstance(checkpoints, list):
        return tuple(checkpoints)
    if isinstance(checkpoints, tuple) and not _is_pair(checkpoints):
        return checkpoints
    return (checkpoints,)


def handed_checkpoints(
    checkpoints: tuple[Any, ...], handed: inputs.Handed
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the files of each checkpoint.

    Args:
        handed: Keeps the files of models in memory, under `tuned-1`, `tuned-2` and so on.

    Returns:
        Their places, and the names that an identity can hold: the weights' digest for models in memory.

    Raises:
        ModelError: One is neither a name nor a model, or is given twice.
    """
    result = [handed.files(each, f"tuned-{n}") for n, each in enumerate(checkpoints, start=1)]
    digests = Counter(digest for _, digest in result if digest is not None)
    for number, (_, digest) in enumerate(result, start=1):
        if digest is not None and digests[digest] > 1:
            raise ModelError(f"tuned-{number}: is given twice; keep one")
    return tuple(place for place, _ in result), tuple(digest or place for place, digest in result)


def named_configs(configs: ConfigsInput) -> tuple[tuple[str, inputs.ConfigInput], ...]:
    """Give each config a name that no other has.

    A file is called by its name, or by its path where two files have one name; a config in memory by

    its number.

    Raises:
        ConfigError: It is neither.
    """
    if configs is None:
        return ()
    if isinstance(configs, Mapping):
        return tuple((str(name), config) for name, config in configs.items())
    if isinstance(configs, str | PathLike):
        configs = (configs,)
    if not isinstance(configs, list | tuple):
        raise ConfigError(
            f"--config: is a {type(configs).__name__}; give a list of configs, or a dict of names and "
            "configs"
        )
    paths = [Path(fspath(c)) if isinstance(c, str | PathLike) else None for c in configs]
    counts = Counter(path.name for path in paths if path is not None)
    result = []
    for number, (path, config) in enumerate(zip(paths, configs, strict=True), start=1):
        if path is None:
            name = f"config {number}"
        else:
            name = path.name if counts[path.name] == 1 else str(path)
        result.append((name, config))
    return tuple(result)


def _is_pair(value: tuple[Any, ...]) -> bool:
    """Tell a model with its tokenizer from two checkpoints."""
    return (
        len(value) == 2
        and hasattr(value[0], "save_pretrained")
        and not hasattr(value[1], "parameters")
        and hasattr(value[1], "save_pretrained")
    )
