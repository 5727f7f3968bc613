"""`certify`: whether a tuned model keeps what its base could do, within margins fixed beforehand."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._model_options import DeviceMapOption, DtypeOption, LoadInOption, ModelChoice, TrustOption
from ._run_options import ForceOption, JsonOption, OutOption, SeedOption, SuiteOption

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.results import Certification

OUTPUTS = ("summary.txt", "certification.json")
EXIT_CODES = {"pass": 0, "fail": 1, "inconclusive": 3}

BaseArgument = Annotated[
    str,
    typer.Argument(
        metavar="BASE",
        help="A folder with safetensors, a .gguf file, a hub id (owner/name@revision), or "
        "smollm2-135m.",
        show_default=False,
    ),
]
TunedArgument = Annotated[
    str,
    typer.Argument(
        metavar="TUNED",
        help="What was tuned from it: a folder with safetensors, an adapter's folder, or a hub id.",
        show_default=False,
    ),
]
AlphaOption = Annotated[
    float,
    typer.Option(
        "--alpha", help="Accepted chance that a loss of the margin passes, of each claim."
    ),
]


@dataclass(frozen=True)
class Wanted:
    """What the user asked for, before anything heavy is loaded."""

    base: ModelChoice
    tuned: str
    suites: tuple[str, ...]
    alpha: float
    out: Path | None
    seed: int
    force: bool


def certify(  # noqa: PLR0913 - each is an option of the command line
    base: BaseArgument,
    tuned: TunedArgument,
    suite: SuiteOption,
    alpha: AlphaOption = 0.05,
    out: OutOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    force: ForceOption = False,
    trust_remote_code: TrustOption = False,
    dtype: DtypeOption = None,
    device_map: DeviceMapOption = None,
    load_in: LoadInOption = None,
) -> None:
    """Whether a tuned model keeps what its base could do; exit code 0 pass, 1 fail, 3 inconclusive."""
    chosen = ModelChoice(base, trust_remote_code, dtype, device_map, load_in)
    found, folder = run(Wanted(chosen, tuned, tuple(suite), alpha, out, seed, force))
    if json:
        typer.echo(found.to_json(), nl=False)
    else:
        from driftline.results import certification_summary

        typer.echo(certification_summary(found), nl=False)
        typer.echo(f"\ndocument: {folder / OUTPUTS[1]}")
    raise typer.Exit(EXIT_CODES[found.verdict])


def run(wanted: Wanted) -> tuple["Certification", Path]:
    """Compare a tuned model with its base, and write what was found.

    Args:
        wanted: What was asked.

    Returns:
        The document, and the folder that holds `certification.json` and `summary.txt`.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C; what was stored stays.
    """
    # Heavy, and not needed for --help. Cheap checks come first, so that a typo costs no wait.
    from driftline.capabilities import read_suite

    from ._progress import ProgressPrinter

    printer = ProgressPrinter()
    printer.note("reading the suites")
    suites = tuple(read_suite(name) for name in wanted.suites)
    printer.note("loading PyTorch and transformers")
    from driftline.analyses import CertifyRequest
    from driftline.analyses import certify as compare
    from driftline.engine import RunFolder
    from driftline.results import certification_summary

    folder = RunFolder.open(
        wanted.out or _default_folder(wanted),
        _identity(wanted, [suite.provenance().digest for suite in suites]),
        outputs=OUTPUTS,
        force=wanted.force,
        command="certify",
        model=wanted.tuned,
    )
    with folder:
        printer.note(f"opening {wanted.base.source}")
        opened = wanted.base.open()
        asked = CertifyRequest(opened, wanted.tuned, suites, wanted.alpha, wanted.seed)
        try:
            with printer:
                found = compare(asked, folder, listener=printer.update)
        except KeyboardInterrupt:
            printer.note(f"stopped; the same command goes on from {folder.path}")
            raise
        # The document comes last: a folder that holds it is a finished one.
        contents = (certification_summary(found), found.to_json())
        folder.write_outputs(dict(zip(OUTPUTS, contents, strict=True)))
    return found, folder.path


def _identity(wanted: Wanted, suites: list["JsonValue"]) -> "JsonValue":
    return {
        **wanted.base.identity(),
        "part": "certify",
        "tuned": wanted.tuned,
        "suites": suites,
        "alpha": wanted.alpha,
        "seed": wanted.seed,
    }


def _default_folder(wanted: Wanted) -> Path:
    sources = (Path(name).name for name in (wanted.base.source, wanted.tuned))
    suites = (Path(name).name.removesuffix(".yaml") for name in wanted.suites)
    name = "-".join(("certify", *sources, *suites))
    return Path("driftline-runs") / re.sub(r"[^\w.-]", "-", name)
