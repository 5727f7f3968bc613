"""The engine options: taken by every command with points to evaluate."""

from typing import Annotated

import typer

from ...choices import EngineName
from ._panels import RAY

EngineOption = Annotated[
    EngineName,
    typer.Option(
        "--engine",
        help="Compute in this process, or on Ray (pip install 'driftline\\[ray]').",
        rich_help_panel=RAY,
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Address of a running Ray cluster, host:port or auto; without it Ray starts on this machine.",
        rich_help_panel=RAY,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Ray workers, each with its own copy of the model (default: one per GPU).",
        rich_help_panel=RAY,
    ),
]
GpusOption = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-worker",
        min=0,
        help="GPUs per worker. Above 1 a worker's copy is spread over them; below 1 a GPU is shared.",
        rich_help_panel=RAY,
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads-per-worker",
        min=1,
        help="CPU threads per worker. Changing it invalidates cached scores.",
        rich_help_panel=RAY,
    ),
]
