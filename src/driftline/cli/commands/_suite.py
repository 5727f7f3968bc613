"""`suite`: what a suite's items can show, before any model is run."""

from typing import Annotated

import typer

from ..options import JsonOption

SuiteArgument = Annotated[
    str,
    typer.Argument(
        metavar="SUITE",
        help="A shipped suite's name, a YAML file, or lm_eval:TASK.",
        show_default=False,
    ),
]


def suite(name: SuiteArgument, json: JsonOption = False) -> None:
    """Say what change each capability's items can show, and how many items a verdict needs."""
    # Heavy, and not needed for --help.
    from driftline.analyses import suite_power
    from driftline.capabilities import read_suite
    from driftline.results import suite_power_summary

    found = suite_power(read_suite(name))
    typer.echo(found.to_json() if json else suite_power_summary(found), nl=False)
