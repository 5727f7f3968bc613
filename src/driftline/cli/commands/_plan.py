"""`plan`: the protocol that adapts most while its losses stay within their tolerances."""

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from ...questions import Answer
from ...questions import plan as question
from .._question_command import Shown, Values, question_command
from ..options import KINDS, ModelArgument, finite
from ._certify import EXIT_CODES, LevelOption

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help=f"What is to be learnt, where the config names no data: {KINDS}. Up to a tenth of it, "
        "but 4 rows at least, is kept out of training, to measure the gain on.",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Your training config, from which the search starts: YAML of TRL's command line, Axolotl "
        "or LLaMA-Factory. Without it TRL's own defaults.",
    ),
]
RequireOption = Annotated[
    list[str],
    typer.Option(
        "--require",
        help="A capability that must be kept, the others being watched; may be given again. Without "
        "it the suites say which.",
    ),
]
TokensOption = Annotated[
    float | None,
    typer.Option(
        "--budget-tokens",
        callback=finite,
        help="Tokens of training, one that is only scored counting a quarter. By default 20 trials of "
        "your own run.",
    ),
]
MinutesOption = Annotated[
    float | None,
    typer.Option("--budget-minutes", callback=finite, help="Minutes of this machine, instead."),
]
TrialsOption = Annotated[
    int | None, typer.Option("--trials", help="Of the search, at most; else what the budget holds.")
]


def _folder(values: Values) -> Path:
    model = Path(values["model"]).name.removesuffix(".gguf")
    stems = [path.stem for path in (values["data"], values["config"]) if path is not None]
    return Path("driftline-runs") / re.sub(r"[^\w.-]", "-", "-".join(("plan", model, *stems)))


def _written(_answer: Answer, folder: Path | None) -> tuple[str, ...]:
    return () if folder is None else (f"Report: {folder / 'report.html'}",)


def _following(answer: Answer, folder: Path | None, _values: Values) -> str | None:
    if folder is None or answer.protocol is None:
        return None
    return shlex.join(("driftline", "train", str(folder / "protocol.yaml")))


plan = question_command(
    question,
    Shown(
        {
            "model": ModelArgument,
            "data": DataOption,
            "config": ConfigOption,
            "require": RequireOption,
            "budget_tokens": TokensOption,
            "budget_minutes": MinutesOption,
            "trials": TrialsOption,
            "alpha": LevelOption,
        },
        EXIT_CODES,
        _written,
        _following,
        _folder,
    ),
    "Search the protocol that adapts most within the tolerances; exit code 0 pass, 1 fail, 3 inconclusive.",
)
