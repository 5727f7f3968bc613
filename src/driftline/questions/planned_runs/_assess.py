"""`assess` and its parts `margin`, `fragility_map` and `forecast`: one planned run of one model."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ...choices import Method, Probe, Until
from .. import inputs
from ..answers import Answer
from ..inputs import DataInput, SuiteInput
from ._recommended import read_recommending, with_recommended
from ._then_train import (
    CONTINUABLE,
    OUTPUTS,
    check_then_train,
    check_trainable,
    finished_run,
    is_all_files,
    with_inputs,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.analyses import AssessmentRequest, Effort, ForecastCalibration, Part
    from driftline.models import TrainingConfig, TrainingData


def _question(part: "Part", purpose: str, name: str) -> Callable[..., Answer]:
    """Make the question of one part; all four take the same inputs."""

    def question(  # noqa: PLR0913 - the inputs of a question
        model: inputs.ModelInput,
        *,
        config: inputs.ConfigInput,
        data: inputs.DataInput = None,
        columns: str | Mapping[str, str] | None = None,
        eval_data: DataInput = None,
        suites: SuiteInput = ("core",),
        out: object = None,
        seed: int = 0,
        force: bool = False,
        trust_remote_code: bool = False,
        engine: str = "local",
        address: str | None = None,
        workers: int | None = None,
        gpus_per_worker: float | None = None,
        threads_per_worker: int | None = None,
        dtype: str | None = None,
        device_map: str | None = None,
        load_in: str | None = None,
        probe: str | None = None,
        until: str = "probe",
        risk: float = 0.1,
        method: str = "driftline",
        calibration: object = None,
        items: int | None = None,
        checkpoint: bool = True,
        then_train: bool = False,
        dry_run: bool = False,
        reporter: inputs.Reporter | None = None,
    ) -> Answer:
        return _ask(part, locals())

    question.__name__ = question.__qualname__ = name
    question.__doc__ = _DOC.format(purpose=purpose)
    return question


_DOC = """{purpose}

    It does what the command of the same name does, prints nothing, and leaves the model as it was.

    Args:
        model: A folder, a `.gguf` file, a hub id, or `(model, tokenizer)` in memory.
        config: The training config: a YAML file, a dict of TRL's fields, or an `SFTConfig`.
        data: The training data: a file, a folder, a hub id, a `Dataset`, or a list of dicts. None
            takes what the config names.
        columns: Columns to train on, as `prompt=question,completion=answer` or a dict.
        eval_data: Rows of the task that are not trained on, to show its gain on (`assess` and `forecast`).
            None takes the split that the config evaluates on, or rows that the probe does not reach.
        suites: What must not break: names, YAML files or `Suite` objects.
        out: Run folder; an interrupted run resumes from it. None leaves no file.
        seed: Random seed for Driftline's own sampling.
        force: Replace an earlier run in `out`.
        trust_remote_code: Let a checkpoint's own Python code run.
        engine: `local`, or `ray`.
        address: Address of a running Ray cluster.
        workers: Number of Ray workers.
        gpus_per_worker: GPUs of each worker.
        threads_per_worker: CPU threads of each worker.
        dtype: `float32` (default) or `bfloat16`.
        device_map: `auto`, or one device.
        load_in: `4bit` or `8bit`.
        probe: Share of the planned steps that is trained, as a text; `0.2` by default. With `until="decided"` the
            largest share, `0.6` by default.
        until: `probe`, or `decided`: train on from look to look until the verdict is safe or unsafe.
        risk: Accepted probability that any required capability ends beyond its tolerance.
        method: `driftline`, or a baseline.
        calibration: A file of `calibrate`.
        items: Items of each capability to score.
        checkpoint: Keep the trainer's checkpoint of the probe in `out`, for `train(start=...)` (`assess` and
            `forecast`).
        then_train: After the verdict safe, continue the run to its end under the monitor.
        dry_run: Estimate the cost, and do nothing else.
        reporter: Told about progress.

    Returns:
        The answer; that of `train` where the run was continued, with this one in `before`.

    Raises:
        InputError: Something that was given cannot be used; the message says what and how to mend it.
        RunError: The work failed.
    """


def _ask(part: "Part", given: dict[str, Any]) -> Answer:
    """Check the inputs of a part, and answer it."""
    if given["probe"] is None:
        given["probe"] = "0.6" if given["until"] == "decided" else "0.2"
    choice = _check(part, given)
    reporter = given["reporter"] or inputs.SilentReporter()
    read = inputs.read_suites(given["suites"], reporter)
    ray = inputs.EngineChoice(*(given[name] for name in _ENGINE)).ray_options()
    reporter.note("loading PyTorch, transformers and TRL")
    from driftline.analyses import AssessmentRequest, Effort

    runs = _read_runs(given["calibration"])
    parsed, rows = _read_run(given["config"], given["data"], given["columns"], reporter)
    held_out = inputs.read_evaluation(given["eval_data"], parsed, rows, given["columns"])
    with inputs.handed_models() as handed:
        source, digest = handed.files(given["model"], "model")
        choice = replace(choice, source=source, digest=digest)
        request = AssessmentRequest(
            part,
            None,  # type: ignore[arg-type]  # opened once the request is known to be right
            rows,
            parsed,
            read,
            seed=given["seed"],
            ray=ray,
            probe=given["probe"],
            until_decided=given["until"] == "decided",
            risk=given["risk"],
            method=given["method"],
            calibration=runs,
            evaluation=held_out,
            effort=_effort(part, given["items"], Effort()),
            keeps_checkpoint=_keeps_checkpoint(part, given),
        )
        if given["dry_run"]:
            from ..documents import estimate_assessment

            return Answer(handed.named(estimate_assessment(request, choice)))
        answer = _written(request, choice, given, handed, reporter)
    return _continued(answer, given, reporter) if given["then_train"] else answer


_ENGINE = ("engine", "address", "workers", "gpus_per_worker", "threads_per_worker")


def _keeps_checkpoint(part: "Part", given: dict[str, Any]) -> bool:
    has_folder = given["out"] is not None or given["dry_run"]
    return bool(given["checkpoint"]) and part in CONTINUABLE and has_folder


def _check(part: "Part", given: dict[str, Any]) -> inputs.ModelChoice:
    """Refuse what is wrong by itself, before anything is read."""
    inputs.check_choice("--probe", given["probe"], get_args(Probe))
    inputs.check_choice("--until", given["until"], get_args(Until))
    inputs.check_choice("--method", given["method"], get_args(Method))
    inputs.check_seed(given["seed"])
    inputs.check_risk(given["risk"])
    inputs.check_items("--items", given["items"])
    choice = inputs.ModelChoice(
        "", given["trust_remote_code"], given["dtype"], given["device_map"], given["load_in"]
    )
    if given["then_train"]:
        check_then_train(
            part,
            choice,
            keeps_checkpoint=given["checkpoint"],
            has_folder=given["out"] is not None,
        )
    return choice


def _read_runs(calibration: object) -> "ForecastCalibration":
    """Read the finished runs to forecast from."""
    from driftline.analyses import read_calibration, shipped_calibration

    own = inputs.path_of(calibration, "--calibration")
    return shipped_calibration() if own is None else read_calibration(own)


def _read_run(
    config: inputs.ConfigInput,
    data: inputs.DataInput,
    columns: str | Mapping[str, str] | None,
    reporter: inputs.Reporter,
) -> "tuple[TrainingConfig, TrainingData]":
    """Read config and data of the planned run, and say how they are read."""
    parsed = inputs.read_config(config)
    inputs.check_probe(parsed, reporter)
    rows, notes = inputs.read_rows(data, parsed, columns)
    for note in notes:
        reporter.say(note)
    return parsed.for_data(is_chat=rows.is_chat), rows


def _written(
    request: "AssessmentRequest",
    choice: inputs.ModelChoice,
    given: dict[str, Any],
    handed: inputs.Handed,
    reporter: inputs.Reporter,
) -> Answer:
    """Open the model, answer the request, and write both reports into the folder."""
    from driftline.analyses import assess as answer

    out, then_train = given["out"], given["then_train"]
    identity = _identity(request, choice, given["items"])
    path = inputs.path_of(out, "--out")
    if then_train and path is not None and (finished := finished_run(path, identity)) is not None:
        reporter.note(f"taking the finished assessment in {path}")
        return Answer(finished, path)
    recommending = read_recommending(given["config"], request.config, path, force=given["force"])
    with inputs.run_folder(
        out,
        identity,
        outputs=OUTPUTS,
        force=given["force"],
        command=request.part,
        model=choice.source,
        reads=[given[name] for name in ("config", "data", "eval_data", "suites", "calibration")],
    ) as folder:
        recommending.drop_earlier()
        reporter.note(f"opening {choice.source}")
        opened = choice.open()
        if then_train:
            check_trainable(opened)
        with inputs.shown(reporter, folder):
            document = answer(replace(request, opened=opened), folder, listener=reporter.update)
        document = with_inputs(handed.named(document), given, folder.path)
        changed: dict[str, str] = {}
        if out is not None:
            document, changed = with_recommended(document, recommending, folder.path)
        from driftline.report import render_html

        reporter.note("writing the report")
        contents = (render_html(document), document.to_json())
        folder.write_outputs({**changed, **dict(zip(OUTPUTS, contents, strict=True))})
    return Answer(document, None if out is None else folder.path)


def _continued(answer: Answer, given: dict[str, Any], reporter: inputs.Reporter) -> Answer:
    """Train the rest of the run where the verdict is safe."""
    if answer.verdict != "safe":
        reporter.note(f"not trained further: the verdict is {answer.verdict}")
        return answer
    from ..training_runs import train

    trained = train(
        None if is_all_files(given) else given["config"],
        start=answer.folder,
        model=given["model"],
        data=given["data"],
        columns=given["columns"],
        eval_data=given["eval_data"] if _evaluates(given["config"]) else None,
        suites=given["suites"],
        out=beside(answer.folder),
        force=given["force"],
        trust_remote_code=given["trust_remote_code"],
        reporter=reporter,
    )
    return replace(trained, before=answer)


def _evaluates(config: inputs.ConfigInput) -> bool:
    """Tell whether the run is evaluated while it trains."""
    return inputs.read_config(config).evaluates


def beside(folder: Path | None) -> Path | None:
    """Name the run folder of the training that continues a probe.

    Args:
        folder: The probe's.
    """
    return None if folder is None else folder.parent / f"{folder.resolve().name}-train"


def _identity(
    request: "AssessmentRequest", choice: inputs.ModelChoice, num_items: int | None
) -> "JsonValue":
    """List all that the answer depends on; where and by whom it is computed is not part of it."""
    identity: dict[str, JsonValue] = {
        **choice.identity(),
        "part": request.part,
        "data": request.data.digest,
        "config": request.config.digest,
        "suites": [suite.identity() for suite in request.suites],
        "seed": request.seed,
        "probe": request.probe,
        "until_decided": request.until_decided,
        "risk": request.risk,
        "method": request.method,
        "calibration": request.calibration.digest,
        "items": num_items,
    }
    if request.evaluation is not None:
        identity["evaluation"] = request.evaluation.digest
    return identity


def _effort(part: "Part", num_items: int | None, usual: "Effort") -> "Effort":
    """Take the usual effort, with the items that were asked for; a part's own samples grow too."""
    if num_items is None:
        return usual
    chosen = replace(usual, num_probe_items=num_items)
    if part == "map":
        return replace(chosen, num_map_items=num_items)
    return replace(chosen, num_line_items=num_items) if part == "margin" else chosen


assess = _question("assess", "Assess one planned run: margin, map, forecast and verdict.", "assess")
margin = _question(
    "margin", "Measure how far the weights may move before each capability is lost.", "margin"
)
fragility_map = _question(
    "map", "Rank the layers that break first, capability by capability.", "fragility_map"
)
forecast = _question(
    "forecast", "Forecast which capabilities the run will lose, and how much.", "forecast"
)
