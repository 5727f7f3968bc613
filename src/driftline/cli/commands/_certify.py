"""`certify`: a test that a tuned model keeps what its base could do, within margins fixed before."""

from pathlib import Path
from typing import Annotated

import typer

from ...questions import Answer
from ...questions import certify as question
from .._next_command import after_claims
from .._question_command import Shown, Values, question_command
from .._set_up import default_folder
from ..options import EFFORT, LOGS, checked_alpha, finite

EXIT_CODES: dict[str | None, int] = {"pass": 0, "fail": 1, "inconclusive": 3}

BaseArgument = Annotated[
    str,
    typer.Argument(
        metavar="BASE",
        help="A folder with safetensors, a .gguf file, a hub id (owner/name@revision), or "
        "smollm2-135m; with --scored, the base's log.",
        show_default=False,
    ),
]
TunedArgument = Annotated[
    str,
    typer.Argument(
        metavar="TUNED",
        help="What was tuned from it: a folder with safetensors, an adapter's folder, or a hub id; with "
        "--scored, its log.",
        show_default=False,
    ),
]
AlphaOption = Annotated[
    float | None,
    typer.Option(
        "--alpha",
        callback=checked_alpha,
        help="Accepted chance that a loss of the margin passes, of each claim (default: 0.05).",
        rich_help_panel=EFFORT,
    ),
]
LevelOption = Annotated[
    float,
    typer.Option(
        "--alpha",
        callback=checked_alpha,
        help="Accepted chance that a loss of the margin passes, of each claim.",
        rich_help_panel=EFFORT,
    ),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy", help="A YAML file that fixes margins, tiers and alpha, in place of the suites."
    ),
]
ChosenByOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--chosen-by",
        help="Run folder of the plan or repair that chose TUNED: the items by which it chose are left out.",
    ),
]
SequentialOption = Annotated[
    bool,
    typer.Option(
        "--sequential",
        help="Score items in batches, each capability until its decision is clear.",
        rich_help_panel=EFFORT,
    ),
]
RecoveryOption = Annotated[
    bool,
    typer.Option(
        "--recovery",
        help="Re-test lost capabilities with few-shot prompts, to tell forgetting from a change of format.",
        rich_help_panel=EFFORT,
    ),
]
ScoredOption = Annotated[
    bool,
    typer.Option(
        "--scored",
        help="BASE and TUNED are logs: samples_TASK_*.jsonl of lm-eval (--log_samples), or .eval or "
        ".json of inspect_ai. No model is opened; needs --margin or --policy.",
        rich_help_panel=LOGS,
    ),
]
MetricOption = Annotated[
    str | None,
    typer.Option(
        "--metric",
        help="Metric of the logs (default: the first that they have).",
        rich_help_panel=LOGS,
    ),
]
MarginOption = Annotated[
    float | None,
    typer.Option(
        "--margin",
        callback=finite,
        help="Accepted loss of a log's metric, in its unit: 0.02 is 2 points of accuracy.",
        rich_help_panel=LOGS,
    ),
]
DirectionOption = Annotated[
    bool | None,
    typer.Option(
        "--higher-is-better/--lower-is-better",
        help="Direction of the metric, where neither its name nor the log says it.",
        rich_help_panel=LOGS,
    ),
]
RangeOption = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--range",
        help="Lowest and highest score of an item, for a metric of logs without bounds of its own.",
        rich_help_panel=LOGS,
    ),
]
OPTIONS: dict[str, object] = {
    "base": BaseArgument,
    "tuned": TunedArgument,
    "policy": PolicyOption,
    "chosen_by": ChosenByOption,
    "scored": ScoredOption,
    "metric": MetricOption,
    "margin": MarginOption,
    "higher_is_better": DirectionOption,
    "score_range": RangeOption,
    "alpha": AlphaOption,
    "sequential": SequentialOption,
    "recovery": RecoveryOption,
}


def _folder(values: Values) -> Path:
    chosen = [str(run) for run in values["chosen_by"] or ()]
    return default_folder(
        "certify", [values["base"], values["tuned"]], [*values["suites"], *chosen]
    )


def _files(_answer: Answer, folder: Path | None) -> tuple[str, ...]:
    if folder is None:
        return ()
    return (f"Report: {folder / 'report.html'}", f"Document: {folder / 'certification.json'}")


certify = question_command(
    question,
    Shown(OPTIONS, EXIT_CODES, _files, after_claims, _folder),
    "Whether a tuned model keeps what its base could do; exit code 0 pass, 1 fail, 3 inconclusive.",
)
