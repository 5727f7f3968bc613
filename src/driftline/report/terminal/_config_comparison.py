"""A comparison of configs as plain text."""

from ...results import ConfigComparison
from ...results.readings import (
    CONFIG_FORECAST_TITLES,
    CONFIG_TITLES,
    clean,
    config_comparison_headline,
    config_forecast_rows,
    config_rows,
    cost_sentence,
    in_points,
)
from ._columns import aligned, wrapped


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
        aligned([CONFIG_TITLES, *config_rows(document)], numeric=(2, 3, 4, 6, 7, 8, 9)),
        aligned([CONFIG_FORECAST_TITLES, *config_forecast_rows(document)], numeric=(2, 3, 4, 5)),
        closing,
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"
