"""`repair`: capabilities given back by scaling the update part by part, without training."""

from pathlib import Path
from typing import Annotated

import typer

from ...questions import Answer
from ...questions import repair as question
from .._next_command import command_line
from .._question_command import Shown, Values, question_command
from .._set_up import default_folder
from ..options import (
    KINDS,
    MapOption,
    OutOption,
    finite,
)
from ._certify import EXIT_CODES, BaseArgument, LevelOption, TunedArgument

TargetOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help=f"What tuning was for: {KINDS}; best examples that were not trained on. Without it as "
        "much of the update is kept as can be.",
    ),
]
MaxCostOption = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        callback=finite,
        help="Give up at most this share of the target's gain, as 0.05, and come as near to the "
        "tolerances as that allows; without it the tolerances rule.",
    ),
]


def _folder(values: Values) -> Path:
    return default_folder("repair", [values["base"], values["tuned"]], values["suites"])


def _written(answer: Answer, folder: Path | None) -> tuple[str, ...]:
    if folder is None:
        return ()
    report = f"Report: {folder / 'report.html'}"
    if answer.output is None:
        return (report,)
    return (f"Repaired {answer.output.kind}: {folder / answer.output.folder}", report)


def _following(answer: Answer, folder: Path | None, values: Values) -> str | None:
    if folder is None or answer.output is None or answer.verdict == "fail":
        return None
    given = {**values, "tuned": folder / answer.output.folder, "chosen_by": folder}
    return command_line("certify", given, "base", "tuned", "suites", "chosen_by")


repair = question_command(
    question,
    Shown(
        {
            "base": BaseArgument,
            "tuned": TunedArgument,
            "data": TargetOption,
            "max_cost": MaxCostOption,
            "out": OutOption,
            "columns": MapOption,
            "alpha": LevelOption,
        },
        EXIT_CODES,
        _written,
        _following,
        _folder,
    ),
    "Give capabilities back by scaling the update, without training; exit code 0 pass, 1 fail, 3 "
    "inconclusive.",
)
