"""`assess` and its parts `margin`, `map` and `forecast`: one planned run of one model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ...choices import Method, Probe, Until
from ...questions import Answer, assess, forecast, fragility_map, margin
from .._next_command import after_assessment, command_line
from .._question_command import Shown, question_command
from ..options import (
    EFFORT,
    RUN,
    ConfigOption,
    DataOption,
    DryRunOption,
    HeldOutOption,
    MapOption,
    ModelArgument,
    OutOption,
    SuiteOption,
)
from ._train import trained_lines

VERDICT_EXIT_CODES = {
    "safe": 0, "unsafe": 1, "at_risk": 3, "inconclusive": 3, None: 0,
    # Of the training that `--then-train` continues with.
    "no_alarm": 0,
}  # fmt: skip
_QUESTIONS = {"assess": assess, "margin": margin, "map": fragility_map, "forecast": forecast}
_HELP = {
    "assess": "Margin, map, forecast and verdict for one planned run: the main job.",
    "margin": "How far the weights may move before each capability is lost.",
    "map": "Which layers break first, capability by capability.",
    "forecast": "Which capabilities this run will lose, and how much.",
}
_OPTIONS: dict[str, object] = {
    "model": ModelArgument,
    "config": ConfigOption,
    "data": DataOption,
    "suites": SuiteOption,
    "out": OutOption,
    "dry_run": DryRunOption,
    "columns": MapOption,
    "eval_data": HeldOutOption,
    "risk": Annotated[
        float,
        typer.Option(
            "--risk",
            help="Accepted probability that a required capability ends beyond its tolerance.",
        ),
    ],
    "probe": Annotated[
        Probe | None,
        typer.Option(
            "--probe",
            help="Share of the planned steps that is trained (default: 0.2; with --until decided the "
            "largest share, 0.6).",
            rich_help_panel=EFFORT,
        ),
    ],
    "until": Annotated[
        Until,
        typer.Option(
            "--until",
            help="`decided`: train on from look to look until the verdict is safe or unsafe. The accepted risk "
            "is divided among the looks.",
            rich_help_panel=EFFORT,
        ),
    ],
    "method": Annotated[
        Method,
        typer.Option(
            "--method",
            help="Forecaster: Driftline's own, or a baseline to compare it with.",
            rich_help_panel=EFFORT,
        ),
    ],
    "items": Annotated[
        int | None,
        typer.Option(
            "--items",
            min=2,
            help="Items of each capability to score (default: all, or as many as take no longer to score "
            "than the probe takes to train).",
            rich_help_panel=EFFORT,
        ),
    ],
    "calibration": Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            help="Finished runs to forecast from, of `driftline calibrate`.",
            rich_help_panel=EFFORT,
        ),
    ],
    "checkpoint": Annotated[
        bool,
        typer.Option(
            "--checkpoint/--no-checkpoint",
            help="Keep the trainer's checkpoint of the probe's last step for `train --from` (assess and "
            "forecast; as large as the weights with the optimiser's state).",
            rich_help_panel=RUN,
        ),
    ],
    "then_train": Annotated[
        bool,
        typer.Option(
            "--then-train",
            help="After the verdict safe, continue the run to its end under the monitor; the exit code is "
            "then that of train. After any other verdict stop.",
            rich_help_panel=RUN,
        ),
    ],
}


def report_lines(answer: Answer, folder: Path | None) -> tuple[str, ...]:
    """Say where the report and the model are.

    Args:
        answer: The answer; that of `train` where the run was continued.
        folder: Run folder of the assessment.

    Returns:
        The lines; none without a folder.
    """
    if folder is None:
        return ()
    if answer.before is not None:
        assert answer.folder is not None
        return trained_lines(answer, answer.folder)
    if answer.checkpoint is None:
        return (f"Report: {folder / 'report.html'}",)
    step = answer.checkpoint.step
    kept = f"Steps 1 to {step} are kept: driftline train --from {folder}"
    return (kept, f"Report: {folder / 'report.html'}")


def _following(answer: Answer, folder: Path | None, values: dict[str, Any]) -> str | None:
    if answer.before is None:
        return after_assessment(answer, folder, values)
    assert answer.folder is not None
    given = {"base": values["model"], "tuned": answer.folder / answer.model_folder, **values}
    return command_line("certify", given, "base", "tuned", "suites")


def _folder_of(part: str) -> Any:  # noqa: ANN401 - a function of the values
    def folder(values: dict[str, Any]) -> Path:
        model = Path(values["model"]).name.removesuffix(".gguf").replace("@", "-")
        data = [values["data"].stem] if values["data"] else []
        name = "-".join((part, model, *data, values["config"].stem))
        # Forecasts to be compared with each other get folders of their own.
        risk = f"risk-{values['risk']:g}"
        for own, usual in (
            (values["method"], "driftline"),
            (values["probe"], None),
            (values["until"], "probe"),
            (risk, "risk-0.1"),
        ):
            name += "" if own == usual else f"-{own}"
        return Path("driftline-runs") / name

    return folder


def part_command(part: str) -> Any:  # noqa: ANN401 - a function for Typer
    """Make the command of one part; all four take the same options.

    Args:
        part: `assess`, `margin`, `map` or `forecast`.

    Returns:
        A function for Typer to wrap.
    """
    shown = Shown(_OPTIONS, VERDICT_EXIT_CODES, report_lines, _following, _folder_of(part))
    return question_command(_QUESTIONS[part], shown, _HELP[part])
