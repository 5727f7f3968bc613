"""`repair`: capabilities given back by scaling the update part by part, without training."""

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
    ModelChoice,
    OutOption,
    SearchItemsOption,
    SeedOption,
    SuiteOption,
    TrustOption,
    finite,
    read_rows,
)
from ._certify import EXIT_CODES, AlphaOption, BaseArgument, TunedArgument

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.models import TrainingData
    from driftline.results import Repair

    from .._progress import ProgressPrinter

OUTPUTS = ("report.html", "report.json")

TargetOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help=f"What tuning was for: {KINDS}; best examples that were not trained on. Without it as "
        "much of the update is kept as can be.",
    ),
]
MaxCostOption = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        callback=finite,
        help="Give up at most this share of the target's gain, as 0.05, and come as near to the "
        "tolerances as that allows; without it the tolerances rule.",
    ),
]


@dataclass(frozen=True)
class Wanted:
    """What the user asked for, before anything heavy is loaded."""

    base: ModelChoice
    tuned: str
    suites: tuple[str, ...]
    data: Path | None
    max_cost: float | None
    num_items: int | None
    num_search_items: int | None
    alpha: float
    out: Path | None
    seed: int
    force: bool
    columns: str | None = None


def repair(  # noqa: PLR0913 - each is an option of the command line
    base: BaseArgument,
    tuned: TunedArgument,
    suite: SuiteOption,
    data: TargetOption = None,
    columns: MapOption = None,
    max_cost: MaxCostOption = None,
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
    """Give capabilities back by scaling the update, without training; exit code 0 pass, 1 fail, 3 inconclusive."""
    chosen = ModelChoice(base, trust_remote_code, dtype, device_map, load_in)
    level = 0.05 if alpha is None else alpha
    found, folder = run(
        Wanted(
            chosen,
            tuned,
            tuple(suite),
            data,
            max_cost,
            items,
            search_items,
            level,
            out,
            seed,
            force,
            columns,
        )
    )
    if json:
        typer.echo(found.to_json(), nl=False)
    else:
        from driftline.results import repair_summary

        typer.echo(repair_summary(found), nl=False)
        typer.echo(f"\nreport: {folder / OUTPUTS[0]}")
        if found.output is not None:
            typer.echo(f"repaired {found.output.kind}: {folder / found.output.folder}")
    raise typer.Exit(EXIT_CODES[found.verdict])


def run(wanted: Wanted) -> tuple["Repair", Path]:
    """Search a repair, and write the model and what was found.

    Args:
        wanted: What was asked.

    Returns:
        The document, and the folder that holds the two reports and the repaired model.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C; what was stored stays.
    """
    # Heavy, and not needed for --help. Cheap checks come first, so that a typo costs no wait.
    from driftline.capabilities import read_suite

    from .._progress import ProgressPrinter

    printer = ProgressPrinter()
    printer.note("reading the suites")
    suites = tuple(read_suite(name) for name in wanted.suites)
    printer.note("loading PyTorch and transformers")
    from driftline.analyses import RepairRequest
    from driftline.analyses import repair as search
    from driftline.engine import RunFolder
    from driftline.report import render_repair

    data = _read_target(wanted, printer)
    folder = RunFolder.open(
        wanted.out or _default_folder(wanted),
        _identity(
            wanted, [suite.provenance().digest for suite in suites], data.digest if data else None
        ),
        outputs=OUTPUTS,
        force=wanted.force,
        command="repair",
        model=wanted.tuned,
    )
    with folder:
        printer.note(f"opening {wanted.base.source}")
        asked = RepairRequest(
            wanted.base.open(),
            wanted.tuned,
            suites,
            data,
            wanted.max_cost,
            wanted.num_items,
            wanted.num_search_items,
            wanted.alpha,
            wanted.seed,
        )
        try:
            with printer:
                found = search(asked, folder, listener=printer.update)
        except KeyboardInterrupt:
            printer.note(f"stopped; the same command goes on from {folder.path}")
            raise
        # The document comes last: a folder that holds it is a finished one.
        contents = (render_repair(found), found.to_json())
        folder.write_outputs(dict(zip(OUTPUTS, contents, strict=True)))
    return found, folder.path


def _read_target(wanted: Wanted, printer: "ProgressPrinter") -> "TrainingData | None":
    """The rows that tuning was for, if any are named; what is left out of them is said."""
    from driftline.errors import ConfigError

    if wanted.data is None:
        if wanted.columns is not None:
            raise ConfigError("--map: names columns, but no --data says whose; add --data")
        return None
    data, notes = read_rows(wanted.data, None, wanted.columns)
    for note in notes:
        printer.say(note)
    return data


def _identity(wanted: Wanted, suites: list["JsonValue"], data: str | None) -> "JsonValue":
    return {
        **wanted.base.identity(),
        "part": "repair",
        "tuned": wanted.tuned,
        "suites": suites,
        "data": data,
        "max_cost": wanted.max_cost,
        "items": wanted.num_items,
        "search_items": wanted.num_search_items,
        "alpha": wanted.alpha,
        "seed": wanted.seed,
    }


def _default_folder(wanted: Wanted) -> Path:
    sources = (Path(name).name for name in (wanted.base.source, wanted.tuned))
    suites = (Path(name).name.removesuffix(".yaml") for name in wanted.suites)
    name = "-".join(("repair", *sources, *suites))
    return Path("driftline-runs") / re.sub(r"[^\w.-]", "-", name)
