"""`score`: the capabilities of one model, item by item."""

from pathlib import Path

from ....questions import Answer
from ....questions import score as question
from ..._question_command import Shown, Values, question_command
from ..._set_up import default_folder
from ...options import ModelArgument


def _folder(values: Values) -> Path:
    return default_folder("score", [values["model"]], values["suites"])


def _files(_answer: Answer, folder: Path | None) -> tuple[str, ...]:
    if folder is None:
        return ()
    return (f"Items: {folder / 'scores.jsonl'}", f"Report: {folder / 'report.html'}")


score = question_command(
    question,
    Shown(
        {
            "model": ModelArgument,
        },
        {None: 0},
        _files,
        default_folder=_folder,
    ),
    "Score the capabilities of one model, item by item; exit code 0 whatever they are.",
)
