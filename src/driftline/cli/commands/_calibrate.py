"""`calibrate`: refit the forecast to finished runs of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from ...errors import DataError
from ..options import check_free, write_file


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
    check_free(out, force=force)
    # Heavy, and not needed for --help.
    from driftline.analyses import calibrate as put_together
    from driftline.analyses import finished_run, metrics_left_out, shipped_calibration
    from driftline.parsing import read_text
    from driftline.results import Assessment, Certification

    shipped = shipped_calibration()
    own = []
    for folder in run:
        forecast = Assessment.from_json(
            read_text(folder / "forecast.json", DataError), origin=f"{folder}/forecast.json"
        )
        outcome = Certification.from_json(
            read_text(folder / "certification.json", DataError),
            origin=f"{folder}/certification.json",
        )
        own.append(finished_run(folder.resolve().name, forecast, outcome))
        if names := metrics_left_out(outcome):
            typer.echo(f"{folder}: left out, since it is not in nats: {names}", err=True)
    made = put_together(own, None if only_own else shipped, collapse_bound=shipped.collapse_bound)
    write_file(out, made.to_json().encode(), force=force)
    typer.echo(
        f"{out}: {len(made.runs)} finished runs, {len(own)} of them yours; "
        f"forecast from them with --calibration {out}"
    )
