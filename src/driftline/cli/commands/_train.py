"""`train`: fine-tune under the monitor, from a protocol or from the user's own TRL YAML."""

from pathlib import Path
from typing import Annotated

import typer

from ...questions import Answer
from ...questions import train as question
from .._next_command import command_line, near
from .._question_command import Shown, Values, question_command
from ..options import DATA, EFFORT, KINDS

EXIT_CODES: dict[str | None, int] = {"no_alarm": 0, "unsafe": 1, "inconclusive": 3}

ProtocolArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="PROTOCOL",
        help="A protocol (schema: driftline/protocol/1), or a YAML of TRL's command line, Axolotl or LLaMA-Factory.",
        show_default=False,
    ),
]
FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="RUN",
        help="Run folder of assess or forecast: continue the planned run from its probe's checkpoint. "
        "PROTOCOL may be left out.",
    ),
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="The base, where the file does not name it.")
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help=f"Training data, where the file does not name it: {KINDS}."),
]
EvalDataOption = Annotated[
    Path | None,
    typer.Option(
        "--eval-data",
        help="Rows that are set apart: to measure the gain on at the end, and to evaluate on where the config does.",
        rich_help_panel=DATA,
    ),
]
WatchOption = Annotated[
    list[str],
    typer.Option("--suite", help="What must not break; core where neither this nor the file says."),
]
EveryOption = Annotated[
    int | None,
    typer.Option(
        "--every",
        min=1,
        help="Steps between checks (default: a few early, then as often as 2.5 % of the run's tokens allow).",
        rich_help_panel=EFFORT,
    ),
]
ItemsOption = Annotated[
    int | None,
    typer.Option(
        "--items",
        min=2,
        help="Items of each capability to score (default: all, or as many as 2.5 % of the run's tokens pay for, 64 "
        "or more; with --every, as many as let scoring take no longer than the training).",
        rich_help_panel=EFFORT,
    ),
]
ActionOption = Annotated[
    str | None,
    typer.Option(
        "--action",
        help="On an alarm: log, warn, lower_learning_rate, stop or roll_back.",
        rich_help_panel=EFFORT,
    ),
]


def _folder(values: Values) -> Path | None:
    if values["start"] is not None:
        probe = values["start"]
        return Path(probe.parent) / f"{probe.resolve().name}-train"
    if values["protocol"] is None:
        return None
    return Path("driftline-runs") / f"train-{values['protocol'].stem}"


def trained_lines(answer: Answer, folder: Path | None) -> tuple[str, ...]:
    """Say where the report and the tuned model are.

    Args:
        answer: The answer of `train`.
        folder: Run folder.

    Returns:
        The lines; none without a folder.
    """
    if folder is None:
        return ()
    return (f"Model: {folder / answer.model_folder}", f"Report: {folder / 'report.html'}")


def _following(answer: Answer, folder: Path | None, values: Values) -> str | None:
    if folder is None or answer.verdict == "unsafe":
        return None
    base = near(values["model"] or answer.provenance.model.source)
    suites = [near(name) for name in values["suites"] or answer.suites]
    given = {"base": base, "tuned": folder / answer.model_folder, "suites": suites}
    given["chosen_by"] = answer.planned_by
    return command_line("certify", given, "base", "tuned", "suites", "chosen_by")


train = question_command(
    question,
    Shown(
        {
            "protocol": ProtocolArgument,
            "start": FromOption,
            "model": ModelOption,
            "data": DataOption,
            "eval_data": EvalDataOption,
            "suites": WatchOption,
            "items": ItemsOption,
            "every": EveryOption,
            "action": ActionOption,
        },
        EXIT_CODES,
        trained_lines,
        _following,
        _folder,
    ),
    "Fine-tune with TRL under the monitor; exit code 0 no alarm, 1 an alarm stands, 3 inconclusive.",
)
