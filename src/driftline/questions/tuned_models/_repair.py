"""`repair`: capabilities given back by scaling the update part by part, without training."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...errors import ConfigError
from ...extras import require_extra
from .. import inputs
from ..answers import Answer

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.models import TrainingData

OUTPUTS = ("report.html", "report.json")
_REPAIRED = "repaired"
"""The folder that the repaired model is written to."""


def repair(  # noqa: PLR0913 - the inputs of a question
    base: inputs.ModelInput,
    tuned: inputs.ModelInput,
    *,
    suites: inputs.SuiteInput,
    data: inputs.DataInput = None,
    columns: str | Mapping[str, str] | None = None,
    max_cost: float | None = None,
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
    reporter: inputs.Reporter | None = None,
) -> Answer:
    """Give capabilities back by scaling the update, without training.

    Args:
        base: A folder, a `.gguf` file, a hub id, or `(model, tokenizer)` in memory.
        tuned: The tuned model or adapter: a folder, a hub id, or in memory.
        suites: What must not be lost: names, YAML files or `Suite` objects.
        data: What tuning was for; None keeps as much of the update as possible.
        columns: Columns of `data`, as `prompt=question,completion=answer` or a dict.
        max_cost: Largest share of the target's gain to give up.
        items: Items of each capability, for choosing and claims together.
        search_items: Items of each capability that choose; half of them by default.
        prefer: `gain` chooses by the gain among those within the tolerances, `safety` by the gain times
            the share of the tolerance that the worst bound leaves.
        alpha: Accepted chance that a loss of the margin passes, of each claim.
        out: Run folder with the repaired model; None leaves no file.
        seed: Random seed for Driftline's own sampling.
        force: Replace an earlier run in `out`.
        trust_remote_code: Let a checkpoint's own Python code run.
        dtype: `float32` (default) or `bfloat16`.
        device_map: `auto`, or one device.
        load_in: `4bit` or `8bit`.
        reporter: Told about progress.

    Returns:
        The answer.

    Raises:
        ConfigError: Columns are named without data.
        MissingPackageError: The extra `search` is not installed.
    """
    require_extra("search")
    inputs.check_alpha(alpha)
    inputs.check_seed(seed)
    inputs.check_items("--items", items)
    inputs.check_items("--search-items", search_items)
    inputs.check_choice("--prefer", prefer, inputs.PREFERENCES)
    inputs.finite("--max-cost", max_cost)
    reporter = reporter or inputs.SilentReporter()
    read = inputs.read_suites(suites, reporter)
    reporter.note("loading PyTorch and transformers")
    from driftline.analyses import RepairRequest
    from driftline.analyses import repair as search
    from driftline.report import render_repair

    rows = _rows(data, columns, reporter)
    with inputs.handed_models() as handed:
        source, digest = handed.files(base, "base")
        other, other_digest = handed.files(tuned, "tuned")
        choice = inputs.ModelChoice(source, trust_remote_code, dtype, device_map, load_in, digest)
        identity: JsonValue = {
            **choice.identity(),
            "part": "repair",
            "tuned": other_digest or other,
            "suites": [suite.identity() for suite in read],
            "data": rows.digest if rows else None,
            "max_cost": max_cost,
            "items": items,
            "search_items": search_items,
            "prefer": prefer,
            "alpha": alpha,
            "seed": seed,
        }
        with inputs.run_folder(
            out, identity, outputs=OUTPUTS, force=force, command="repair", model=other,
            reads=(base, data, suites), replaced=(_REPAIRED,),
        ) as folder:  # fmt: skip
            reporter.note(f"opening {source}")
            request = RepairRequest(
                choice.open(),
                other,
                read,
                rows,
                max_cost,
                num_items=items,
                num_search_items=search_items,
                alpha=alpha,
                seed=seed,
                prefer=prefer,  # type: ignore[arg-type]
            )
            with inputs.shown(reporter, folder):
                result = search(request, folder, listener=reporter.update)
            document = handed.named(result)
            # The document comes last: a folder that holds it is a finished one.
            contents = (render_repair(document), document.to_json())
            folder.write_outputs(dict(zip(OUTPUTS, contents, strict=True)))
        return Answer(document, None if out is None else folder.path)


def _rows(
    data: inputs.DataInput, columns: str | Mapping[str, str] | None, reporter: inputs.Reporter
) -> "TrainingData | None":
    """Read the rows that tuning was for, if any are named."""
    if data is None:
        if columns is not None:
            raise ConfigError("--map: names columns, but no --data says whose; add --data")
        return None
    rows, notes = inputs.read_rows(data, None, columns)
    for note in notes:
        reporter.say(note)
    return rows
