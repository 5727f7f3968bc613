"""A comparison of configs as plain text."""

from ...results import ConfigComparison
from ...results.readings import (
    clean,
    config_comparison_headline,
    cost_sentence,
    in_points,
)
from ..tables import config_forecasts_table, configs_table
from ._columns import table_lines, wrapped


def config_comparison_summary(document: ConfigComparison) -> str:
    """Write a comparison of configs for a terminal, without colour.

    Args:
        document: What to put in words.

    Returns:
        Text: the verdict, a row a config, each forecast, the cost, numbered caveats. It ends in a
        newline.
    """
    document = in_points(document)
    closing = wrapped(f"Cost: {cost_sentence(document.cost)}")
    for index, caveat in enumerate(document.caveats, start=1):
        closing += wrapped(f"[{index}] {clean(caveat)}", indent="    ")
    blocks = [
        wrapped(f"{document.verdict.upper()}: {config_comparison_headline(document)}"),
        table_lines(configs_table(document)),
        table_lines(config_forecasts_table(document)),
        closing,
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"
