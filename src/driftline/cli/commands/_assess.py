"""`assess` and its parts `margin`, `map` and `forecast`: one planned run of one model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..options import (
    AddressOption,
    DataOption,
    DeviceMapOption,
    DtypeOption,
    EngineChoice,
    EngineOption,
    ForceOption,
    GpusOption,
    JsonOption,
    LoadInOption,
    MapOption,
    ModelArgument,
    ModelChoice,
    OutOption,
    SeedOption,
    SuiteOption,
    ThreadsOption,
    TrustOption,
    WorkersOption,
    check_probe,
    read_rows,
)
from ._then_train import (
    CONTINUABLE,
    OUTPUTS,
    check_then_train,
    finished_run,
    train_on,
    with_inputs,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.analyses import Effort
    from driftline.capabilities import Suite
    from driftline.engine import RunFolder
    from driftline.models import TrainingConfig, TrainingData
    from driftline.results import Assessment

    from .._progress import ProgressPrinter

PartName = Literal["assess", "margin", "map", "forecast"]
ProbeName = Literal["0.05", "0.1", "0.2", "0.3"]
MethodName = Literal[
    "driftline",
    "truncated",
    "linear_in_steps",
    "linear_in_rate",
    "straight_line",
    "learning_rate",
    "rate_times_steps",
    "update_norm",
    "mean",
]

VERDICT_EXIT_CODES = {"safe": 0, "unsafe": 1, "inconclusive": 3, None: 0}

ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        help="Training config: YAML of TRL's command line, of Axolotl or of LLaMA-Factory.",
    ),
]
ProbeOption = Annotated[
    ProbeName,
    typer.Option(
        "--probe",
        help="Share of the planned steps that is trained. 0.05 and 0.1 are for `forecast` alone; "
        "0.05 tells next to nothing.",
    ),
]
MethodOption = Annotated[
    MethodName,
    typer.Option(
        "--method", help="How the forecast is made: ours, or a baseline to hold it against."
    ),
]
ItemsOption = Annotated[
    int | None,
    typer.Option(
        "--items",
        min=2,
        help="Items of each capability to score (default: all, or as many as take no longer to score "
        "than the probe takes to train).",
    ),
]
CalibrationOption = Annotated[
    Path | None,
    typer.Option("--calibration", help="Finished runs to forecast from, of `driftline calibrate`."),
]
CheckpointOption = Annotated[
    bool,
    typer.Option(
        "--checkpoint/--no-checkpoint",
        help="Keep the trainer's checkpoint of the probe's last step for `train --from` (assess and "
        "forecast; as large as the weights with the optimiser's state).",
    ),
]
ThenTrainOption = Annotated[
    bool,
    typer.Option(
        "--then-train",
        help="After the verdict safe, continue the run to its end under the monitor; the exit code is "
        "then that of train. After any other verdict stop.",
    ),
]


@dataclass(frozen=True)
class ForecastChoice:
    """How the forecast is made."""

    probe: ProbeName = "0.2"
    method: MethodName = "driftline"
    calibration: Path | None = None


@dataclass(frozen=True)
class Request:
    """What the user asked for, before anything heavy is loaded."""

    part: PartName
    model: ModelChoice
    data: Path | None
    config: Path
    suites: tuple[str, ...]
    out: Path | None
    seed: int
    force: bool
    columns: str | None = None
    engine: EngineChoice = field(default_factory=EngineChoice)
    forecast: ForecastChoice = field(default_factory=ForecastChoice)
    num_items: int | None = None
    """Of each capability; None for all that the cost allows."""
    checkpoint: bool = True
    """Keep the probe's checkpoint, where the part can be continued from."""
    then_train: bool = False


def part_command(part: PartName) -> Callable[..., None]:
    """The command of one part; all four take the same options.

    Args:
        part: Which.

    Returns:
        A function for Typer to wrap.
    """

    def command(  # noqa: PLR0913 - each is an option of the command line
        model: ModelArgument,
        config: ConfigOption,
        data: DataOption = None,
        columns: MapOption = None,
        suite: SuiteOption = ["core"],  # noqa: B006 - Typer copies it
        out: OutOption = None,
        seed: SeedOption = 0,
        json: JsonOption = False,
        force: ForceOption = False,
        trust_remote_code: TrustOption = False,
        engine: EngineOption = "local",
        address: AddressOption = None,
        workers: WorkersOption = None,
        gpus_per_worker: GpusOption = None,
        threads_per_worker: ThreadsOption = None,
        dtype: DtypeOption = None,
        device_map: DeviceMapOption = None,
        load_in: LoadInOption = None,
        probe: ProbeOption = "0.2",
        method: MethodOption = "driftline",
        calibration: CalibrationOption = None,
        items: ItemsOption = None,
        checkpoint: CheckpointOption = True,
        then_train: ThenTrainOption = False,
    ) -> None:
        request = Request(
            part=part,
            model=ModelChoice(model, trust_remote_code, dtype, device_map, load_in),
            data=data,
            config=config,
            suites=tuple(suite),
            out=out,
            seed=seed,
            force=force,
            columns=columns,
            engine=EngineChoice(engine, address, workers, gpus_per_worker, threads_per_worker),
            forecast=ForecastChoice(probe, method, calibration),
            num_items=items,
            checkpoint=checkpoint,
            then_train=then_train,
        )
        assessment, folder = run(request)
        if then_train and assessment.verdict == "safe":
            if not json:
                show(assessment, folder, as_json=False)
            train_on(request, folder, as_json=json)
        show(assessment, folder, as_json=json)
        if then_train:
            typer.echo(f"not trained further: the verdict is {assessment.verdict}", err=True)
        raise typer.Exit(VERDICT_EXIT_CODES[assessment.verdict])

    return command


def run(request: Request) -> tuple["Assessment", Path]:
    """Answer a request and write its report.

    Args:
        request: What was asked.

    Returns:
        The assessment, and the folder that holds `report.html` and `report.json`.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C; what was stored stays.
    """
    # Heavy, and not needed for --help. Cheap checks come first, so that a typo costs no wait.
    from driftline.capabilities import read_suite
    from driftline.engine import RunFolder

    from .._progress import ProgressPrinter

    check_then_train(request)
    suites = tuple(read_suite(name) for name in request.suites)
    ray = request.engine.ray_options()
    printer = ProgressPrinter()
    printer.note("loading PyTorch, transformers and TRL")
    from driftline.analyses import read_calibration, shipped_calibration

    config, data = _read_run(request, printer)
    own = request.forecast.calibration
    calibration = shipped_calibration() if own is None else read_calibration(own)
    path = request.out or _default_folder(request)
    identity = _identity(request, data.digest, config.digest, suites, calibration.digest)
    if request.then_train and (finished := finished_run(path, identity)) is not None:
        printer.note(f"taking the finished assessment in {path}")
        return finished, path
    folder = RunFolder.open(
        path,
        identity,
        outputs=OUTPUTS,
        force=request.force,
        command=request.part,
        model=request.model.source,
    )
    options = {
        "data": data,
        "config": config,
        "suites": suites,
        "ray": ray,
        "calibration": calibration,
    }
    with folder:
        return _answered(request, options, folder, printer), folder.path


def _answered(
    request: Request, options: dict[str, Any], folder: "RunFolder", printer: "ProgressPrinter"
) -> "Assessment":
    """Open the model, answer the request, and write both reports into the folder."""
    from driftline.analyses import AssessmentRequest, Effort, assess

    printer.note(f"opening {request.model.source}")
    opened = request.model.open()
    check_then_train(request, opened)
    asked = AssessmentRequest(
        request.part,
        opened,
        seed=request.seed,
        probe=request.forecast.probe,
        method=request.forecast.method,
        effort=_effort(request, Effort()),
        keeps_checkpoint=request.checkpoint and request.part in CONTINUABLE,
        **options,
    )
    try:
        with printer:
            assessment = assess(asked, folder, listener=printer.update)
    except KeyboardInterrupt:
        printer.note(f"stopped; the same command goes on from {folder.path}")
        raise
    from driftline.report import render_html

    assessment = with_inputs(assessment, request, folder.path)
    printer.note("writing the report")
    folder.write_outputs(
        {"report.html": render_html(assessment), "report.json": assessment.to_json()}
    )
    return assessment


def _read_run(
    request: Request, printer: "ProgressPrinter"
) -> tuple["TrainingConfig", "TrainingData"]:
    """Read config and data of the planned run, and say how they are read."""
    from driftline.models import read_training_config

    config = read_training_config(request.config)
    check_probe(config, printer)
    data, notes = read_rows(request.data, config, request.columns)
    for note in notes:
        printer.say(note)
    return config.for_data(is_chat=data.is_chat), data


def show(assessment: "Assessment", folder: Path, *, as_json: bool) -> None:
    """Print an assessment.

    Args:
        assessment: What to print.
        folder: Where its report is.
        as_json: The document alone, instead of the summary.
    """
    from driftline.results import summary

    if as_json:
        typer.echo(assessment.to_json(), nl=False)
        return
    typer.echo(summary(assessment))
    typer.echo(f"\nreport: {folder / 'report.html'}")
    if assessment.checkpoint is not None:
        typer.echo(
            f"steps 1 to {assessment.checkpoint.step} of the run are kept: driftline train --from {folder}"
        )


def _identity(
    request: Request,
    data_digest: str,
    config_digest: str,
    suites: Sequence["Suite"],
    calibration_digest: str,
) -> "JsonValue":
    """All that the answer depends on; where and by whom it is computed is not part of it."""
    return {
        **request.model.identity(),
        "part": request.part,
        "data": data_digest,
        "config": config_digest,
        "suites": [suite.provenance().digest for suite in suites],
        "seed": request.seed,
        "probe": request.forecast.probe,
        "method": request.forecast.method,
        "calibration": calibration_digest,
        "items": request.num_items,
    }


def _effort(request: Request, usual: "Effort") -> "Effort":
    """The usual effort, with the items that the user asked for; a part's own samples grow too."""
    num_items = request.num_items
    if num_items is None:
        return usual
    chosen = replace(usual, num_probe_items=num_items)
    if request.part == "map":
        return replace(chosen, num_map_items=num_items)
    return replace(chosen, num_line_items=num_items) if request.part == "margin" else chosen


def _default_folder(request: Request) -> Path:
    model = Path(request.model.source).name.removesuffix(".gguf").replace("@", "-")
    parts = (
        request.part,
        model,
        *([request.data.stem] if request.data else []),
        request.config.stem,
    )
    name = "-".join(parts)
    chosen, usual = request.forecast, ForecastChoice()
    # Forecasts to be held against each other stand beside each other.
    for own, default in ((chosen.method, usual.method), (chosen.probe, usual.probe)):
        name += "" if own == default else f"-{own}"
    return Path("driftline-runs") / name
