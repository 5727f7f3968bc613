"""`calibrate`: refit the forecast to finished runs of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from ...questions import calibrate as question


def calibrate(
    out: Annotated[Path, typer.Option("--out", help="The calibration's file.")],
    run: Annotated[
        list[Path],
        typer.Option(
            "--run",
            help="Folder of one finished run, with forecast.json (the report.json of `driftline "
            "forecast`) and certification.json (of `driftline certify`, base against tuned).",
        ),
    ],
    only_own: Annotated[
        bool,
        typer.Option("--only-own", help="Leave the shipped runs out; needs four of one's own."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
) -> None:
    """Forecast from your own past runs: give each run's forecast and what came of it."""
    answer = question(run, out=out, only_own=only_own, force=force)
    for left in answer.left_out:
        typer.echo(f"{left.run}: left out, since it is not in nats: {left.metrics}", err=True)
    typer.echo(answer.summary(), nl=False)
