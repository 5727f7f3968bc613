"""`--then-train`: after the verdict safe, continue the planned run from its probe."""

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ...errors import ConfigError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.models import LanguageModel
    from driftline.results import Assessment

    from ._assess import Request

CONTINUABLE = ("assess", "forecast")
"""Commands whose probe can be continued from."""
OUTPUTS = ("report.html", "report.json")


def check_then_train(request: "Request", opened: "LanguageModel | None" = None) -> None:
    """Refuse, before the probe, a request that could not be continued from it.

    Args:
        request: What was asked.
        opened: The base, once it is open.

    Raises:
        ConfigError: The part, an option or the base does not allow it.
    """
    if not request.then_train:
        return
    if request.part not in CONTINUABLE:
        raise ConfigError(f"--then-train: {request.part} keeps no probe; run assess or forecast")
    if not request.checkpoint:
        raise ConfigError("--then-train: goes on from the probe's checkpoint; drop --no-checkpoint")
    if request.forecast.probe == "0.1":
        raise ConfigError(
            "--then-train: --probe 0.1 is a replica, not the start of the run; take a probe of 0.2"
        )
    if request.model.load_in is not None:
        raise ConfigError(
            f"--then-train: train takes no quantised base; drop --load-in {request.model.load_in}"
        )
    if opened is not None and (opened.packing is not None or opened.is_offloaded):
        raise ConfigError(
            f"--then-train: {opened.source} is quantised or offloaded, which train does not support; drop "
            "--then-train"
        )


def finished_run(path: Path, identity: "JsonValue") -> "Assessment | None":
    """Read the answer to the same request from a finished run folder.

    Args:
        path: Run folder.
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


def with_inputs(assessment: "Assessment", request: "Request", folder: Path) -> "Assessment":
    """Add the names of the run's inputs to the checkpoint, so that it can be continued.

    Args:
        assessment: The answer.
        request: What was asked.
        folder: Run folder.

    Returns:
        The assessment; the same where no checkpoint is kept.
    """
    from driftline.results import RunInputs
    from driftline.training import name_input

    kept = assessment.checkpoint
    if kept is None:
        return assessment
    inputs = RunInputs(
        model=name_input(folder, request.model.source),
        data=None if request.data is None else name_input(folder, str(request.data)),
        config=name_input(folder, str(request.config)),
        columns=request.columns,
        suites=tuple(name_input(folder, name) for name in request.suites),
    )
    kept = kept.model_copy(update={"inputs": inputs})
    return assessment.model_copy(update={"checkpoint": kept})


def train_on(request: "Request", folder: Path, *, as_json: bool) -> NoReturn:
    """Continue the run to its end, and exit with the code of `train`.

    Args:
        request: What was asked.
        folder: Run folder of the probe.
        as_json: Print the document alone, instead of the summary.

    Raises:
        Exit: Always.
    """
    from ._train import Wanted
    from ._train import show as train_and_show

    train_and_show(
        Wanted(
            protocol=None,
            model=request.model.source,
            data=request.data,
            suites=request.suites,
            every=None,
            num_items=None,
            action=None,
            out=None,
            force=request.force,
            trust_remote_code=request.model.trust_remote_code,
            columns=request.columns,
            start=folder,
        ),
        as_json=as_json,
    )
