"""`compare` with configs: several planned runs of one model, before any is trained."""

from typing import TYPE_CHECKING

from .. import inputs
from ..answers import Answer
from ._answered import answered
from ._compared_inputs import Options

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.analyses import PlannedConfig
    from driftline.engine import RunFolder
    from driftline.models import LanguageModel
    from driftline.results import ConfigComparison


def compare_configs(
    choice: inputs.ModelChoice,
    configs: tuple[tuple[str, inputs.ConfigInput], ...],
    options: Options,
    handed: inputs.Handed,
) -> Answer:
    """Forecast several planned runs, and say which is safest.

    Args:
        configs: Names and configs, at least two.
        options: The other inputs.
        handed: Keeps the files of a model in memory.
    """
    from driftline.analyses import CompareConfigsRequest
    from driftline.analyses import compare_configs as compare

    runs = _read_runs(configs, options)
    if options.dry_run:
        from ..documents import ConfigsCost, estimate_configs

        cost = ConfigsCost(runs, options.suites, options.num_items, options.seed)
        return Answer(handed.named(estimate_configs(cost, choice)))
    identity: dict[str, JsonValue] = {
        **choice.identity(),
        "part": "compare configs",
        "runs": [[run.label, run.config.digest, run.data.digest] for run in runs],
        "suites": [suite.identity() for suite in options.suites],
        "items": options.num_items,
        "seed": options.seed,
    }
    evaluated: list[JsonValue] = [
        None if run.evaluation is None else run.evaluation.digest for run in runs
    ]
    if any(evaluated):
        identity["evaluation"] = evaluated

    def compared(base: "LanguageModel", folder: "RunFolder") -> "ConfigComparison":
        request = CompareConfigsRequest(base, runs, options.suites, options.num_items, options.seed)
        return compare(request, folder, listener=options.reporter.update)

    return answered(choice, identity, options, handed, compared)


def _read_runs(
    configs: tuple[tuple[str, inputs.ConfigInput], ...], options: Options
) -> "tuple[PlannedConfig, ...]":
    """Read every config with its rows, so that a fault in the last one costs no wait."""
    from driftline.analyses import PlannedConfig

    runs = []
    for name, config in configs:
        parsed = inputs.read_config(config, name)
        inputs.check_probe(parsed, options.reporter)
        rows, notes = inputs.read_rows(options.data, parsed, options.columns)
        for note in notes:
            options.reporter.say(note)
        held_out = inputs.read_evaluation(options.eval_data, parsed, rows, options.columns)
        runs.append(PlannedConfig(name, parsed.for_data(is_chat=rows.is_chat), rows, held_out))
    return tuple(runs)
