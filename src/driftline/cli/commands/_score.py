"""`score`: the capabilities of one model, item by item."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .._set_up import default_folder, read_suites, shown
from ..options import (
    DeviceMapOption,
    DtypeOption,
    ForceOption,
    JsonOption,
    LoadInOption,
    ModelArgument,
    ModelChoice,
    OutOption,
    SeedOption,
    SuiteOption,
    TrustOption,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.results import Scores

OUTPUTS = ("scores.jsonl", "report.json")


@dataclass(frozen=True)
class Wanted:
    """What the user asked for, before anything heavy is loaded."""

    model: ModelChoice
    suites: tuple[str, ...]
    out: Path | None
    seed: int
    force: bool


def score(  # noqa: PLR0913 - each is an option of the command line
    model: ModelArgument,
    suite: SuiteOption = ["core"],  # noqa: B006 - Typer copies it
    out: OutOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    force: ForceOption = False,
    trust_remote_code: TrustOption = False,
    dtype: DtypeOption = None,
    device_map: DeviceMapOption = None,
    load_in: LoadInOption = None,
) -> None:
    """Score the capabilities of one model, item by item; exit code 0 whatever they are."""
    chosen = ModelChoice(model, trust_remote_code, dtype, device_map, load_in)
    scores, folder = run(Wanted(chosen, tuple(suite), out, seed, force))
    if json:
        typer.echo(scores.to_json(), nl=False)
        return
    from driftline.results import scores_summary

    typer.echo(scores_summary(scores))
    typer.echo(f"items: {folder / OUTPUTS[0]}")


def run(wanted: Wanted) -> tuple["Scores", Path]:
    """Score a model and write its scores.

    Args:
        wanted: What was asked.

    Returns:
        The document, and the folder that holds `scores.jsonl` and `report.json`.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C; what was stored stays.
    """
    # Heavy, and not needed for --help.
    from .._progress import ProgressPrinter

    printer = ProgressPrinter()
    suites = read_suites(wanted.suites, printer)
    from driftline.analyses import ScoreRequest
    from driftline.analyses import score as score_model
    from driftline.engine import RunFolder
    from driftline.results import item_lines

    identity: JsonValue = {
        **wanted.model.identity(),
        "part": "score",
        "suites": [suite.provenance().digest for suite in suites],
        "seed": wanted.seed,
    }
    folder = RunFolder.open(
        wanted.out or default_folder("score", [wanted.model.source], wanted.suites),
        identity,
        outputs=OUTPUTS,
        force=wanted.force,
        command="score",
        model=wanted.model.source,
    )
    with folder:
        printer.note(f"opening {wanted.model.source}")
        asked = ScoreRequest(wanted.model.open(), suites, seed=wanted.seed)
        with shown(printer, folder):
            scored = score_model(asked, folder, listener=printer.update)
        # The document comes last: a folder that holds it is a finished one.
        contents = (item_lines(scored.items), scored.document.to_json())
        folder.write_outputs(dict(zip(OUTPUTS, contents, strict=True)))
    return scored.document, folder.path
