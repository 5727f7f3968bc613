"""What is asked and where it goes: the options that every command with a run folder takes."""

from pathlib import Path
from typing import Annotated

import typer

SuiteOption = Annotated[
    list[str],
    typer.Option(
        "--suite",
        help="What must not break: a shipped suite's name, a YAML file, or lm_eval:TASK.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Run folder; by default one under driftline-runs/."),
]
_LARGEST_SEED = 2**32 - 1
"""What numpy and transformers take, and what a certificate can hold exactly."""
SeedOption = Annotated[
    int,
    typer.Option("--seed", min=0, max=_LARGEST_SEED, help="Of every random choice of ours."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the document on stdout and nothing else there.")
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace what an earlier run left in the run folder.")
]
ItemsOption = Annotated[
    int | None,
    typer.Option(
        "--items",
        min=2,
        help="Items of each capability to take, for choosing and claims together (default: all).",
    ),
]
SearchItemsOption = Annotated[
    int | None,
    typer.Option(
        "--search-items",
        min=2,
        help="Items of each capability that choose, at most half; the others make the claims (default: "
        "those that a certification at the tolerance can spare, at least 32).",
    ),
]
