"""Which rows are trained on: the options, and what is said about config and rows before work begins."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from driftline.models import TrainingConfig, TrainingData

    from .._progress import ProgressPrinter

KINDS = (
    "a file (JSON Lines, a JSON array, Parquet, CSV, Arrow; .gz too), a folder, or a hub id "
    "(owner/name@revision:config)"
)
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help=f"Training data, where the config names none: {KINDS}; rows with messages, prompt and "
        "completion, text, or input_ids.",
    ),
]
MapOption = Annotated[
    str | None,
    typer.Option(
        "--map",
        help="Columns to train on, such as prompt=question,completion=answer; + joins columns. Others "
        "are left out.",
    ),
]


def read_rows(
    source: Path | None, config: "TrainingConfig | None", mapping: str | None
) -> tuple["TrainingData", tuple[str, ...]]:
    """Read the rows that the command line or the config names.

    Args:
        source: What the command line names.
        config: May name data itself; None where the command was given none.
        mapping: How columns are to be called.

    Returns:
        The rows, and what is to be said about them.

    Raises:
        ConfigError: Neither names any data.
        DataError: They cannot be used.
    """
    from driftline.errors import ConfigError
    from driftline.models import read_columns, read_named_data, read_training_data

    columns = read_columns(mapping)
    values = {} if config is None else config.values
    named = [key for key in ("datasets", "dataset_name") if values.get(key)]
    if source is not None:
        data = read_training_data(source, config=config, columns=columns)
        notes = tuple(f"{key}: set aside, --data names the data" for key in named)
        return data, (*notes, *data.notes)
    if config is None:
        raise ConfigError("no data is named; add --data, or --config with a file that names some")
    found = read_named_data(config, columns=columns)
    if found is None:
        raise ConfigError(
            f"{config.name}: names no data; add --data, or dataset_name to the config"
        )
    return found, found.notes


def check_probe(config: "TrainingConfig", printer: "ProgressPrinter") -> None:
    """Refuse a config that no probe can follow, and say what the probe leaves out.

    Args:
        config: The user's.
        printer: Where to say it.

    Raises:
        ConfigError: Training would break off, or there is no plan to look ahead along.
    """
    from driftline.models import check_training, output_faults

    config.check_plan()
    config.set_environment()
    check_training(config)
    for note in (*config.probe_notes(), *output_faults(config)):
        printer.say(note)
