"""`train`: fine-tune under the monitor, from a protocol or from the user's own TRL YAML."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from .._earlier_run import move_aside
from ..options import (
    KINDS,
    ForceOption,
    JsonOption,
    MapOption,
    ModelChoice,
    OutOption,
    TrustOption,
    read_rows,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.engine import RunFolder
    from driftline.models import LanguageModel, TrainingConfig, TrainingData
    from driftline.results import TrainingRun
    from driftline.training import ProbedRun, Protocol, TrainRequest

    from .._progress import ProgressPrinter

OUTPUTS = ("report.html", "report.json")
EXIT_CODES = {"safe": 0, "unsafe": 1, "inconclusive": 3}

ProtocolArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="PROTOCOL",
        help="A protocol (schema: driftline/protocol/1), or a YAML with TRL's and PEFT's field names.",
        show_default=False,
    ),
]
FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="RUN",
        help="Run folder of assess or forecast: continue the planned run from its probe's checkpoint. "
        "PROTOCOL may be left out.",
    ),
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="The base, where the file does not name it.")
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help=f"Training data, where the file does not name it: {KINDS}."),
]
EvalDataOption = Annotated[
    Path | None,
    typer.Option(
        "--eval-data",
        help="Rows to evaluate on while it trains, where the training data have no such split.",
    ),
]
WatchOption = Annotated[
    list[str],
    typer.Option("--suite", help="What must not break; core where neither this nor the file says."),
]
EveryOption = Annotated[
    int | None,
    typer.Option(
        "--every", min=1, help="Steps between checks; by default as often as 2.5 % allow."
    ),
]
ItemsOption = Annotated[
    int | None,
    typer.Option(
        "--items",
        min=2,
        help="Items of each capability to score (default: all, or as many as let all scoring take no "
        "longer than the training).",
    ),
]
ActionOption = Annotated[
    str | None,
    typer.Option(
        "--action", help="On an alarm: log, warn, lower_learning_rate, stop or roll_back."
    ),
]


@dataclass(frozen=True)
class Wanted:
    """What the user asked for, before anything heavy is loaded."""

    protocol: Path | None
    model: str | None
    data: Path | None
    suites: tuple[str, ...]
    every: int | None
    num_items: int | None
    action: str | None
    out: Path | None
    force: bool
    trust_remote_code: bool
    columns: str | None = None
    evaluation: Path | None = None
    start: Path | None = None
    """Run folder whose probe trained the first steps."""


def train(  # noqa: PLR0913 - each is an option of the command line
    protocol: ProtocolArgument = None,
    start: FromOption = None,
    model: ModelOption = None,
    data: DataOption = None,
    columns: MapOption = None,
    eval_data: EvalDataOption = None,
    suite: WatchOption = [],  # noqa: B006 - Typer copies it
    every: EveryOption = None,
    items: ItemsOption = None,
    action: ActionOption = None,
    out: OutOption = None,
    json: JsonOption = False,
    force: ForceOption = False,
    trust_remote_code: TrustOption = False,
) -> None:
    """Fine-tune with TRL under the monitor; exit code 0 safe, 1 an alarm stands, 3 inconclusive."""
    show(
        Wanted(
            protocol,
            model,
            data,
            tuple(suite),
            every,
            items,
            action,
            out,
            force,
            trust_remote_code,
            columns,
            eval_data,
            start,
        ),
        as_json=json,
    )


def show(wanted: Wanted, *, as_json: bool) -> NoReturn:
    """Train, print the result, and exit with the code of its verdict.

    Args:
        wanted: What was asked.
        as_json: Print the document alone, instead of the summary.

    Raises:
        Exit: Always.
    """
    found, folder = run(wanted)
    if as_json:
        typer.echo(found.to_json(), nl=False)
    else:
        from driftline.results import training_run_summary

        typer.echo(training_run_summary(found), nl=False)
        typer.echo(f"\nreport: {folder / OUTPUTS[0]}\nmodel:  {folder / found.model_folder}")
    raise typer.Exit(EXIT_CODES[found.verdict])


def run(wanted: Wanted) -> tuple["TrainingRun", Path]:
    """Train, and write the report.

    Args:
        wanted: What was asked.

    Returns:
        The document, and the folder that holds it and the model.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C; checkpoints stay.
    """
    # Heavy, and not needed for --help.
    from .._progress import ProgressPrinter

    _refuse_many_processes()
    printer = ProgressPrinter()
    printer.note("loading PyTorch, transformers and TRL")
    from driftline.capabilities import read_suite
    from driftline.engine import RunFolder
    from driftline.models import check_outputs, check_training, run_notes
    from driftline.training import TrainRequest, check_inputs, read_assessment

    probed, protocol = _protocol(wanted)
    protocol = _completed(protocol, wanted)
    suites = tuple(read_suite(name) for name in protocol.suites)
    protocol.config.set_environment()
    check_outputs(protocol.config)
    columns = wanted.columns or (None if probed is None else probed.columns)
    data, notes = read_rows(protocol.data, protocol.config, columns)
    config = protocol.config.for_data(is_chat=data.is_chat)
    if probed is not None:
        check_inputs(probed, config, data)
    config, evaluation = _evaluation(config, data, wanted)
    protocol = replace(protocol, config=config)
    assert protocol.model is not None
    check_training(config)
    for note in (*run_notes(config, is_model_named=wanted.model is not None), *notes):
        printer.say(note)
    assessment = None if protocol.assessment is None else read_assessment(protocol.assessment)
    choice = ModelChoice(
        protocol.model,
        wanted.trust_remote_code,
        "bfloat16" if probed is not None and probed.dtype == "bfloat16" else None,
    )
    folder = RunFolder.open(
        _out(wanted),
        _identity(choice, protocol, data.digest, [s.provenance().digest for s in suites])
        | ({} if probed is None else {"from": dict(probed.kept.files)}),
        outputs=OUTPUTS,
        force=wanted.force,
        command="train",
        model=protocol.model,
    )
    with folder:
        if wanted.force:
            move_aside(folder.path)
        printer.note(f"opening {protocol.model}")
        opened = choice.open()
        _say_what_was_probed(probed, opened, printer)
        asked = TrainRequest(
            opened,
            data,
            protocol.config,
            suites,
            protocol.settings,
            assessment,
            protocol.levers,
            evaluation,
            start=None if probed is None else probed.start,
        )
        return _trained(asked, folder, printer), folder.path


def _say_what_was_probed(
    probed: "ProbedRun | None", opened: "LanguageModel", printer: "ProgressPrinter"
) -> None:
    """Check the model against the probe's, and say which steps are taken from it."""
    from driftline.training import check_model

    if probed is None:
        return
    for note in check_model(probed, opened):
        printer.say(note)
    printer.say(f"steps 1 to {probed.start.step} were trained by the probe in {probed.path}")


def _trained(
    asked: "TrainRequest", folder: "RunFolder", printer: "ProgressPrinter"
) -> "TrainingRun":
    """Train, and write both reports into the folder."""
    from driftline.report import render_training_run
    from driftline.training import train as train_under_monitor

    try:
        with printer:
            found = train_under_monitor(asked, folder, listener=printer.update)
    except KeyboardInterrupt:
        printer.note(f"stopped; the same command goes on from the last checkpoint in {folder.path}")
        raise
    contents = (render_training_run(found), found.to_json())
    folder.write_outputs(dict(zip(OUTPUTS, contents, strict=True)))
    return found


def _protocol(wanted: Wanted) -> "tuple[ProbedRun | None, Protocol]":
    """Read the protocol, and the run folder of the probe where training begins with it.

    Returns:
        The run folder, or None; and the protocol.

    Raises:
        ConfigError: Neither is named.
    """
    from driftline.errors import ConfigError
    from driftline.training import planned_protocol, read_probed_run, read_protocol

    read = None if wanted.protocol is None else read_protocol(wanted.protocol)
    if wanted.start is not None:
        probed = read_probed_run(wanted.start)
        return probed, planned_protocol(probed, read)
    if read is None:
        raise ConfigError("train: no run is named; give PROTOCOL, or --from RUN")
    return None, read


def _out(wanted: Wanted) -> Path:
    """Name the run folder: beside the probe's, where training begins with one."""
    from driftline.errors import ConfigError

    if wanted.start is None:
        assert wanted.protocol is not None
        return wanted.out or Path("driftline-runs") / f"train-{wanted.protocol.stem}"
    if wanted.out is not None and wanted.out.resolve() == wanted.start.resolve():
        raise ConfigError(f"--out {wanted.out}: is the run folder of --from; give another")
    probe = wanted.start.resolve()
    return wanted.out or wanted.start.parent / f"{probe.name}-train"


def _refuse_many_processes() -> None:
    """Refuse to be started by a launcher of several processes, which would write one run folder."""
    from driftline.errors import ConfigError

    world = os.environ.get("WORLD_SIZE", "1")
    if world.isdigit() and int(world) > 1:
        raise ConfigError(
            f"train runs in one process, and a launcher has started {world}; start it without the "
            f"launcher and write num_processes: {world} into the config (the same rows a step), or "
            "attach StabilityMonitor to the trainer of a script of your own and launch that"
        )


def _completed(protocol: "Protocol", wanted: Wanted) -> "Protocol":
    """The protocol, with what the command line adds.

    Returns:
        A protocol that names a model and suites.

    Raises:
        ConfigError: The model is named nowhere.
    """
    from driftline.errors import ConfigError
    from driftline.training import MonitorSettings

    model, data = wanted.model or protocol.model, wanted.data or protocol.data
    named_by = wanted.protocol or wanted.start
    if model is None:
        raise ConfigError(f"{named_by}: names no model; add --model")
    named = protocol.config.values
    if data is None and not (named.get("dataset_name") or named.get("datasets")):
        raise ConfigError(f"{named_by}: names no data; add --data")
    changes: dict[str, JsonValue] = {}
    if wanted.every is not None:
        changes["every_steps"] = wanted.every
    if wanted.num_items is not None:
        changes["num_items"] = wanted.num_items
    if wanted.action is not None:
        changes["action"] = wanted.action
    settings = protocol.settings
    if changes:
        MonitorSettings.from_values(changes, origin="command line")
        settings = replace(settings, **changes)  # type: ignore[arg-type]  # just checked
    return replace(
        protocol,
        model=model,
        data=data,
        suites=wanted.suites or protocol.suites or ("core",),
        settings=settings,
    )


def _evaluation(
    config: "TrainingConfig", data: "TrainingData", wanted: Wanted
) -> "tuple[TrainingConfig, TrainingData | None]":
    """The rows to evaluate on while it trains; without any, the config without evaluations."""
    from driftline.models import read_columns, read_training_data

    if not config.evaluates:
        return config, None
    if wanted.evaluation is not None:
        columns = read_columns(wanted.columns)
        return config, read_training_data(wanted.evaluation, config=config, columns=columns)
    split = str(config.values.get("dataset_test_split") or "test")
    rows = data.split(split)
    if rows is None:
        reason = f"{data.name} has no split {split} to evaluate on; --eval-data names one"
        return config.without_evaluation(reason), None
    return config, rows


def _identity(
    choice: ModelChoice, protocol: "Protocol", data: str, suites: "list[JsonValue]"
) -> "dict[str, JsonValue]":
    identity: dict[str, JsonValue] = {
        **choice.identity(),
        "part": "train",
        "data": data,
        "config": protocol.config.digest,
        "suites": suites,
        "monitor": repr(protocol.settings),
    }
    # Left out where none is set, so that a run from before levers goes on.
    held = {**protocol.levers.to_values(), **protocol.levers.recipe()}
    return identity | ({"levers": held} if held else {})
