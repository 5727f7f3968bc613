"""`compare` with checkpoints: several tuned models of one base, after training."""

from typing import TYPE_CHECKING, Any

from ...errors import ConfigError
from .. import inputs
from ..answers import Answer
from ._sources import OUTPUTS, Options, handed_checkpoints

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.engine import RunFolder
    from driftline.models import TrainingData
    from driftline.results import Comparison

    from ..documents import Estimate


def compare_checkpoints(
    choice: inputs.ModelChoice,
    checkpoints: tuple[Any, ...],
    options: Options,
    handed: inputs.Handed,
    *,
    alpha: float,
) -> Answer:
    """Compare checkpoints with their base and each other.

    Args:
        choice: The base.
        checkpoints: Names, paths or models, at least one.
        options: The other inputs.
        handed: Keeps the files of models in memory.
        alpha: Accepted probability of any wrong claim that a checkpoint kept everything.

    Returns:
        The answer.
    """
    from driftline.analyses import CompareRequest, find_checkpoints
    from driftline.analyses import compare_checkpoints as compare

    sources, names = handed_checkpoints(checkpoints, handed)
    named = find_checkpoints(sources)
    rows = _read_target(options)
    if options.dry_run:
        return Answer(handed.named(_estimate(choice, options, rows, len(named))))
    digests = dict(zip(sources, names, strict=True))
    identity: JsonValue = {
        **choice.identity(),
        "part": "compare",
        "checkpoints": [digests.get(each.source, each.source) for each in named],
        "suites": [suite.provenance().digest for suite in options.suites],
        "data": None if rows is None else rows.digest,
        "items": options.num_items,
        "alpha": alpha,
        "seed": options.seed,
    }
    with inputs.run_folder(
        options.out,
        identity,
        outputs=OUTPUTS,
        force=options.force,
        command="compare",
        model=choice.source,
    ) as folder:
        options.reporter.note(f"opening {choice.source}")
        request = CompareRequest(
            choice.open(),
            sources,
            options.suites,
            data=rows,
            num_items=options.num_items,
            alpha=alpha,
            seed=options.seed,
        )
        with inputs.shown(options.reporter, folder):
            result = compare(request, folder, listener=options.reporter.update)
        document = handed.named(result)
        _write(document, folder)
    return Answer(document, None if options.out is None else folder.path)


def _estimate(
    choice: inputs.ModelChoice, options: Options, rows: "TrainingData | None", num_checkpoints: int
) -> "Estimate":
    from driftline.analyses import sampled_items

    from ..documents import estimate_checkpoints

    capabilities = sampled_items(
        [c for suite in options.suites for c in suite.capabilities],
        options.num_items,
        seed=options.seed,
    )
    return estimate_checkpoints(capabilities, rows, num_checkpoints, choice, seed=options.seed)


def _read_target(options: Options) -> "TrainingData | None":
    """Read the held-out rows, if any are named."""
    if options.data is None:
        if options.columns is not None:
            raise ConfigError("--map: names columns, but no --data says whose; add --data")
        return None
    rows, notes = inputs.read_rows(options.data, None, options.columns)
    for note in notes:
        options.reporter.say(note)
    return rows


def _write(document: "Comparison", folder: "RunFolder") -> None:
    from driftline.report import render_comparison
    from driftline.report.terminal import comparison_summary

    # The document comes last: a folder that holds it is a finished one.
    contents = (comparison_summary(document), render_comparison(document), document.to_json())
    folder.write_outputs(dict(zip(OUTPUTS, contents, strict=True)))
