"""`demo`: the main job on the bundled model name, data and config."""

from importlib.resources import files
from pathlib import Path

import typer

from ...questions import assess
from ..options import ForceOption, JsonOption, OutOption, SeedOption, VerboseOption


def demo(
    out: OutOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    force: ForceOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Assess a bundled fine-tuning run of SmolLM2-135M; exit code 0 whatever the verdict."""
    # Loads progress bars, so not for --help.
    from .._progress import ProgressPrinter

    bundled = Path(str(files("driftline.demo")))
    folder = out or Path("driftline-runs") / "demo"
    answer = assess(
        "smollm2-135m",
        data=bundled / "data.jsonl",
        config=bundled / "config.yaml",
        suites=("core",),
        out=folder,
        seed=seed,
        force=force,
        checkpoint=False,
        reporter=ProgressPrinter(),
    )
    if json:
        typer.echo(answer.to_json(), nl=False)
    else:
        lines = (f"Report: {folder / 'report.html'}",)
        typer.echo(answer.summary(verbose=verbose, files=lines), nl=False)
