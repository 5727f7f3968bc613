"""`compare` with configs: several planned runs of one model, before any is trained."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ...errors import ConfigError
from .._set_up import read_suites, shown
from ..options import ModelChoice, check_probe, read_rows

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.analyses import PlannedConfig
    from driftline.capabilities import Suite
    from driftline.results import ConfigComparison

    from .._progress import ProgressPrinter

OUTPUTS = ("summary.txt", "comparison.html", "comparison.json")
_LONGEST_NAME = 120


@dataclass(frozen=True)
class ConfigOptions:
    """The options of the command with configs, before anything heavy is loaded."""

    model: ModelChoice
    configs: tuple[Path, ...]
    suites: tuple[str, ...]
    data: Path | None
    columns: str | None
    num_items: int | None
    out: Path | None
    seed: int
    force: bool


def run_configs(options: ConfigOptions) -> tuple["ConfigComparison", Path]:
    """Forecast several planned runs, and write which is safest.

    Args:
        options: What was asked.

    Returns:
        The document, and the folder that holds it with `OUTPUTS`.

    Raises:
        ConfigError: Fewer than two configs, or one that cannot be followed.
        KeyboardInterrupt: The user pressed Ctrl-C; what was trained and scored stays.
    """
    from .._progress import ProgressPrinter

    if len(options.configs) < 2:
        raise ConfigError("--config: one config has nothing to be compared with; name two or more")
    printer = ProgressPrinter()
    suites = read_suites(options.suites, printer)
    from driftline.analyses import CompareConfigsRequest, compare_configs
    from driftline.engine import RunFolder
    from driftline.report import render_config_comparison
    from driftline.results import config_comparison_summary

    runs = _read_runs(options, printer)
    folder = RunFolder.open(
        options.out or _default_folder(options),
        _identity(options, runs, suites),
        outputs=OUTPUTS,
        force=options.force,
        command="compare",
        model=options.model.source,
    )
    with folder:
        printer.note(f"opening {options.model.source}")
        request = CompareConfigsRequest(
            options.model.open(), runs, suites, options.num_items, options.seed
        )
        with shown(printer, folder):
            found = compare_configs(request, folder, listener=printer.update)
        # The document comes last: a folder that holds it is a finished one.
        contents = (
            config_comparison_summary(found),
            render_config_comparison(found),
            found.to_json(),
        )
        folder.write_outputs(dict(zip(OUTPUTS, contents, strict=True)))
    return found, folder.path


def show_configs(found: "ConfigComparison", folder: Path, *, as_json: bool) -> None:
    """Print a comparison of configs.

    Args:
        found: What to print.
        folder: Where its report is.
        as_json: The document alone, instead of the summary.
    """
    from driftline.results import config_comparison_summary

    if as_json:
        typer.echo(found.to_json(), nl=False)
        return
    typer.echo(config_comparison_summary(found), nl=False)
    typer.echo(f"\nreport: {folder / OUTPUTS[1]}")


def _read_runs(options: ConfigOptions, printer: "ProgressPrinter") -> "tuple[PlannedConfig, ...]":
    """Read every config with its rows, so that a fault in the last one costs no wait."""
    from driftline.analyses import PlannedConfig
    from driftline.models import read_training_config

    counts = Counter(path.name for path in options.configs)
    runs = []
    for path in options.configs:
        config = read_training_config(path)
        check_probe(config, printer)
        data, notes = read_rows(options.data, config, options.columns)
        for note in notes:
            printer.say(note)
        label = path.name if counts[path.name] == 1 else str(path)
        runs.append(PlannedConfig(label, config.for_data(is_chat=data.is_chat), data))
    return tuple(runs)


def _identity(
    options: ConfigOptions, runs: "Sequence[PlannedConfig]", suites: "Sequence[Suite]"
) -> "JsonValue":
    """All that the answer depends on."""
    return {
        **options.model.identity(),
        "part": "compare configs",
        "runs": [[run.label, run.config.digest, run.data.digest] for run in runs],
        "suites": [suite.provenance().digest for suite in suites],
        "items": options.num_items,
        "seed": options.seed,
    }


def _default_folder(options: ConfigOptions) -> Path:
    model = Path(options.model.source).name.removesuffix(".gguf")
    stems = (path.stem for path in options.configs)
    name = re.sub(r"[^\w.-]", "-", "-".join(("compare", model, *stems)))
    return Path("driftline-runs") / name[:_LONGEST_NAME]
