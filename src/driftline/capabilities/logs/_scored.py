"""Capabilities that another program has scored already, item by item."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...errors import SuiteError
from ...metrics import METRICS
from ...results import SourceProvenance


class Reading(NamedTuple):
    """Interpretation of a metric's values."""

    unit: str
    higher_is_better: bool


SHARE = Reading("share of items", higher_is_better=True)
_POINTS = Reading("points", higher_is_better=True)

READINGS: Mapping[str, Reading] = {
    **{
        name: Reading(metric.unit, higher_is_better=metric.higher_is_better)
        for name, metric in METRICS.items()
    },
    "nll_nats": Reading("nats per target", higher_is_better=False),
    "nll_nats_per_word": Reading("nats per word", higher_is_better=False),
    "nll_nats_per_byte": Reading("nats per byte", higher_is_better=False),
    "bits_per_byte": Reading("bits per byte", higher_is_better=False),
    **dict.fromkeys(
        ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "accuracy", "em", "exact_match"), SHARE
    ),
    **dict.fromkeys(("f1", "bleu", "chrf", "rouge1", "rouge2", "rougeL", "rougeLsum"), _POINTS),
    **dict.fromkeys(("ter", "wer", "cer"), Reading("points", higher_is_better=False)),
}
"""Metrics whose unit and direction are known by their name."""


@dataclass(frozen=True)
class LoggedItem:
    """One item as a log has it."""

    id: str
    """Equal in two logs if, and only if, both scored the same document under the same name."""
    group: str
    """Items of one group share a source; an item without one is its own."""
    values: Mapping[str, float]
    """Metric to value; what is not one number an item is left out."""
    where: str
    """The place in the file, to name when something is wrong."""


@dataclass(frozen=True)
class ScoredLog:
    """A log as it was read, before one of its metrics is chosen."""

    name: str
    items: tuple[LoggedItem, ...]
    preferred: tuple[str, ...]
    """Its metrics, the one to take unless another is wanted first."""
    readings: Mapping[str, Reading]
    """Metrics that the log itself says how to read, in addition to those known by name."""
    prompts_digest: str | None = None


@dataclass(frozen=True)
class ScoredCapability:
    """One metric of one model on the items of one task, as a log has them."""

    name: str
    metric: str
    unit: str
    higher_is_better: bool
    item_ids: tuple[str, ...]
    """Name and document of each item: pair two logs by these, never by position."""
    values: tuple[float, ...]
    """One finite number an item."""
    groups: tuple[str, ...]
    """The group of each item; an item without one is its own."""
    source: SourceProvenance
    prompts_digest: str | None = None
    """Digest of all prompts, if the log has them; logs that differ in it gave their models the same
    documents in different words."""


def choose_metric(
    log: ScoredLog,
    source: SourceProvenance,
    *,
    metric: str | None,
    higher_is_better: bool | None,
) -> ScoredCapability:
    """Select one metric of a log, with a finite value for every item.

    Args:
        source: Description of the file for documents.
        metric: Metric to select; None for the log's first.
        higher_is_better: Its direction; needed where neither name nor log tells.

    Raises:
        SuiteError: The log has no such metric, its direction is not known, or an item has no
            finite value.
    """
    if metric is None or metric not in log.preferred:
        _refuse_filters(log, source.name, metric)
    if metric is not None and metric not in log.preferred:
        raise SuiteError(
            f"{source.name}: has no metric {metric}; it has {_listed(log.preferred)}, item by item"
        )
    chosen = metric or next(iter(log.preferred), None)
    if chosen is None:
        raise SuiteError(f"{source.name}: no metric in it is one number an item")
    values = tuple(_finite(item, chosen) for item in log.items)
    reading = _reading(log, chosen, higher_is_better, source.name)
    if len({item.group for item in log.items}) < 2:
        raise SuiteError(f"{source.name}: holds fewer than 2 independent items, too few to compare")
    return ScoredCapability(
        name=log.name,
        metric=chosen,
        unit=reading.unit,
        higher_is_better=reading.higher_is_better,
        item_ids=tuple(item.id for item in log.items),
        values=values,
        groups=tuple(item.group for item in log.items),
        source=source,
        prompts_digest=log.prompts_digest,
    )


def _refuse_filters(log: ScoredLog, name: str, metric: str | None) -> None:
    """Refuse a metric that stands under several filters, of which none was chosen.

    lm-eval writes the filter behind the metric where a task has several, and they need not agree.

    Raises:
        SuiteError: It does.
    """
    requested = metric or next(iter(log.preferred), "").partition(",")[0]
    named = [known for known in log.preferred if known.startswith(f"{requested},")]
    if not named or (metric is None and len(named) < 2):
        return
    filters = ", ".join(known.partition(",")[2] for known in named)
    raise SuiteError(
        f"{name}: {requested} was logged under {len(named)} filters ({filters}), which need not agree; "
        f'choose one: metric="{named[0]}"'
    )


def metrics_of(items: Sequence[LoggedItem]) -> tuple[str, ...]:
    """Return the metrics that any of the items has, in order of first occurrence."""
    return tuple(dict.fromkeys(metric for item in items for metric in item.values))


def _reading(log: ScoredLog, metric: str, said: bool | None, name: str) -> Reading:
    # lm-eval writes the filter behind the metric where a task has several.
    known = log.readings.get(metric) or READINGS.get(metric.partition(",")[0])
    if said is not None:
        return Reading(known.unit if known else "points", said)
    if known is None:
        raise SuiteError(
            f"{name}: whether more of {metric} is better is not in the log; say it with "
            "higher_is_better"
        )
    return known


def _finite(item: LoggedItem, metric: str) -> float:
    value = item.values.get(metric)
    if value is None:
        raise SuiteError(f"{item.where}: no number for {metric}; every item needs one")
    if not math.isfinite(value):
        raise SuiteError(
            f"{item.where}: {metric} is {value}, which is no score; score the item again"
        )
    return value


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
