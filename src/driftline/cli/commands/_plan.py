"""`plan`: the protocol that adapts most while its losses stay within their tolerances."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import (
    KINDS,
    DeviceMapOption,
    DtypeOption,
    ForceOption,
    ItemsOption,
    JsonOption,
    LoadInOption,
    MapOption,
    ModelArgument,
    ModelChoice,
    OutOption,
    SearchItemsOption,
    SeedOption,
    SuiteOption,
    TrustOption,
    check_probe,
    finite,
    read_rows,
)
from ._certify import EXIT_CODES, AlphaOption

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.results import Plan

REPORTS = ("report.html", "report.json")

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help=f"What is to be learnt, where the config names no data: {KINDS}. Up to a tenth of it is "
        "kept out of training, to measure the gain on.",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Your training config, from which the search starts: YAML with TRL's and PEFT's field "
        "names. Without it TRL's own defaults.",
    ),
]
RequireOption = Annotated[
    list[str],
    typer.Option(
        "--require",
        help="A capability that must be kept, the others being watched; may be given again. Without "
        "it the suites say which.",
    ),
]
TokensOption = Annotated[
    float | None,
    typer.Option(
        "--budget-tokens",
        callback=finite,
        help="Tokens of training, one that is only scored counting a quarter. By default 20 trials of "
        "your own run.",
    ),
]
MinutesOption = Annotated[
    float | None,
    typer.Option("--budget-minutes", callback=finite, help="Minutes of this machine, instead."),
]
TrialsOption = Annotated[
    int | None, typer.Option("--trials", help="Of the search, at most; else what the budget holds.")
]


@dataclass(frozen=True)
class Wanted:
    """What the user asked for, before anything heavy is loaded."""

    model: ModelChoice
    data: Path | None
    config: Path | None
    suites: tuple[str, ...]
    require: tuple[str, ...]
    budget_tokens: float | None
    budget_minutes: float | None
    num_trials: int | None
    num_items: int | None
    num_search_items: int | None
    alpha: float
    out: Path | None
    seed: int
    force: bool
    columns: str | None = None


def plan(  # noqa: PLR0913 - each is an option of the command line
    model: ModelArgument,
    data: DataOption = None,
    config: ConfigOption = None,
    columns: MapOption = None,
    suite: SuiteOption = ["core"],  # noqa: B006 - Typer copies it
    require: RequireOption = [],  # noqa: B006 - Typer copies it
    budget_tokens: TokensOption = None,
    budget_minutes: MinutesOption = None,
    trials: TrialsOption = None,
    items: ItemsOption = None,
    search_items: SearchItemsOption = None,
    alpha: AlphaOption = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    force: ForceOption = False,
    trust_remote_code: TrustOption = False,
    dtype: DtypeOption = None,
    device_map: DeviceMapOption = None,
    load_in: LoadInOption = None,
) -> None:
    """Search the protocol that adapts most within the tolerances; exit code 0 pass, 1 fail, 3 inconclusive."""
    found, folder = run(
        Wanted(
            ModelChoice(model, trust_remote_code, dtype, device_map, load_in),
            data,
            config,
            tuple(suite),
            tuple(require),
            budget_tokens,
            budget_minutes,
            trials,
            items,
            search_items,
            0.05 if alpha is None else alpha,
            out,
            seed,
            force,
            columns,
        )
    )
    if json:
        typer.echo(found.to_json(), nl=False)
    else:
        from driftline.results import plan_summary

        typer.echo(plan_summary(found), nl=False)
        typer.echo(f"\nreport: {folder / REPORTS[0]}")
        if found.protocol is not None:
            typer.echo(f"train it: driftline train {folder / 'protocol.yaml'}")
    raise typer.Exit(EXIT_CODES[found.verdict])


def run(wanted: Wanted) -> tuple["Plan", Path]:
    """Search a protocol, and write it and what was found.

    Args:
        wanted: What was asked.

    Returns:
        The document, and the folder that holds the reports and the protocol.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C; what was stored stays.
    """
    # Heavy, and not needed for --help. Cheap checks come first, so that a typo costs no wait.
    from .._progress import ProgressPrinter
    from .._set_up import read_suites, shown

    printer = ProgressPrinter()
    suites = read_suites(wanted.suites, printer)
    from driftline.analyses import PlanRequest
    from driftline.analyses import plan as search
    from driftline.engine import RunFolder
    from driftline.models import read_training_config
    from driftline.report import render_plan
    from driftline.training import PLAN_FILES, write_plan_files

    config = None if wanted.config is None else read_training_config(wanted.config)
    if config is not None:
        check_probe(config, printer)
    data, notes = read_rows(wanted.data, config, wanted.columns)
    if config is not None:
        # The protocol that is written trains on rows of its own, which have no splits.
        config = config.for_data(is_chat=data.is_chat).without_source()
    for note in notes:
        printer.say(note)
    folder = RunFolder.open(
        wanted.out or _default_folder(wanted),
        _identity(
            wanted,
            [suite.provenance().digest for suite in suites],
            data.digest,
            None if config is None else config.digest,
        ),
        outputs=(*PLAN_FILES, *REPORTS),
        force=wanted.force,
        command="plan",
        model=wanted.model.source,
    )
    with folder:
        printer.note(f"opening {wanted.model.source}")
        asked = PlanRequest(
            wanted.model.open(),
            data,
            suites,
            config=config,
            require=wanted.require,
            budget_tokens=wanted.budget_tokens,
            budget_minutes=wanted.budget_minutes,
            num_trials=wanted.num_trials,
            num_items=wanted.num_items,
            num_search_items=wanted.num_search_items,
            alpha=wanted.alpha,
            seed=wanted.seed,
        )
        with shown(printer, folder):
            found = search(asked, folder, listener=printer.update)
        found = write_plan_files(
            found, asked, folder=folder.path, model=wanted.model.source, suites=wanted.suites
        )
        # The document comes last: a folder that holds it is a finished one.
        contents = (render_plan(found), found.to_json())
        folder.write_outputs(dict(zip(REPORTS, contents, strict=True)))
    return found, folder.path


def _identity(
    wanted: Wanted, suites: list["JsonValue"], data: str, config: str | None
) -> "JsonValue":
    return {
        **wanted.model.identity(),
        "part": "plan",
        "suites": suites,
        "data": data,
        "config": config,
        "require": [*wanted.require],
        "budget_tokens": wanted.budget_tokens,
        "budget_minutes": wanted.budget_minutes,
        "trials": wanted.num_trials,
        "items": wanted.num_items,
        "search_items": wanted.num_search_items,
        "alpha": wanted.alpha,
        "seed": wanted.seed,
    }


def _default_folder(wanted: Wanted) -> Path:
    model = Path(wanted.model.source).name.removesuffix(".gguf")
    config = () if wanted.config is None else (wanted.config.stem,)
    data = () if wanted.data is None else (wanted.data.stem,)
    name = "-".join(("plan", model, *data, *config))
    return Path("driftline-runs") / re.sub(r"[^\w.-]", "-", name)
