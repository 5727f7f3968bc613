"""`then_train`: after the verdict safe, continue the planned run from its probe."""

from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError
from .. import inputs

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.models import LanguageModel
    from driftline.results import Assessment

CONTINUABLE = ("assess", "forecast")
"""Questions whose probe can be continued from."""
OUTPUTS = ("report.html", "report.json")


def check_then_train(
    part: str, choice: inputs.ModelChoice, *, keeps_checkpoint: bool, has_folder: bool
) -> None:
    """Refuse, before the probe, a request that could not be continued from it.

    Args:
        part: The question.
        keeps_checkpoint: Whether the probe's checkpoint is kept.
        has_folder: Whether a run folder is named.

    Raises:
        ConfigError: The part, an option or the base does not allow it.
    """
    if part not in CONTINUABLE:
        raise ConfigError(f"--then-train: {part} keeps no probe; run assess or forecast")
    if not keeps_checkpoint:
        raise ConfigError("--then-train: resumes from the probe's checkpoint; drop --no-checkpoint")
    if choice.load_in is not None:
        raise ConfigError(
            f"--then-train: train takes no quantised base; drop --load-in {choice.load_in}"
        )
    if not has_folder:
        raise ConfigError(
            "--then-train: keeps the tuned model in a run folder; name one with --out"
        )


def check_trainable(opened: "LanguageModel") -> None:
    """Refuse a base that `train` does not take.

    Raises:
        ConfigError: It is quantised or offloaded.
    """
    if opened.packing is not None or opened.is_offloaded:
        raise ConfigError(
            f"--then-train: {opened.source} is quantised or offloaded, which train does not support; drop "
            "--then-train"
        )


def finished_run(path: Path, identity: "JsonValue") -> "Assessment | None":
    """Read the answer to the same request from a finished run folder.

    Args:
        identity: All that the answer depends on.

    Returns:
        The assessment; None where the folder holds no such answer.
    """
    from driftline.engine import RunFolder
    from driftline.provenance import digest_value
    from driftline.training import read_assessment

    folder = RunFolder(path)
    marker = folder.marker()
    if marker is None or marker.request != digest_value(identity):
        return None
    return read_assessment(path / OUTPUTS[-1]) if folder.is_finished(OUTPUTS) else None


def with_inputs(assessment: "Assessment", given: dict[str, Any], folder: Path) -> "Assessment":
    """Add the names of the run's inputs to the checkpoint, so that it can be continued.

    Args:
        assessment: The answer.
        given: Model, data, config, columns and suites as they were given.

    Returns:
        The assessment; the same where no checkpoint is kept, or an input is in memory.
    """
    from driftline.results import RunInputs
    from driftline.training import name_input

    kept = assessment.checkpoint
    if kept is None or not is_all_files(given):
        return assessment
    data = given["data"]
    run_inputs = RunInputs(
        model=name_input(folder, fspath(given["model"])),
        data=None if data is None else name_input(folder, fspath(data)),
        config=name_input(folder, fspath(given["config"])),
        columns=given["columns"],
        suites=tuple(name_input(folder, name) for name in inputs.suite_names(given["suites"])),
    )
    kept = kept.model_copy(update={"inputs": run_inputs})
    return assessment.model_copy(update={"checkpoint": kept})


def is_all_files(given: dict[str, Any]) -> bool:
    """Tell whether a later process can read all inputs again by their names.

    Args:
        given: As `with_inputs` takes them.

    Returns:
        Whether no input is an object in memory.
    """
    suites = given["suites"]
    named = [suites] if isinstance(suites, str | PathLike) else suites
    if not isinstance(named, list | tuple) or not isinstance(given["columns"], str | None):
        return False
    values = [given["model"], given["config"], given["data"] or "", *named]
    return all(isinstance(value, str | PathLike) for value in values)
