"""The choice of one metric of a log."""

import pytest

from driftline.capabilities.logs import _scored as module
from driftline.capabilities.logs._scored import (
    LoggedItem,
    Reading,
    ScoredLog,
    choose_metric,
    metrics_of,
)
from driftline.errors import SuiteError
from driftline.metrics import METRICS
from driftline.results import SourceProvenance

SOURCE = SourceProvenance(name="a.jsonl", digest="sha256:0", num_records=2)


def log(*values, groups=None, **readings):
    items = tuple(
        LoggedItem(f"i{n}", (groups or {}).get(n, f"i{n}"), each, f"a.jsonl: line {n + 1}")
        for n, each in enumerate(values)
    )
    return ScoredLog("task", items, metrics_of(items), readings)


def chosen(made, metric=None, higher_is_better=None):
    return choose_metric(made, SOURCE, metric=metric, higher_is_better=higher_is_better)


def test_the_first_metric_is_taken_unless_one_is_named():
    made = log({"acc": 1.0, "f1": 0.5}, {"acc": 0.0, "f1": 0.25})
    assert chosen(made).values == (1.0, 0.0)
    assert chosen(made, "f1").values == (0.5, 0.25)
    assert chosen(made, "f1").item_ids == ("i0", "i1")
    with pytest.raises(
        SuiteError, match=r"a.jsonl: has no metric em; it has acc, f1, item by item"
    ):
        chosen(made, "em")


def test_directions_come_from_the_log_from_the_name_or_from_the_caller():
    made = log({"acc": 1.0, "odd": 1.0}, {"acc": 0.0, "odd": 1.0}, odd=Reading("odds", False))
    assert (chosen(made).higher_is_better, chosen(made).unit) == (True, "share of items")
    assert (chosen(made, "odd").higher_is_better, chosen(made, "odd").unit) == (False, "odds")
    assert chosen(made, "acc", False).higher_is_better is False


def test_every_item_needs_a_finite_value():
    for bad, message in (({}, "no number for acc"), ({"acc": float("nan")}, "acc is nan")):
        with pytest.raises(SuiteError, match=rf"a.jsonl: line 2: {message}"):
            chosen(log({"acc": 1.0}, bad))


def test_items_of_one_group_are_too_few():
    made = log({"acc": 1.0}, {"acc": 0.0}, groups={0: "g", 1: "g"})
    with pytest.raises(SuiteError, match="fewer than 2 independent items"):
        chosen(made)


def test_units_and_directions_agree_with_what_driftline_scores_itself():
    for name in ("margin_nats", "probability", "accuracy", "exact_match"):
        assert module.READINGS[name] == Reading(METRICS[name].unit, True)
    assert not module.READINGS["nll_nats"].higher_is_better
    assert all(reading.unit for reading in module.READINGS.values())
