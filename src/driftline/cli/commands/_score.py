"""`score`: the capabilities of one model, item by item."""

from pathlib import Path

from ...questions import Answer
from ...questions import score as question
from .._question_command import Shown, Values, question_command
from .._set_up import default_folder
from ..options import (
    DeviceMapOption,
    DtypeOption,
    ForceOption,
    LoadInOption,
    ModelArgument,
    OutOption,
    SeedOption,
    SuiteOption,
    TrustOption,
)


def _folder(values: Values) -> Path:
    return default_folder("score", [values["model"]], values["suites"])


def _items(_answer: Answer, folder: Path | None) -> str:
    return "" if folder is None else f"items: {folder / 'scores.jsonl'}\n"


score = question_command(
    question,
    Shown(
        {
            "model": ModelArgument,
            "suites": SuiteOption,
            "out": OutOption,
            "seed": SeedOption,
            "force": ForceOption,
            "trust_remote_code": TrustOption,
            "dtype": DtypeOption,
            "device_map": DeviceMapOption,
            "load_in": LoadInOption,
        },
        {None: 0},
        _items,
        _folder,
    ),
    "Score the capabilities of one model, item by item; exit code 0 whatever they are.",
)
