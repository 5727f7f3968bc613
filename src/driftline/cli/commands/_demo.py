"""`demo`: the main job on the bundled model name, data and config."""

from importlib.resources import files
from pathlib import Path

import typer

from ..options import ForceOption, JsonOption, ModelChoice, OutOption, SeedOption
from ._assess import Request, run, show


def demo(
    out: OutOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    force: ForceOption = False,
) -> None:
    """Assess a bundled fine-tuning run of SmolLM2-135M; exit code 0 whatever the verdict."""
    bundled = Path(str(files("driftline.demo")))
    request = Request(
        part="assess",
        model=ModelChoice("smollm2-135m"),
        data=bundled / "data.jsonl",
        config=bundled / "config.yaml",
        suites=("core",),
        out=out or Path("driftline-runs") / "demo",
        seed=seed,
        force=force,
        checkpoint=False,
    )
    assessment, folder = run(request)
    show(assessment, folder, as_json=json)
    raise typer.Exit(0)
