"""Options about rows and training config."""

from pathlib import Path
from typing import Annotated

import typer

from ._panels import DATA

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
ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        help="Training config: YAML of TRL's command line, of Axolotl or of LLaMA-Factory.",
    ),
]
HeldOutOption = Annotated[
    Path | None,
    typer.Option(
        "--eval-data",
        help="Rows of the task that are not trained on, to see over-fitting (default: the split that the config "
        "evaluates on, or rows that the probe does not reach).",
        rich_help_panel=DATA,
    ),
]
MapOption = Annotated[
    str | None,
    typer.Option(
        "--map",
        help="Columns to train on, such as prompt=question,completion=answer; + joins columns. Others "
        "are left out.",
        rich_help_panel=DATA,
    ),
]
