"""`compare`: which checkpoint to take after training, or which config to train before it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import ConfigError
from .._set_up import read_suites, shown
from ..options import (
    DeviceMapOption,
    DtypeOption,
    ForceOption,
    ItemsOption,
    JsonOption,
    LoadInOption,
    MapOption,
    ModelChoice,
    OutOption,
    SeedOption,
    TrustOption,
    checked_alpha,
    read_rows,
)
from ._compare_configs import ConfigOptions, run_configs, show_configs

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.capabilities import Suite
    from driftline.models import TrainingData
    from driftline.results import Comparison

    from .._progress import ProgressPrinter

OUTPUTS = ("summary.txt", "comparison.html", "comparison.json")
EXIT_CODES = {"pass": 0, "fail": 1, "inconclusive": 3}
_LONGEST_NAME = 120

BaseArgument = Annotated[
    str,
    typer.Argument(
        metavar="BASE",
        help="The base: a folder with safetensors, a .gguf file, a hub id (owner/name@revision), or "
        "smollm2-135m.",
        show_default=False,
    ),
]
CheckpointsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CHECKPOINT...",
        help="Checkpoints or adapters tuned from it, or a trainer's output folder, which stands for "
        "all of its checkpoint-N folders.",
        show_default=False,
    ),
]
SuiteOption = Annotated[
    list[str],
    typer.Option(
        "--suite",
        help="What must not break: a shipped suite's name, a YAML file, or lm_eval:TASK.",
    ),
]
ConfigsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--config",
        help="Before training: a config to compare with others; give the option two or more times, and "
        "no checkpoint.",
    ),
]
TargetOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="With checkpoints: held-out rows of the target task, to see what each gains. With configs: "
        "the training data, where they name none.",
    ),
]
AlphaOption = Annotated[
    float | None,
    typer.Option(
        "--alpha",
        callback=checked_alpha,
        help="Accepted probability of any wrong claim that a checkpoint kept everything (default: 0.05).",
    ),
]


@dataclass(frozen=True)
class Options:
    """The options of the command, before anything heavy is loaded."""

    base: ModelChoice
    checkpoints: tuple[str, ...]
    suites: tuple[str, ...]
    data: Path | None
    columns: str | None
    num_items: int | None
    alpha: float
    out: Path | None
    seed: int
    force: bool


def compare(  # noqa: PLR0913 - each is an option of the command line
    base: BaseArgument,
    checkpoints: CheckpointsArgument = None,
    suite: SuiteOption = ["core"],  # noqa: B006 - Typer copies it
    data: TargetOption = None,
    config: ConfigsOption = None,
    columns: MapOption = None,
    items: ItemsOption = None,
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
    """Which checkpoint keeps everything and gains most, or which config is safest; exit code 0 if one is, 1 if none is, 3 undecided."""
    chosen = ModelChoice(base, trust_remote_code, dtype, device_map, load_in)
    if config:
        _refuse_mixed(checkpoints, alpha)
        planned, folder = run_configs(
            ConfigOptions(
                chosen, tuple(config), tuple(suite), data, columns, items, out, seed, force
            )
        )
        show_configs(planned, folder, as_json=json)
        raise typer.Exit(EXIT_CODES[planned.verdict])
    options = Options(
        base=chosen,
        checkpoints=tuple(checkpoints or ()),
        suites=tuple(suite),
        data=data,
        columns=columns,
        num_items=items,
        alpha=0.05 if alpha is None else alpha,
        out=out,
        seed=seed,
        force=force,
    )
    found, folder = run(options)
    if json:
        typer.echo(found.to_json(), nl=False)
    else:
        from driftline.results import comparison_summary

        typer.echo(comparison_summary(found), nl=False)
        typer.echo(f"\nreport: {folder / OUTPUTS[1]}")
    raise typer.Exit(EXIT_CODES[found.verdict])


def _refuse_mixed(checkpoints: Sequence[str] | None, alpha: float | None) -> None:
    """Refuse options that configs have no use for.

    Raises:
        ConfigError: Checkpoints or a level of tests are given too.
    """
    if checkpoints:
        raise ConfigError(
            f"--config: compares runs before training, and {checkpoints[0]} is compared after it; ask the "
            "two apart"
        )
    if alpha is not None:
        raise ConfigError("--alpha: is for checkpoints; a forecast makes no test, leave it out")


def run(options: Options) -> tuple["Comparison", Path]:
    """Compare checkpoints with their base and each other, and write what was found.

    Args:
        options: What was asked.

    Returns:
        The document, and the folder that holds it with `OUTPUTS`.

    Raises:
        ConfigError: No checkpoint is named.
        KeyboardInterrupt: The user pressed Ctrl-C; stored scores stay.
    """
    # Heavy, and not needed for --help. Cheap checks come first, so that a typo costs no wait.
    from .._progress import ProgressPrinter

    if not options.checkpoints:
        raise ConfigError(
            "compare: names no checkpoint; add checkpoints, adapters or a trainer's output folder after "
            "the base, or two or more --config"
        )
    printer = ProgressPrinter()
    suites = read_suites(options.suites, printer)
    from driftline.analyses import CompareRequest, compare_checkpoints, find_checkpoints
    from driftline.engine import RunFolder
    from driftline.report import render_comparison
    from driftline.results import comparison_summary

    named = find_checkpoints(options.checkpoints)
    data = _read_target(options, printer)
    folder = RunFolder.open(
        options.out or _default_folder(options),
        _identity(options, [each.source for each in named], suites, data),
        outputs=OUTPUTS,
        force=options.force,
        command="compare",
        model=options.base.source,
    )
    with folder:
        printer.note(f"opening {options.base.source}")
        request = CompareRequest(
            options.base.open(),
            options.checkpoints,
            suites,
            data=data,
            num_items=options.num_items,
            alpha=options.alpha,
            seed=options.seed,
        )
        with shown(printer, folder):
            found = compare_checkpoints(request, folder, listener=printer.update)
        # The document comes last: a folder that holds it is a finished one.
        contents = (comparison_summary(found), render_comparison(found), found.to_json())
        folder.write_outputs(dict(zip(OUTPUTS, contents, strict=True)))
    return found, folder.path


def _read_target(options: Options, printer: "ProgressPrinter") -> "TrainingData | None":
    """Read the held-out rows, if any are named."""
    if options.data is None:
        if options.columns is not None:
            raise ConfigError("--map: names columns, but no --data says whose; add --data")
        return None
    data, notes = read_rows(options.data, None, options.columns)
    for note in notes:
        printer.say(note)
    return data


def _identity(
    options: Options,
    checkpoints: list[str],
    suites: "Sequence[Suite]",
    data: "TrainingData | None",
) -> "JsonValue":
    """All that the answer depends on."""
    return {
        **options.base.identity(),
        "part": "compare",
        "checkpoints": [*checkpoints],
        "suites": [suite.provenance().digest for suite in suites],
        "data": None if data is None else data.digest,
        "items": options.num_items,
        "alpha": options.alpha,
        "seed": options.seed,
    }


def _default_folder(options: Options) -> Path:
    models = (options.base.source, *options.checkpoints)
    parts = (Path(name).name.removesuffix(".gguf") for name in models)
    suites = (Path(name).name.removesuffix(".yaml") for name in options.suites)
    name = re.sub(r"[^\w.-]", "-", "-".join(("compare", *parts, *suites)))
    return Path("driftline-runs") / name[:_LONGEST_NAME]
