"""`runs`: the run folders of this machine, listed, shown and pruned."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import ConfigError
from ...escapes import replaced

if TYPE_CHECKING:
    from driftline.results import RunContents, RunSummary

RootOption = Annotated[Path, typer.Option("--root", help="The folder that holds the run folders.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

_DEFAULT_ROOT = Path("driftline-runs")

runs = typer.Typer(
    help="List, show and prune run folders.", add_completion=False, invoke_without_command=True
)


@runs.callback()
def default(context: typer.Context) -> None:
    """List, show and prune run folders; without a command, list them."""
    if context.invoked_subcommand is None:
        list_all()


@runs.command("list")
def list_all(root: RootOption = _DEFAULT_ROOT, json: JsonOption = False) -> None:
    """List the run folders, the newest first: command, model, state, points stored, size."""
    # Loads PyTorch, so not for --help.
    from driftline.engine import list_runs

    result = list_runs(root)
    if json:
        typer.echo(result.to_json(), nl=False)
        return
    if not result.runs:
        typer.echo(f"no runs under {root}")
        return
    for line in _table(result.runs):
        typer.echo(line)


@runs.command("show")
def show(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run folder, or its name under --root.")
    ],
    root: RootOption = _DEFAULT_ROOT,
    json: JsonOption = False,
) -> None:
    """Show one run: its points, and how many items of each capability are stored there."""
    from driftline.engine import show_run

    path = Path(run)
    result = show_run(path if path.exists() else root / run)
    if json:
        typer.echo(result.to_json(), nl=False)
        return
    for line in _table((result.run,)):
        typer.echo(line)
    if result.run.owner is not None:
        owner = result.run.owner
        typer.echo(_clean(f"in use by process {owner.pid} on {owner.host} since {owner.since}"))
    for line in _matrix(result):
        typer.echo(line)


@runs.command("prune")
def prune(
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Runs without a report.")
    ] = False,
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", min=0, metavar="DAYS", help="Runs that last changed before."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    root: RootOption = _DEFAULT_ROOT,
    json: JsonOption = False,
) -> None:
    """Remove Driftline's own files of some runs; both conditions must hold where both are given."""
    from driftline.engine import PruneRule, choose_runs, prune_runs

    rule = PruneRule(unfinished=unfinished, older_than_days=older_than)
    chosen = choose_runs(root, rule)
    if chosen and not yes:
        if json or not sys.stdin.isatty():
            raise ConfigError(
                f"runs prune: {len(chosen)} runs are chosen; add --yes to remove them"
            )
        for line in _table(chosen):
            typer.echo(line)
        typer.confirm("remove these?", abort=True)
    pruned = prune_runs(root, chosen)
    if json:
        typer.echo(pruned.to_json(), nl=False)
        return
    freed = _size(sum(run.num_bytes for run in pruned.removed))
    typer.echo(f"{len(pruned.removed)} runs removed, {freed} freed")
    for run in pruned.kept:
        typer.echo(_clean(f"left alone, in use or changed: {run.path}"))


def _table(result: "tuple[RunSummary, ...]") -> list[str]:
    header = ("run", "command", "state", "points", "size", "last change", "model")
    rows = [
        (
            Path(run.path).name,
            run.command or "-",
            run.state,
            "-" if run.num_points is None else str(run.num_points),
            _size(run.num_bytes),
            run.changed.replace("T", " ").removesuffix("+00:00"),
            run.model or "-",
        )
        for run in result
    ]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    return [
        "  ".join(
            _clean(cell).ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in [header, *rows]
    ]


def _matrix(result: "RunContents") -> list[str]:
    """Lay out the stored items, points by capabilities; these are numbered, to fit on a line."""
    if not result.scores:
        return ["nothing is stored"]
    names = list(dict.fromkeys(score.capability for score in result.scores))
    points = list(dict.fromkeys(score.point for score in result.scores))
    items: dict[tuple[str, str], int] = {}
    for score in result.scores:
        cell = (score.point, score.capability)
        items[cell] = max(items.get(cell, 0), score.num_items)
    width = max(len("point"), *map(len, points))
    legend = ", ".join(f"{number} {_clean(name)}" for number, name in enumerate(names, start=1))
    numbers = "".join(f"{number:>6}" for number in range(1, len(names) + 1))
    return [
        f"items of each capability at each point; capabilities: {legend}",
        f"{'point':<{width}}{numbers}",
        *(
            f"{_clean(point):<{width}}"
            + "".join(f"{items.get((point, name), '-'):>6}" for name in names)
            for point in points
        ),
    ]


def _clean(text: str) -> str:
    """Write a text as one line of a table."""
    return replaced(text, keep="")


def _size(num_bytes: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if num_bytes < 1024:
            return f"{num_bytes:.0f} {unit}" if unit == "B" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1024
    return f"{num_bytes:.1f} GiB"
