"""First screens of comparisons: which checkpoint to take, which config to train."""

from ....results import Comparison, ConfigComparison
from ....results.readings import (
    CHECKPOINT_TITLES,
    CONFIG_TITLES,
    caveats_of_run,
    checkpoint_rows,
    clean,
    comparison_headline,
    config_comparison_headline,
    config_rows,
    in_points,
    standing_caveats,
)
from .._columns import aligned
from ._screen import Screen


def comparison_screen(found: Comparison) -> Screen:
    """Say which checkpoint to take."""
    shown = in_points(found)
    actions = {
        "pass": f"take {clean(found.recommended or '')}, and certify it on items that chose nothing.",
        "fail": "tune again with a milder protocol: none of these keeps what it must.",
        "inconclusive": "compare on more items.",
    }
    rows = aligned([CHECKPOINT_TITLES, *checkpoint_rows(shown)], numeric=(2, 3, 5, 6, 7, 8, 9))
    return Screen(
        found.verdict.upper(), comparison_headline(shown), None, actions[found.verdict], rows=tuple(rows),
        caveats=caveats_of_run(found.caveats), num_standing=len(standing_caveats(found.caveats)),
    )  # fmt: skip


def config_comparison_screen(found: ConfigComparison) -> Screen:
    """Say which config to train."""
    shown = in_points(found)
    actions = {
        "pass": f"train {clean(found.recommended or found.safest)}, with the monitor on.",
        "fail": "lower the learning rates: none of these configs is safe.",
        "inconclusive": f"forecast {clean(found.safest)} with `--until decided`.",
    }
    rows = aligned([CONFIG_TITLES, *config_rows(shown)], numeric=range(2, len(CONFIG_TITLES)))
    return Screen(
        found.verdict.upper(), config_comparison_headline(shown), None, actions[found.verdict],
        rows=tuple(rows), caveats=caveats_of_run(found.caveats),
        num_standing=len(standing_caveats(found.caveats)),
    )  # fmt: skip
