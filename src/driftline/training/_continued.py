"""A planned run whose first steps a probe has trained: read from the run folder, and checked."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import JsonValue

from ..errors import ConfigError, DataError, ModelError, OutputError
from ..models import (
    FREE_FIELDS,
    LanguageModel,
    Levers,
    TrainingConfig,
    TrainingData,
    checkpoint_files,
)
from ..monitor import MonitorSettings, read_assessment
from ..provenance import package_versions
from ..results import Assessment, KeptCheckpoint
from ._protocol import Protocol, read_protocol
from ._run_start import FROM_STEP_1, RunStart

_SCHEMAS = ("driftline/assess/1", "driftline/forecast/1")
_REPORT = "report.json"


@dataclass(frozen=True)
class ProbedRun:
    """A finished assessment with the checkpoint of its probe."""

    path: Path
    """Run folder."""
    assessment: Assessment
    kept: KeptCheckpoint
    start: RunStart

    @property
    def dtype(self) -> str:
        """Dtype that the base was opened in."""
        return self.assessment.provenance.model.dtype

    @property
    def columns(self) -> str | None:
        """Columns to train on, as `--map` takes them."""
        return None if self.kept.inputs is None else self.kept.inputs.columns

    def place(self, name: str) -> str:
        """Find a file that was named relative to the run folder.

        Args:
            name: As the document has it.

        Returns:
            Its path; the name itself where there is no such file, such as that of a shipped suite.
        """
        path = os.path.normpath(self.path / name)
        return path if os.path.exists(path) else name


def name_input(run: Path, source: str) -> str:
    """Return the name of a run's input for its document.

    Args:
        run: Run folder.
        source: File, or a name that is none.

    Returns:
        A file's path relative to the run folder, so that both can be moved together.
    """
    return os.path.relpath(source, run) if os.path.exists(source) else source


def read_probed_run(run: Path) -> ProbedRun:
    """Read the run folder of an assessment, to continue the planned run from its probe.

    Cost: reading the checkpoint once, for its digests.

    Args:
        run: Run folder of `assess` or `forecast`.

    Returns:
        The run.

    Raises:
        ConfigError: The folder is of another command, or is not finished.
        OutputError: There is no checkpoint, or it has changed.
    """
    if not (run / _REPORT).is_file():
        raise ConfigError(
            f"{run}: holds no finished run; give the run folder of assess or forecast"
        )
    assessment = read_assessment(run / _REPORT)
    if assessment.schema_ not in _SCHEMAS:
        command = assessment.provenance.command
        raise ConfigError(f"{run}: is a run of {command}, whose probe is not kept; run assess")
    kept = assessment.checkpoint
    if kept is None:
        raise OutputError(f"{run}: {_no_checkpoint(assessment)}, {FROM_STEP_1}")
    folder = run / kept.folder
    result = checkpoint_files(folder) if folder.is_dir() else {}
    for name, digest in kept.files.items():
        if result.get(name) != digest:
            state = "has changed since the probe" if name in result else "is missing"
            raise OutputError(f"{folder / name}: {state}; run assess again, {FROM_STEP_1}")
    return ProbedRun(run, assessment, kept, RunStart(kept.step, folder))


def planned_protocol(probed: ProbedRun, read: Protocol | None) -> Protocol:
    """Complete the protocol of a continued run from the run folder.

    Args:
        probed: The run folder.
        read: Config that the user named too; its fields come first.

    Returns:
        A protocol with the run's model, data and suites, and its assessment.

    Raises:
        ConfigError: The protocol has levers, or the document names no config.
    """
    inputs = probed.kept.inputs
    if read is not None and (read.levers != Levers()):
        raise ConfigError(
            f"{read.config.name}: levers: the probe in {probed.path} trained without them; remove them, "
            f"{FROM_STEP_1}"
        )
    if inputs is None:
        if read is None:
            raise ConfigError(f"{probed.path}: its run was not read from files; name PROTOCOL too")
        return read
    own = read if read is not None else read_protocol(Path(probed.place(inputs.config)))
    data = None if inputs.data is None else Path(probed.place(inputs.data))
    return Protocol(
        config=own.config,
        model=(None if read is None else read.model) or probed.place(inputs.model),
        data=own.data or data,
        suites=own.suites or tuple(probed.place(name) for name in inputs.suites),
        settings=own.settings if read is not None else MonitorSettings(),
        assessment=own.assessment or probed.path / _REPORT,
    )


def check_inputs(probed: ProbedRun, config: TrainingConfig, data: TrainingData) -> None:
    """Refuse a config or data other than the probe's.

    Args:
        probed: The run folder.
        config: As `for_data` makes it.
        data: Data to train on.

    Raises:
        ConfigError: The config would train otherwise; the message names the field.
        DataError: Rows have changed.
    """
    provenance = probed.assessment.provenance
    before, now = provenance.config_values, config.values
    for key in sorted({*before, *now} - FREE_FIELDS):
        if before.get(key) != now.get(key):
            raise ConfigError(
                f"{config.name}: {key}: the probe in {probed.path} was trained with "
                f"{_shown(before, key)}, and here it is {_shown(now, key)}; put it back, {FROM_STEP_1}"
            )
    if config.value("ignore_data_skip"):
        raise ConfigError(
            f"{config.name}: ignore_data_skip: would train on the first rows again; remove it"
        )
    if provenance.data is None or provenance.data.digest != data.digest:
        raise DataError(
            f"{data.name}: its rows are not those that the probe in {probed.path} was trained on; name "
            f"the same with --data (and --map), {FROM_STEP_1}"
        )


def check_model(probed: ProbedRun, opened: LanguageModel) -> tuple[str, ...]:
    """Refuse a base other than the probe's.

    Args:
        probed: The run folder.
        opened: The base.

    Returns:
        Differences of the machine that may change the last bits of the weights, one sentence each.

    Raises:
        ModelError: Weights or config differ.
    """
    provenance = probed.assessment.provenance
    then = provenance.numerics
    is_same = provenance.model.digest == opened.digest and then.config_digest in (
        None,
        opened.config_digest,
    )
    if not is_same:
        raise ModelError(
            f"{opened.source}: is not the base that the probe in {probed.path} was trained on; name the "
            f"same with --model, {FROM_STEP_1}"
        )
    now: dict[str, object] = {"device": opened.device.type, "threads": torch.get_num_threads()}
    before: dict[str, object] = {"device": then.device, "threads": then.num_threads}
    packages = package_versions()
    for name, version in provenance.packages.items():
        before[name], now[name] = version, packages.get(name)
    return tuple(
        f"{name}: {before[name]} in the probe, {now[name]} here; the last bits of the weights may differ "
        "from those of a run from step 1"
        for name in before
        if before[name] != now[name]
    )


def _no_checkpoint(assessment: Assessment) -> str:
    return "holds no checkpoint of its probe; run it again without --no-checkpoint"


def _shown(values: dict[str, JsonValue], key: str) -> str:
    return repr(values[key]) if key in values else "left out"
