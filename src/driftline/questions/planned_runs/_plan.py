"""`plan`: the protocol that adapts most while its losses stay within their tolerances."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...extras import require_extra
from .. import inputs
from ..answers import Answer

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.analyses import PlanRequest
    from driftline.capabilities import Suite
    from driftline.engine import RunFolder
    from driftline.models import TrainingConfig, TrainingData
    from driftline.results import Document

REPORTS = ("report.html", "report.json")


def plan(  # noqa: PLR0913 - the inputs of a question
    model: inputs.ModelInput,
    *,
    data: inputs.DataInput = None,
    config: inputs.ConfigInput = None,
    columns: str | Mapping[str, str] | None = None,
    suites: inputs.SuiteInput = ("core",),
    require: "str | tuple[str, ...] | list[str]" = (),
    budget_tokens: float | None = None,
    budget_minutes: float | None = None,
    trials: int | None = None,
    items: int | None = None,
    search_items: int | None = None,
    prefer: str = "gain",
    alpha: float = 0.05,
    out: object = None,
    seed: int = 0,
    force: bool = False,
    trust_remote_code: bool = False,
    dtype: str | None = None,
    device_map: str | None = None,
    load_in: str | None = None,
    dry_run: bool = False,
    reporter: inputs.Reporter | None = None,
) -> Answer:
    """Search the protocol that adapts most within the tolerances.

    Args:
        model: A folder, a `.gguf` file, a hub id, or `(model, tokenizer)` in memory.
        data: What is to be learnt; None takes what the config names.
        config: Your training config, from which the search starts; None for TRL's own defaults.
        columns: Columns to train on, as `prompt=question,completion=answer` or a dict.
        suites: What must not break: names, YAML files or `Suite` objects.
        require: Capabilities that must be kept; by default the suites say which.
        budget_tokens: Tokens of training; one that is only scored counts a quarter.
        budget_minutes: Minutes of this machine, instead.
        trials: Largest number of trials.
        items: Items of each capability, for choosing and claims together.
        search_items: Items of each capability that choose; half of them by default.
        prefer: `gain` chooses by the gain among those within the tolerances, `safety` by the gain times
            the share of the tolerance that the worst bound leaves.
        alpha: Accepted chance that a loss of the margin passes, of each claim.
        out: Run folder with the protocol; None leaves no file.
        seed: Random seed for Driftline's own sampling.
        force: Replace an earlier run in `out`.
        trust_remote_code: Let a checkpoint's own Python code run.
        dtype: `float32` (default) or `bfloat16`.
        device_map: `auto`, or one device.
        load_in: `4bit` or `8bit`.
        dry_run: Estimate the cost, and do nothing else.
        reporter: Told about progress.

    Returns:
        The answer.

    Raises:
        MissingPackageError: The extra `search` is not installed.
    """
    require_extra("search")
    options: dict[str, Any] = {
        "require": tuple(inputs.one_or_more(require, "--require")),
        "budget_tokens": budget_tokens,
        "budget_minutes": budget_minutes,
        "num_trials": trials,
        "num_items": items,
        "num_search_items": search_items,
        "prefer": prefer,
        "alpha": alpha,
        "seed": seed,
    }
    _check(options)
    reporter = reporter or inputs.SilentReporter()
    read = inputs.read_suites(suites, reporter)
    reporter.note("loading PyTorch and transformers")
    from driftline.analyses import PlanRequest
    from driftline.training import PLAN_FILES

    parsed = None if config is None else inputs.read_config(config)
    if parsed is not None:
        inputs.check_probe(parsed, reporter)
    rows, notes = inputs.read_rows(data, parsed, columns)
    if parsed is not None:
        # The protocol that is written trains on rows of its own, which have no splits.
        parsed = parsed.for_data(is_chat=rows.is_chat).without_source()
    for note in notes:
        reporter.say(note)
    with inputs.handed_models() as handed:
        source, digest = handed.files(model, "model")
        choice = inputs.ModelChoice(source, trust_remote_code, dtype, device_map, load_in, digest)
        if dry_run:
            from ..documents import PlanCost, estimate_plan

            cost = PlanCost(rows, parsed, read, items, trials, budget_tokens, budget_minutes, seed)
            return Answer(handed.named(estimate_plan(cost, choice)))
        identity = _identity(choice, rows, parsed, read, options)
        with inputs.run_folder(
            out,
            identity,
            outputs=(*PLAN_FILES, *REPORTS),
            force=force,
            command="plan",
            model=source,
            reads=(data, config, suites),
        ) as folder:
            reporter.note(f"opening {source}")
            request = PlanRequest(choice.open(), rows, read, config=parsed, **options)
            document = _searched(request, folder, reporter, handed, inputs.suite_names(suites))
        return Answer(document, None if out is None else folder.path)


def _check(options: dict[str, Any]) -> None:
    """Refuse numbers that make no sense, before anything is read."""
    inputs.check_alpha(options["alpha"])
    inputs.check_seed(options["seed"])
    inputs.check_items("--items", options["num_items"])
    inputs.check_items("--search-items", options["num_search_items"])
    inputs.check_choice("--prefer", options["prefer"], inputs.PREFERENCES)
    inputs.finite("--budget-tokens", options["budget_tokens"])
    inputs.finite("--budget-minutes", options["budget_minutes"])
    inputs.check_least("--trials", options["num_trials"], 1)


def _identity(
    choice: inputs.ModelChoice,
    rows: "TrainingData",
    config: "TrainingConfig | None",
    suites: "tuple[Suite, ...]",
    options: dict[str, Any],
) -> "JsonValue":
    """List all that the answer depends on."""
    return {
        **choice.identity(),
        "part": "plan",
        "suites": [suite.identity() for suite in suites],
        "data": rows.digest,
        "config": None if config is None else config.digest,
        "require": [*options["require"]],
        "budget_tokens": options["budget_tokens"],
        "budget_minutes": options["budget_minutes"],
        "trials": options["num_trials"],
        "items": options["num_items"],
        "search_items": options["num_search_items"],
        "prefer": options["prefer"],
        "alpha": options["alpha"],
        "seed": options["seed"],
    }


def _searched(
    request: "PlanRequest",
    folder: "RunFolder",
    reporter: inputs.Reporter,
    handed: inputs.Handed,
    suites: tuple[str, ...],
) -> "Document":
    """Search, and write protocol, exports and reports."""
    from driftline.analyses import plan as search
    from driftline.report import render_plan
    from driftline.training import write_plan_files

    source = request.opened.source
    with inputs.shown(reporter, folder):
        result = search(request, folder, listener=reporter.update)
    result = write_plan_files(
        result,
        request,
        folder=folder.path,
        model=handed.labels.get(source, source),
        suites=suites,
    )
    document: Document = handed.named(result)
    # The document comes last: a folder that holds it is a finished one.
    contents = (render_plan(document), document.to_json())  # type: ignore[arg-type]
    folder.write_outputs(dict(zip(REPORTS, contents, strict=True)))
    return document
