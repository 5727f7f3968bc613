"""A comparison of configs in words and rows that every rendering shares."""

from collections.abc import Iterator

from ...documents import ConfigComparison
from .._falls import fall, fall_interval
from .._readings import clean, interval, number, percent

CONFIG_TITLES = (
    "config",
    "forecast",
    "probe",
    "worst change, tolerances",
    "90% interval",
    "worst capability",
    "gain, nats",
    "gain interval",
    "on other rows",
    "P(safest)",
    "",
)
CONFIG_FORECAST_TITLES = (
    "config",
    "capability",
    "base",
    "predicted change",
    "interval",
    "tolerance",
    "unit",
    "verdict",
)
_NEXT = "lower the learning rate, shorten the run, or ask driftline plan for a safer protocol"


def config_comparison_headline(document: ConfigComparison) -> str:
    """Say in one sentence which config is safest, and whether it is safe."""
    row = next(each for each in document.configs if each.label == document.safest)
    text = (
        f"the safest of {len(document.configs)} configs is {clean(row.label)} (P = "
        f"{number(row.probability_safest)})"
    )
    if document.recommended is not None:
        other = next(each for each in document.configs if each.label == document.recommended)
        gain = "" if other.gain is None else f" ({number(other.gain, signed=True)} nats a token)"
        return f"take {clean(other.label)}: it is forecast to be safe and gains most{gain}; {text}"
    if document.verdict == "fail":
        return f"each config is forecast to be unsafe; {text}; {_NEXT}"
    return f"no config is forecast to be safe; {text}; {_NEXT}"


def config_rows(document: ConfigComparison) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each config, under `CONFIG_TITLES`."""
    for row in document.configs:
        dropped = row.dropped_after
        yield (
            clean(row.label),
            row.verdict,
            percent(row.probe),
            number(fall(row.worst_loss), signed=True),
            fall_interval(row.worst_low, row.worst_high),
            clean(row.worst_capability),
            number(row.gain, signed=True),
            interval(row.gain_low, row.gain_high, signed=True),
            number(None if row.row_gains is None else row.row_gains.predicted_gain, signed=True),
            percent(row.probability_safest),
            "" if dropped is None else f"dropped out after round {dropped}",
        )


def config_forecast_rows(document: ConfigComparison) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each forecast of each config, under `CONFIG_FORECAST_TITLES`."""
    for row in document.configs:
        for each in row.forecast:
            yield (
                clean(row.label),
                clean(each.capability) + ("" if each.required else " (watched)"),
                number(each.base_value),
                number(each.predicted_change, signed=True),
                interval(each.low, each.high, signed=True),
                number(each.tolerance),
                clean(each.unit),
                each.verdict,
            )
