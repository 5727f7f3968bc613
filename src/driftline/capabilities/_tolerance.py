"""Tolerances as people write them: a number, points, or per cent of perplexity."""

import re

from ..errors import SuiteError
from ..metrics import METRICS, SHOWN, MetricName, nats_of_rise

_WRITTEN = re.compile(
    r"\s*(?P<number>(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?)\s*(?P<unit>%|points?)?\s*", re.IGNORECASE
)
"""YAML takes 1e-3 for text, so exponents come here too."""


def read_tolerance(written: float | str, metric: MetricName) -> float:
    """Convert a tolerance to the unit of its metric.

    >>> read_tolerance("3 points", "probability")
    0.03
    >>> round(read_tolerance("5%", "nll_nats"), 4)
    0.0488

    Args:
        written: A number in the metric's unit; `3 points` of a probability or a share; `5%` of
            perplexity, which is log(1.05) nats per token.
        metric: Metric of the capability.

    Returns:
        The loss that is accepted.

    Raises:
        SuiteError: It is written in a way that this metric does not have.
    """
    if not isinstance(written, str):
        return written
    match = _WRITTEN.fullmatch(written)
    if match is None:
        raise SuiteError(
            f"tolerance {written!r} is no number; write one in the unit of {metric}"
            f"{_other_ways(metric)}"
        )
    number, unit = float(match["number"]), match["unit"]
    if unit is None:
        return number
    if unit == "%" and metric == "nll_nats":
        return nats_of_rise(number / 100)
    if unit != "%" and _has_points(metric):
        return number / 100
    raise SuiteError(
        f"tolerance {written!r} is not for {metric}, whose unit is {METRICS[metric].unit}; write a "
        f"number{_other_ways(metric)}"
    )


def _has_points(metric: MetricName) -> bool:
    return METRICS[metric].unit in SHOWN or METRICS[metric].is_binary


def _other_ways(metric: MetricName) -> str:
    if metric == "nll_nats":
        return ", or per cent of perplexity such as 5%"
    return ", or points such as 3 points" if _has_points(metric) else ""
