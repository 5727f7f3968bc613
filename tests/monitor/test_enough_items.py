"""A monitor whose affordable items could raise no alarm takes more of them before it refuses."""

import json
from types import SimpleNamespace

import pytest

from driftline.errors import ConfigError
from driftline.monitor import MonitorSettings, StabilityMonitor
from driftline.monitor._enough_items import begin_with_enough_items
from driftline.monitor.signals import BlindError
from tests.monitor.runs import suite, trainer

CAPABILITIES = [SimpleNamespace(name="a", items=[0] * 300), SimpleNamespace(name="b", items=[0] * 80)]  # fmt: skip


def _begun(num_items, enough):
    """Begin a run whose capability `a` could raise its alarm with so many items."""
    events = []
    session = SimpleNamespace(
        state=SimpleNamespace(num_items=num_items),
        checker=None,
        log=SimpleNamespace(write=lambda event, **fields: events.append((event, fields))),
    )

    def begin():
        held = session.state.num_items
        if (held["a"] if isinstance(held, dict) else held or 300) < enough:
            raise BlindError(("a",))

    begin_with_enough_items(session, begin, lambda num: ("checker", num), CAPABILITIES)
    return session, events


@pytest.mark.parametrize(
    ("enough", "taken", "times"), [(64, 64, 0), (65, 256, 1), (257, 300, 2), (300, 300, 2)]
)
def test_only_the_blind_capability_gets_more_items_and_the_log_says_so(enough, taken, times):
    session, events = _begun({"a": 64, "b": 64}, enough)
    assert session.state.num_items == {"a": taken, "b": 64}
    assert events == [("more_items", {"step": 0, "capabilities": ["a"]})] * times
    assert session.checker == (("checker", session.state.num_items) if times else None)


@pytest.mark.parametrize(("num_items", "enough"), [({"a": 64, "b": 64}, 301), (40, 64), (None, 400)])  # fmt: skip
def test_a_number_that_the_user_set_and_too_few_items_in_all_are_refused(num_items, enough):
    with pytest.raises(ConfigError, match="a: would raise no alarm even with ruined weights"):
        _begun(num_items, enough)


def test_what_the_base_lacks_is_told_once_however_often_the_items_grow(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(
        "driftline.monitor._monitor.affordable_num_items",
        lambda *_a, **_k: {"texts": 4, "pairs": 4},
    )
    # Every capability is taken to be out of the base's reach, after each beginning.
    monkeypatch.setattr("driftline.monitor.detectors.Checker.held", frozenset(), raising=False)
    made = trainer(tmp_path / "out", max_steps=1)
    settings = MonitorSettings(action="warn", step_tokens=32, alpha=1e-15)
    StabilityMonitor([suite()], settings).attach(made)
    made.train()
    told = [each for each in caplog.messages if "no better than guessing" in each]
    assert len(told) == 1


def test_a_run_takes_more_items_and_resumes_with_them(tmp_path, monkeypatch):
    # Affordable: four of the texts, which could raise no alarm at this alpha; sixteen can.
    monkeypatch.setattr(
        "driftline.monitor._monitor.affordable_num_items",
        lambda *_a, **_k: {"texts": 4, "pairs": 4},
    )
    settings = MonitorSettings(action="log", step_tokens=32, alpha=1e-15)
    made = trainer(tmp_path / "out", max_steps=2, save_strategy="steps", save_steps=1)
    monitor = StabilityMonitor([suite()], settings).attach(made)
    made.train()
    path = tmp_path / "out" / "monitor" / "monitor.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [e["event"] for e in events[:3]] == ["started", "base", "more_items"]
    started = [e for e in events if e["event"] == "started"]
    assert started[-1]["items"]["texts"] > started[0]["items"]["texts"] == 4
    assert started[-1]["items"]["pairs"] == 4
    again = trainer(tmp_path / "out", max_steps=2, save_strategy="no")
    resumed = StabilityMonitor([suite()], settings).attach(again)
    again.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-1"))
    held = resumed.state()["attributes"]["memory"]["num_items"]
    assert held == started[-1]["items"] == monitor.state()["attributes"]["memory"]["num_items"]


def test_the_self_test_is_by_the_rule_that_raises_alarms(tmp_path):
    # Two texts prove nothing, and lose more than their tolerance all the same.
    few = suite(2, num_pairs=2)
    refused = trainer(tmp_path / "evidence", max_steps=1)
    StabilityMonitor([few], MonitorSettings(action="log", alpha=1e-15)).attach(refused)
    with pytest.raises(ConfigError, match="would raise no alarm"):
        refused.train()
    made = trainer(tmp_path / "measured", max_steps=1)
    measured = MonitorSettings(action="log", alpha=1e-15, act_on="measured")
    StabilityMonitor([few], measured).attach(made)
    made.train()
