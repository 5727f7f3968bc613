"""`compare` with checkpoints: several tuned models of one base, after training."""

from typing import TYPE_CHECKING, Any

from ...errors import ConfigError
from .. import inputs
from ..answers import Answer
from ._answered import answered
from ._compared_inputs import Options, handed_checkpoints

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.engine import RunFolder
    from driftline.models import LanguageModel, TrainingData
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
        checkpoints: Names, paths or models, at least one.
        options: The other inputs.
        handed: Keeps the files of models in memory.
        alpha: Accepted probability of any wrong claim that a checkpoint kept everything.
    """
    from driftline.analyses import CompareRequest, find_checkpoints
    from driftline.analyses import compare_checkpoints as compare

    sources, names = handed_checkpoints(checkpoints, handed)
    named = find_checkpoints(sources)
    rows = _read_target(options)
    if options.dry_run:
        return Answer(handed.named(_estimate(choice, options, rows, len(named))))
    digests = dict(zip(sources, names, strict=True))
    identity: dict[str, JsonValue] = {
        **choice.identity(),
        "part": "compare",
        "checkpoints": [digests.get(each.source, each.source) for each in named],
        "suites": [suite.identity() for suite in options.suites],
        "data": None if rows is None else rows.digest,
        "items": options.num_items,
        "alpha": alpha,
        "seed": options.seed,
    }

    def compared(base: "LanguageModel", folder: "RunFolder") -> "Comparison":
        request = CompareRequest(
            base,
            sources,
            options.suites,
            data=rows,
            num_items=options.num_items,
            alpha=alpha,
            seed=options.seed,
        )
        return compare(request, folder, listener=options.reporter.update)

    return answered(choice, identity, options, handed, compared)


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
