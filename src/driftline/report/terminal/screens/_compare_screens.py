"""First screens of comparisons: which checkpoint to take, which config to train."""

from ....results import Comparison, ConfigComparison
from ....results.readings import (
    caveats_of_run,
    clean,
    comparison_headline,
    config_comparison_headline,
    in_points,
    standing_caveats,
)
from ...tables import checkpoints_table, configs_table
from .._columns import table_lines
from ._screen import Screen


def comparison_screen(document: Comparison) -> Screen:
    """Say which checkpoint to take."""
    shown = in_points(document)
    actions = {
        "pass": f"take {clean(document.recommended or '')}, and certify it on items that chose nothing.",
        "fail": "tune again with a milder protocol: none of these keeps what it must.",
        "inconclusive": "compare on more items.",
    }
    rows = table_lines(checkpoints_table(shown))
    return Screen(
        document.verdict.upper(), comparison_headline(shown), None, actions[document.verdict], rows=tuple(rows),
        caveats=caveats_of_run(document.caveats), num_standing=len(standing_caveats(document.caveats)),
    )  # fmt: skip


def config_comparison_screen(document: ConfigComparison) -> Screen:
    """Say which config to train."""
    shown = in_points(document)
    actions = {
        "pass": f"train {clean(document.recommended or document.safest)}, with the monitor on.",
        "fail": "lower the learning rates: none of these configs is safe.",
        "inconclusive": f"forecast {clean(document.safest)} with `--until decided`.",
    }
    rows = table_lines(configs_table(shown))
    return Screen(
        document.verdict.upper(), config_comparison_headline(shown), None, actions[document.verdict],
        rows=tuple(rows), caveats=caveats_of_run(document.caveats),
        num_standing=len(standing_caveats(document.caveats)),
    )  # fmt: skip
