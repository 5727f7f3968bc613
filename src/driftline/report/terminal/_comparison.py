"""A comparison as plain text, of checkpoints or of configs."""

from ...results import Comparison, ConfigComparison
from ...results.readings import (
    clean,
    comparison_headline,
    config_comparison_headline,
    cost_sentence,
    history_sentence,
    in_points,
    reason_lines,
)
from ..tables import (
    checkpoint_claims_table,
    checkpoints_table,
    config_forecasts_table,
    configs_table,
)
from ._columns import caveat_lines, table_lines, wrapped


def comparison_summary(document: Comparison) -> str:
    """Write a comparison of checkpoints for a terminal, without colour.

    Returns:
        Text: the verdict, a row a checkpoint, why, the trainer's history, each capability, the cost,
        numbered caveats. It ends in a newline.
    """
    document = in_points(document)
    base = clean(document.provenance.base.source)
    return _text(
        document,
        f"{comparison_headline(document)} (base: {base})",
        table_lines(checkpoints_table(document)),
        [part for line in reason_lines(document) for part in wrapped(line)],
        [part for each in document.histories for part in wrapped(history_sentence(each))],
        table_lines(checkpoint_claims_table(document)),
    )


def config_comparison_summary(document: ConfigComparison) -> str:
    """Write a comparison of configs for a terminal, without colour.

    Returns:
        Text: the verdict, a row a config, each forecast, the cost, numbered caveats. It ends in a
        newline.
    """
    document = in_points(document)
    return _text(
        document,
        config_comparison_headline(document),
        table_lines(configs_table(document)),
        table_lines(config_forecasts_table(document)),
    )


def _text(document: Comparison | ConfigComparison, headline: str, *blocks: list[str]) -> str:
    """Join the verdict, the blocks that are not empty, the cost and the caveats."""
    verdict = wrapped(f"{document.verdict.upper()}: {headline}")
    closing = wrapped(f"Cost: {cost_sentence(document.cost)}") + caveat_lines(document.caveats)
    return "\n\n".join("\n".join(each) for each in (verdict, *blocks, closing) if each) + "\n"
