"""`compare`: the choice of a checkpoint after training, or of a config before it."""

import re
from pathlib import Path
from typing import Annotated

import typer

from ...questions import Answer
from ...questions import compare as question
from .._next_command import command_line
from .._question_command import Shown, Values, question_command
from ..options import (
    EFFORT,
    DryRunOption,
    HeldOutOption,
    ItemsOption,
    MapOption,
    OutOption,
    checked_alpha,
)
from ._certify import EXIT_CODES

_LONGEST_NAME = 120

BaseArgument = Annotated[
    str,
    typer.Argument(
        metavar="BASE",
        help="The base: a folder with safetensors, a .gguf file, a hub id (owner/name@revision), or "
        "smollm2-135m.",
        show_default=False,
    ),
]
CheckpointsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="CHECKPOINT",
        help="Checkpoints or adapters tuned from it, or a trainer's output folder, which stands for "
        "all of its checkpoint-N folders.",
        show_default=False,
    ),
]
ConfigsOption = Annotated[
    list[Path],
    typer.Option(
        "--config",
        help="Before training: a config to compare with others; give the option two or more times, and "
        "no checkpoint.",
        show_default=False,
    ),
]
TargetOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="With checkpoints: held-out rows of the target task, to see what each gains. With configs: "
        "the training data, where they name none.",
    ),
]
AlphaOption = Annotated[
    float | None,
    typer.Option(
        "--alpha",
        callback=checked_alpha,
        help="Accepted probability of any wrong claim that a checkpoint kept everything (default: 0.05).",
        rich_help_panel=EFFORT,
    ),
]


def _folder(values: Values) -> Path:
    """Name the run folder by all that is compared."""
    model = Path(values["base"]).name.removesuffix(".gguf")
    if values["configs"]:
        parts = [path.stem for path in values["configs"]]
    else:
        tuned = [Path(name).name.removesuffix(".gguf") for name in values["checkpoints"]]
        parts = [*tuned, *(Path(name).name.removesuffix(".yaml") for name in values["suites"])]
    name = re.sub(r"[^\w.-]", "-", "-".join(("compare", model, *parts)))
    return Path("driftline-runs") / name[:_LONGEST_NAME]


def _report(_answer: Answer, folder: Path | None) -> tuple[str, ...]:
    return () if folder is None else (f"Report: {folder / 'comparison.html'}",)


def _following(answer: Answer, _folder: Path | None, values: Values) -> str | None:
    label = answer.recommended
    if label is None:
        return None
    if values["configs"]:
        config = next((path for path in values["configs"] if label in (path.name, path.stem)), None)
        if config is None:
            return None
        given, model = {**values, "protocol": config}, str(values["base"])
        return command_line(
            "train", given, "protocol", "data", "suites", "columns", more=("--model", model)
        )
    inside = [Path(name) / label for name in values["checkpoints"]]
    beside = [Path(name) for name in values["checkpoints"] if Path(name).name == label]
    tuned = next((path for path in (*beside, *inside) if path.is_dir()), None)
    if tuned is None:
        return None
    # Loads pydantic, so not for --help.
    from ...results import Comparison
    from ...results.readings import alpha_after_choice

    given, document = {**values, "tuned": tuned}, answer.document
    level = alpha_after_choice(document) if isinstance(document, Comparison) else None
    more = () if level is None else ("--alpha", f"{level:g}")
    return command_line("certify", given, "base", "tuned", "suites", more=more)


compare = question_command(
    question,
    Shown(
        {
            "base": BaseArgument,
            "checkpoints": CheckpointsArgument,
            "data": TargetOption,
            "configs": ConfigsOption,
            "out": OutOption,
            "dry_run": DryRunOption,
            "columns": MapOption,
            "eval_data": HeldOutOption,
            "items": ItemsOption,
            "alpha": AlphaOption,
        },
        EXIT_CODES,
        _report,
        _following,
        default_folder=_folder,
    ),
    "Which checkpoint keeps everything and gains most, or which config is safest; exit code 0 if one is, "
    "1 if none is, 3 undecided.",
)
