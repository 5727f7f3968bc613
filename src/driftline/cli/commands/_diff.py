"""`diff`: the weights that tuning moved, and whether a merged model holds its adapter."""

from pathlib import Path
from typing import Annotated

import typer

from ...choices import SpectraEffort
from ...questions import Answer
from ...questions import diff as question
from .._next_command import command_line
from .._question_command import Shown, Values, question_command
from ._certify import EXIT_CODES

BaseArgument = Annotated[
    str,
    typer.Argument(
        metavar="BASE",
        help="A folder with safetensors, a .safetensors file, or a hub id (owner/name@revision).",
        show_default=False,
    ),
]
TunedArgument = Annotated[
    str,
    typer.Argument(
        metavar="TUNED",
        help="The same, or a LoRA adapter's folder.",
        show_default=False,
    ),
]
AdapterOption = Annotated[
    str | None,
    typer.Option(
        "--adapter",
        help="Folder of a LoRA adapter that TUNED is said to hold, merged into BASE; the merge is "
        "replayed and checked weight by weight.",
        show_default=False,
    ),
]
SpectraOption = Annotated[
    SpectraEffort,
    typer.Option(
        "--spectra",
        help="none: norms alone, at the speed of the disk. fast: ranks and intruders exactly up to "
        "a smaller side of 1,024, estimates above. exact: all exactly; minutes for a large matrix.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for report.html and report.json; none is written without."),
]


def _report(_answer: Answer, folder: Path | None) -> tuple[str, ...]:
    return () if folder is None else (f"Report: {folder / 'report.html'}",)


def _following(answer: Answer, _folder: Path | None, values: Values) -> str | None:
    if not answer.changes or answer.not_finite:
        return None
    return command_line("certify", values, "base", "tuned", more=("--suite", "core"))


diff = question_command(
    question,
    Shown(
        {
            "base": BaseArgument,
            "tuned": TunedArgument,
            "adapter": AdapterOption,
            "out": OutOption,
            "spectra": SpectraOption,
        },
        {**EXIT_CODES, None: 0},
        _report,
        _following,
    ),
    """Weights that tuning moved, streamed; exit code 0 all compared, 3 some without a partner.

    With --adapter: 0 the merged model holds it, 1 it does not, 3 it cannot be told.
    """,
)
