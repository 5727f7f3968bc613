"""The run options, such as suites and folder: taken by every command with a run folder."""

from pathlib import Path
from typing import Annotated

import typer

from ...questions import LARGEST_SEED
from ._panels import EFFORT, RUN

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
SeedOption = Annotated[
    int,
    typer.Option(
        "--seed",
        min=0,
        max=LARGEST_SEED,
        help="Random seed for Driftline's own sampling (the trainer's seed comes from --config).",
        rich_help_panel=RUN,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the document on stdout and nothing else there.")
]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Print all numbers and caveats, not the first screen alone."
    ),
]
ForceOption = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Replace what an earlier run left in the run folder.",
        rich_help_panel=RUN,
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Estimate tokens, minutes, memory and disk; load no weights and write nothing.",
    ),
]
ItemsOption = Annotated[
    int | None,
    typer.Option(
        "--items",
        min=2,
        help="Items of each capability to take, for choosing and claims together (default: all).",
        rich_help_panel=EFFORT,
    ),
]
SearchItemsOption = Annotated[
    int | None,
    typer.Option(
        "--search-items",
        min=2,
        help="Items per capability used to choose (default: half, which is the most). The rest are held "
        "out for the final claims.",
        rich_help_panel=EFFORT,
    ),
]
PreferOption = Annotated[
    str,
    typer.Option(
        "--prefer",
        help="Choice among candidates within the tolerances: gain, or safety (the gain times the share of "
        "the tolerance that the worst bound leaves).",
    ),
]
