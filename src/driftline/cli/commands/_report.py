"""`report`: a finished run shown again, or two side by side."""

from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer

from ...questions import Answer
from ...questions import read_run as question
from .._question_command import Shown, question_command
from ..options import ForceOption

_PLACE = "A run folder, or the JSON document in it."
OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for report.html and report.json; none is written without."),
]


def _files(_answer: Answer, folder: Path | None) -> tuple[str, ...]:
    return () if folder is None else (f"Report: {folder / 'report.html'}",)


report = question_command(
    question,
    Shown(
        {
            "run": Annotated[Path, typer.Argument(metavar="RUN", help=_PLACE, show_default=False)],
            "other": Annotated[
                Path | None,
                typer.Argument(
                    metavar="OTHER", help="A run of the same command.", show_default=False
                ),
            ],
            "out": OutOption,
            "force": ForceOption,
        },
        # It reads what was judged before, and judges nothing.
        defaultdict(int),
        _files,
    ),
    "A finished run shown again, or two side by side: verdicts, changes, settings; exit code 0.",
)
