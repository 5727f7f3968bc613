"""`train`: fine-tune under the monitor, from a protocol or from the user's own TRL config."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigError, InputError
from .. import inputs
from ..answers import Answer
from ..inputs import read_rows
from ._plan_of import plan_of

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.capabilities import Suite
    from driftline.engine import RunFolder
    from driftline.models import TrainingConfig, TrainingData
    from driftline.training import ProbedRun, Protocol, TrainRequest

OUTPUTS = ("report.html", "report.json")
_TRAINED = ("checkpoints", "monitor", "model", "train-with-replay.jsonl")
"""Names that training writes in the run folder."""


def train(  # noqa: PLR0913 - the inputs of a question
    protocol: inputs.ConfigInput = None,
    *,
    start: object = None,
    model: inputs.ModelInput = None,
    data: inputs.DataInput = None,
    columns: str | Mapping[str, str] | None = None,
    eval_data: inputs.DataInput = None,
    suites: inputs.SuiteInput = (),
    every: int | None = None,
    items: int | None = None,
    action: str | None = None,
    out: object = None,
    force: bool = False,
    trust_remote_code: bool = False,
    dry_run: bool = False,
    reporter: inputs.Reporter | None = None,
) -> Answer:
    """Fine-tune with TRL under the monitor.

    Args:
        protocol: A protocol or a TRL config: a YAML file, a dict, or an `SFTConfig`; may be left out with
            `start`.
        start: Run folder of `assess` or `forecast`: continue the planned run from its probe's checkpoint.
        model: The base, where the protocol does not name it; a model in memory is copied, not trained.
        data: Training data, where the protocol does not name it.
        columns: Columns to train on, as `prompt=question,completion=answer` or a dict.
        eval_data: Rows that are not trained on: the gain on them is measured at the end, and they are
            evaluated on while it trains, where the config does that.
        suites: What must not break; `core` where neither this nor the protocol says.
        every: Steps between checks.
        items: Items of each capability to score.
        action: `log`, `warn`, `lower_learning_rate`, `stop` or `roll_back`, on an alarm.
        out: Run folder with the tuned model in `model/`; None keeps no model, only the answer.
        force: Replace an earlier run in `out`.
        trust_remote_code: Let a checkpoint's own Python code run.
        dry_run: Estimate the cost, and do nothing else.
        reporter: Told about progress.

    Returns:
        The answer.

    Raises:
        ConfigError: The protocol cannot be used, or names no model.
    """
    inputs.check_least("--every", every, 1)
    inputs.check_items("--items", items)
    _refuse_many_processes()
    reporter = reporter or inputs.SilentReporter()
    reporter.note("loading PyTorch, transformers and TRL")
    changes: dict[str, JsonValue] = {"every_steps": every, "num_items": items, "action": action}
    probed, read = _read_protocol(protocol, inputs.path_of(start, "--from"))
    read = _with_settings(read, {k: v for k, v in changes.items() if v is not None})
    _check_out(inputs.path_of(out, "--out"), probed)
    named_suites = suites or read.suites or ("core",)
    with inputs.handed_models() as handed:
        base = model if model is not None else read.model
        name = _name(protocol if protocol is not None else start)
        if base is None:
            raise ConfigError(f"{name}: names no model; add --model")
        run = _read_run(read, probed, name, (data, columns, eval_data), is_named=model is not None)
        for note in run.notes:
            reporter.say(note)
        result = inputs.read_suites(named_suites, reporter)
        source, digest = handed.files(base, "model")
        dtype = "bfloat16" if probed is not None and probed.dtype == "bfloat16" else None
        choice = inputs.ModelChoice(source, trust_remote_code, dtype, digest=digest)
        if dry_run:
            from ..documents import TrainCost, estimate_training

            cost = TrainCost(run.data, run.config, result)
            return Answer(handed.named(estimate_training(cost, choice)))
        with inputs.run_folder(
            out,
            _identity(choice, read, run, result, probed),
            outputs=OUTPUTS,
            force=force,
            command="train",
            model=source,
            reads=(protocol, data, read.data, eval_data, suites),
            replaced=_TRAINED,
        ) as folder:
            if force:
                _move_aside(folder.path)
            reporter.note(f"opening {source}")
            request = _request(choice, read, run, result)
            if probed is not None:
                request = _started(request, probed, reporter)
            from driftline.report import render_training_run
            from driftline.training import train as train_under_monitor

            resume = "the same command resumes from the last checkpoint in {path}"
            with inputs.shown(reporter, folder, resume), _removed_if_refused(folder):
                document = train_under_monitor(request, folder, listener=reporter.update)
            document = handed.named(document).model_copy(update={"planned_by": plan_of(protocol)})
            contents = (render_training_run(document), document.to_json())
            folder.write_outputs(dict(zip(OUTPUTS, contents, strict=True)))
        watched = inputs.suite_names(named_suites)
        return Answer(document, None if out is None else folder.path, suites=watched)


@dataclass(frozen=True)
class _Run:
    """The rows and the config of the run, and what is to be said about them."""

    config: "TrainingConfig"
    data: "TrainingData"
    evaluation: "TrainingData | None"
    notes: tuple[str, ...]


def _refuse_many_processes() -> None:
    """Refuse to be started by a launcher of several processes, which would write one run folder."""
    world = os.environ.get("WORLD_SIZE", "1")
    if world.isdigit() and int(world) > 1:
        raise ConfigError(
            f"train runs in one process, and a launcher has started {world}; start it without the "
            f"launcher and write num_processes: {world} into the config (the same rows a step), or "
            "attach StabilityMonitor to the trainer of a script of your own and launch that"
        )


def _name(protocol: inputs.ConfigInput) -> str:
    return fspath(protocol) if isinstance(protocol, str | PathLike) else "the protocol in memory"


def _read_protocol(
    protocol: inputs.ConfigInput, start: Path | None
) -> "tuple[ProbedRun | None, Protocol]":
    """Read the protocol, and the run folder of the probe where training begins with it."""
    from driftline.training import (
        planned_protocol,
        protocol_in_memory,
        read_probed_run,
        read_protocol,
    )

    read = None
    if isinstance(protocol, str | PathLike):
        read = read_protocol(Path(fspath(protocol)))
    elif protocol is not None:
        read = protocol_in_memory(protocol)
    if start is not None:
        probed = read_probed_run(start)
        return probed, planned_protocol(probed, read)
    if read is None:
        raise ConfigError("train: no run is named; give PROTOCOL, or --from RUN")
    return None, read


def _with_settings(protocol: "Protocol", changes: "dict[str, JsonValue]") -> "Protocol":
    """Add what the call says about the monitor."""
    from driftline.training import MonitorSettings

    if not changes:
        return protocol
    MonitorSettings.from_values(changes, origin="command line")
    return replace(protocol, settings=replace(protocol.settings, **changes))  # type: ignore[arg-type]


def _check_out(out: Path | None, probed: "ProbedRun | None") -> None:
    if probed is not None and out is not None and out.resolve() == probed.path.resolve():
        raise ConfigError(f"--out {out}: is the run folder of --from; give another")


def _started(
    request: "TrainRequest", probed: "ProbedRun", reporter: inputs.Reporter
) -> "TrainRequest":
    """Check the model against the probe's, and say which steps are taken from it."""
    from driftline.training import check_model

    for note in check_model(probed, request.opened):
        reporter.say(note)
    reporter.say(f"steps 1 to {probed.start.step} were trained by the probe in {probed.path}")
    return replace(request, start=probed.start)


def _read_run(
    protocol: "Protocol",
    probed: "ProbedRun | None",
    name: str,
    given: "tuple[inputs.DataInput, str | Mapping[str, str] | None, inputs.DataInput]",
    *,
    is_named: bool,
) -> _Run:
    """Read the rows, and check that config and rows can be trained."""
    from driftline.models import (
        check_outputs,
        check_training,
        refuse_packing,
        run_notes,
    )
    from driftline.training import check_inputs

    data, columns, evaluation = given
    columns = columns or (None if probed is None else probed.columns)
    source = data if data is not None else protocol.data
    named = protocol.config.values
    if source is None and not (named.get("dataset_name") or named.get("datasets")):
        raise ConfigError(f"{name}: names no data; add --data")
    refuse_packing(protocol.config)
    protocol.config.set_environment()
    check_outputs(protocol.config)
    rows, notes = inputs.read_rows(source, protocol.config, columns)
    config = protocol.config.for_data(is_chat=rows.is_chat)
    if probed is not None:
        check_inputs(probed, config, rows)
    config, held_out = _evaluation(config, rows, evaluation, columns)
    check_training(config)
    told = (*run_notes(config, is_model_named=is_named), *notes)
    return _Run(config, rows, held_out, told)


def _evaluation(
    config: "TrainingConfig",
    data: "TrainingData",
    given: inputs.DataInput,
    columns: str | Mapping[str, str] | None,
) -> "tuple[TrainingConfig, TrainingData | None]":
    """Find the rows that are set apart; a config that evaluates on none is without evaluations."""
    if given is not None:
        return config, read_rows(given, config, columns)[0]
    split = config.values.get("dataset_test_split")
    if not config.evaluates and split is None:
        return config, None
    rows = data.split(str(split or "test"))
    if rows is None and config.evaluates:
        reason = f"{data.name} has no split {split or 'test'} to evaluate on; --eval-data names one"
        return config.without_evaluation(reason), None
    return config, rows


def _request(
    choice: inputs.ModelChoice, protocol: "Protocol", run: _Run, suites: "tuple[Suite, ...]"
) -> "TrainRequest":
    from driftline.training import TrainRequest, read_assessment

    place = protocol.assessment
    return TrainRequest(
        choice.open(),
        run.data,
        run.config,
        suites,
        protocol.settings,
        None if place is None else read_assessment(place),
        protocol.levers,
        run.evaluation,
    )


def _identity(
    choice: inputs.ModelChoice,
    protocol: "Protocol",
    run: _Run,
    suites: "tuple[Suite, ...]",
    probed: "ProbedRun | None",
) -> "JsonValue":
    identity: dict[str, JsonValue] = {
        **choice.identity(),
        "part": "train",
        "data": run.data.digest,
        "config": run.config.digest,
        "suites": [suite.identity() for suite in suites],
        "monitor": repr(protocol.settings),
    }
    if probed is not None:
        identity["from"] = dict(probed.kept.files)
    # Left out where none is set, so that a run from before levers goes on.
    held = {**protocol.levers.to_values(), **protocol.levers.recipe()}
    return identity | ({"levers": held} if held else {})


@contextlib.contextmanager
def _removed_if_refused(folder: "RunFolder") -> "Iterator[None]":
    """Remove what a run wrote that was refused before its first checkpoint: nothing resumes from it.

    Raises:
        InputError: The run was refused.
    """
    names = ("monitor", "checkpoints", "train-with-replay.jsonl")
    written = [folder.path / name for name in names if not (folder.path / name).exists()]
    try:
        yield
    except InputError:
        checkpoints = folder.path / "checkpoints"
        if not any(path.is_file() for path in checkpoints.rglob("*")):
            for path in written:
                path.unlink(missing_ok=True) if path.is_file() else shutil.rmtree(path, True)
        raise


def _move_aside(folder: Path) -> None:
    """Move aside, with force, what an earlier run trained; it is never deleted."""
    left = [path for name in _TRAINED if (path := folder / name).exists()]
    if left:
        aside = folder / f"earlier-{1 + len(list(folder.glob('earlier-*')))}"
        aside.mkdir()
        for path in left:
            path.rename(aside / path.name)
