"""`diff`: the weights that tuning moved, and whether a merged model holds its adapter."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..options import ForceOption, JsonOption, SeedOption
from ._certify import EXIT_CODES

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.results import WeightDiff

OUTPUTS = ("report.html", "report.json")

Effort = Literal["none", "fast", "exact"]

BaseArgument = Annotated[
    str,
    typer.Argument(
        metavar="BASE",
        help="A folder with safetensors, a .safetensors file, or a hub id (owner/name@revision).",
        show_default=False,
    ),
]
TunedArgument = Annotated[
    str,
    typer.Argument(
        metavar="TUNED",
        help="Likewise, or a LoRA adapter's folder.",
        show_default=False,
    ),
]
AdapterOption = Annotated[
    str | None,
    typer.Option(
        "--adapter",
        help="Folder of a LoRA adapter that TUNED is said to hold, merged into BASE; the merge is "
        "replayed and checked weight by weight.",
        show_default=False,
    ),
]
SpectraOption = Annotated[
    Effort,
    typer.Option(
        "--spectra",
        help="none: norms alone, at the speed of the disk. fast: ranks and intruders exactly up to "
        "a smaller side of 1,024, estimates above. exact: all exactly; minutes for a large matrix.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for report.html and report.json; none is written without."),
]


def diff(
    base: BaseArgument,
    tuned: TunedArgument,
    adapter: AdapterOption = None,
    spectra: SpectraOption = "fast",
    out: OutOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    force: ForceOption = False,
) -> None:
    """Weights that tuning moved, streamed; exit code 0 all compared, 3 some without a partner.

    With --adapter: 0 the merged model holds it, 1 it does not, 3 it cannot be told.

    Raises:
        Exit: Always; it carries the exit code.
    """
    from driftline.results import weight_diff_summary

    found = run(base, tuned, adapter=adapter, spectra=spectra, seed=seed, out=out, force=force)
    if json:
        typer.echo(found.to_json(), nl=False)
    else:
        typer.echo(weight_diff_summary(found), nl=False)
        if out is not None:
            typer.echo(f"\nreport: {out / OUTPUTS[0]}")
    raise typer.Exit(0 if found.verdict is None else EXIT_CODES[found.verdict])


def run(
    base: str,
    tuned: str,
    *,
    adapter: str | None = None,
    spectra: Effort,
    seed: int,
    out: Path | None,
    force: bool,
) -> "WeightDiff":
    """Compare two checkpoints, and write the report where one is wanted.

    Args:
        base: The base, as the user named it.
        tuned: The tuned model or adapter.
        adapter: An adapter that the tuned model is said to hold.
        spectra: What to spend on spectra.
        seed: Of estimates.
        out: Where the report goes; nowhere if None.
        force: Replace what an earlier run left there.

    Returns:
        The document.
    """
    # Heavy, and not needed for --help.
    from .._progress import ProgressPrinter

    printer = ProgressPrinter()
    printer.note("loading PyTorch and transformers")
    from driftline.analyses import DiffRequest
    from driftline.analyses import diff as compare
    from driftline.engine import RunFolder

    request = DiffRequest(base, tuned, spectra, seed, adapter)
    if out is None:
        with printer:
            return compare(request, listener=printer.update)
    identity: JsonValue = {
        "part": "diff",
        "base": base,
        "tuned": tuned,
        "adapter": adapter,
        "spectra": spectra,
        "seed": seed,
    }
    folder = RunFolder.open(
        out, identity, outputs=OUTPUTS, force=force, command="diff", model=tuned
    )
    with folder:
        with printer:
            found = compare(request, listener=printer.update)
        from driftline.report import render_weight_diff

        contents = (render_weight_diff(found), found.to_json())
        folder.write_outputs(dict(zip(OUTPUTS, contents, strict=True)))
    return found
