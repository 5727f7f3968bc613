"""`demo`: the main job on the bundled model name, data and config."""

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ...questions import assess
from ..options import ForceOption, JsonOption, OutOption, SeedOption, VerboseOption

if TYPE_CHECKING:
    from pydantic import JsonValue

    from .._progress import ProgressPrinter


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

    bundled, reporter = Path(str(files("driftline.demo"))), ProgressPrinter()
    folder = out or Path("driftline-runs") / "demo"
    answer = assess(
        "smollm2-135m",
        data=bundled / "data.jsonl",
        config=_config(bundled / "config.yaml", reporter),
        suites=("core",),
        out=folder,
        seed=seed,
        force=force,
        checkpoint=False,
        reporter=reporter,
    )
    if json:
        typer.echo(answer.to_json(), nl=False)
    else:
        lines = (f"Report: {folder / 'report.html'}",)
        typer.echo(answer.summary(verbose=verbose, files=lines), nl=False)


def _config(path: Path, reporter: "ProgressPrinter") -> "Path | dict[str, JsonValue]":
    """Take the bundled config; in float32 where this processor would compute bfloat16 slowly."""
    from driftline.errors import ConfigError
    from driftline.models import precision_notes, read_training_config
    from driftline.parsing import parse_yaml

    if not precision_notes(read_training_config(path)):
        return path
    reporter.say("this processor computes bfloat16 slowly, so the demonstration runs in float32")
    values = parse_yaml(path.read_bytes(), path, ConfigError)
    assert isinstance(values, dict)
    return {**values, "bf16": False}
