"""`suite`: the change that a suite's items can show, before any model is run."""

from typing import Annotated

import typer

from ....questions import suite_power
from ..._question_command import Shown, question_command

SuiteArgument = Annotated[
    str,
    typer.Argument(
        metavar="SUITE",
        help="A shipped suite's name, a YAML file, or lm_eval:TASK.",
        show_default=False,
    ),
]
suite = question_command(
    suite_power,
    Shown({"suite": SuiteArgument}, {None: 0}),
    "Say what change each capability's items can show, and how many items a verdict needs.",
)
