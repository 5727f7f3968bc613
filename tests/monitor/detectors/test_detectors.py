"""The three detectors on made-up readings."""

import json
import math
from dataclasses import replace

import numpy

from driftline.monitor.detectors._check import CheckResult, is_held
from driftline.monitor.detectors._detectors import (
    CheckReading,
    count_unpredictable,
    evidence_needed,
    findings,
    instability_amplification,
)
from driftline.monitor.detectors._metrics import metrics_of
from driftline.monitor.detectors._state import MonitorState
from driftline.monitor.signals._anchors import AnchorReading, LayerReading
from driftline.monitor.signals._step_probe import StepReading
from driftline.monitor.signals._update_norm import UpdateNorm
from driftline.stats import Looks
from driftline.training import MonitorSettings, Thresholds
from tests.monitor.runs import suite

CAPABILITIES = suite().capabilities
SETTINGS = MonitorSettings()


def _reading(texts=0.0, pairs=0.0, *, kl=0.05, cka=0.99, rank=1.0, step=None):
    anchors = AnchorReading(kl, None, (LayerReading(0, cka, rank, None),))
    return CheckReading(
        4, {"texts": texts, "pairs": pairs}, {"texts": -1.0}, anchors, step or StepReading()
    )


def _found(reading, state=None, settings=SETTINGS):
    return [
        (f.detector, f.severity)
        for f in findings(reading, CAPABILITIES, state=state or MonitorState(), settings=settings)
    ]


def test_all_is_well():
    assert _found(_reading()) == []


def test_a_measured_loss_warns_and_evidence_alarms():
    state = MonitorState()
    assert _found(_reading(texts=0.2), state) == [("selective_capability_loss", "warning")]
    state.keep("texts", Looks(1, math.log(1 / 0.05) + 0.01))
    found = findings(_reading(texts=0.2), CAPABILITIES, state=state, settings=SETTINGS)
    assert [(f.detector, f.severity, f.capabilities) for f in found] == [
        ("selective_capability_loss", "alarm", ("texts",))
    ]
    assert "texts has lost 0.2 nats per token" in found[0].evidence[0]


def test_a_loss_is_broad_among_what_the_base_has():
    lost = _reading(texts=0.2, pairs=0.3, kl=0.6)
    assert ("belief_space_collapse", "alarm") in _found(lost)
    assert ("belief_space_collapse", "alarm") not in _found(
        replace(lost, held=frozenset({"texts"}))
    )


def test_what_the_base_does_not_have_raises_no_alarm():
    settings = MonitorSettings(act_on="measured")
    required = tuple(replace(c, required=True) for c in CAPABILITIES)
    reading = _reading(pairs=3.0)

    def found(reading):
        return findings(reading, required, state=MonitorState(), settings=settings)

    assert [f.capabilities for f in found(reading)] == [("pairs",)]
    assert found(replace(reading, held=frozenset({"texts"}))) == []


def test_what_the_base_has_is_better_than_guessing():
    pairs = CAPABILITIES[1]
    for num_right, has in ((40, True), (26, True), (25, False), (20, False), (0, False)):
        losses = numpy.where(numpy.arange(40) < num_right, -1.0, 1.0)
        assert is_held(pairs, losses) is has
    # Nobody guesses a text.
    assert is_held(CAPABILITIES[0], numpy.full(40, 9.0))


def test_a_probability_is_held_by_what_is_right_not_by_its_sign():
    pairs = replace(CAPABILITIES[1], metric="probability")
    losses = numpy.full(40, -0.4)
    assert is_held(pairs, losses, right=numpy.ones(40))
    assert not is_held(pairs, losses, right=numpy.zeros(40))


def test_a_watched_capability_never_alarms():
    settings = MonitorSettings(act_on="measured")
    assert _found(_reading(pairs=3.0), settings=settings) == [
        ("selective_capability_loss", "warning")
    ]
    assert _found(_reading(texts=0.2), settings=settings) == [
        ("selective_capability_loss", "alarm")
    ]


def test_many_losses_with_a_drift_are_a_collapse_and_not_many_selective_ones():
    assert _found(_reading(1.0, 1.0, kl=2.0)) == [("belief_space_collapse", "alarm")]
    assert _found(_reading(1.0, 1.0, rank=0.5)) == [("belief_space_collapse", "alarm")]
    assert _found(_reading(1.0, 1.0, rank=1.8)) == [("belief_space_collapse", "alarm")]
    # Without a drift they are each by themselves; with a drift alone, a warning.
    assert {name for name, _ in _found(_reading(1.0, 1.0))} == {"selective_capability_loss"}
    assert _found(_reading(kl=2.0, cka=0.5)) == [("belief_space_collapse", "warning")]


def test_two_unpredictable_checks_in_a_row_are_enough():
    state, limits = MonitorState(), Thresholds()
    severities = []
    for value in (0.9, 0.1, 0.9, None, 0.9):
        reading = _reading(step=StepReading(unpredictability=value))
        count_unpredictable(reading.step_reading, state, limits)
        found = instability_amplification(reading, state, limits)
        severities.append(None if found is None else found.severity)
    assert severities == ["warning", None, "warning", None, "alarm"]


def test_alpha_is_shared_among_required_capabilities_and_restarts():
    state = MonitorState()
    assert evidence_needed(10, SETTINGS, state) == math.log(10 / 0.05)
    again = MonitorSettings(action="roll_back", after_roll_back="continue")
    total = 0.0
    for restarts in range(50):
        state.num_restarts = restarts
        total += math.exp(-evidence_needed(1, again, state))
    assert total <= again.alpha


def test_weights_that_have_diverged_are_a_collapse_whatever_the_losses_say():
    for reading in (
        replace(_reading(texts=-0.1), update_relative=2.6e7),
        replace(_reading(), update_relative=math.inf),
        replace(
            _reading(), anchors=AnchorReading(0.05, None, (LayerReading(3, 0.9, 1.0, math.inf),))
        ),
    ):
        found = findings(reading, CAPABILITIES, state=MonitorState(), settings=SETTINGS)
        assert [(f.detector, f.severity) for f in found] == [("belief_space_collapse", "alarm")]
        assert "diverged" in found[0].evidence[0] or "layer 3" in found[0].evidence[0]
    for moved in (None, 0.01, 3.0):
        assert _found(replace(_reading(), update_relative=moved)) == []


def test_a_reading_that_is_no_number_is_undefined_with_the_reason():
    anchors = AnchorReading(0.05, None, (LayerReading(0, 0.9, 1.0, math.inf),))
    reading = replace(_reading(), anchors=anchors, step_reading=StepReading(measured_nats=math.nan))
    look = CheckResult(reading, UpdateNorm(math.inf, None))
    fields, metrics = metrics_of(look, None, MonitorState())
    json.dumps(fields, allow_nan=False)
    for name in ("functional_magnitude", "update_relative_norm"):
        assert fields[name] is None
        assert name in fields["reasons"][-1]
        assert f"drift/{name}" not in metrics
    assert fields["layers"][0]["functional_magnitude"] is None
    assert fields["step_nats"]["measured"] is None
    assert "layers[0].functional_magnitude" in fields["reasons"][-1]
    assert fields["losses"] == {"texts": 0.0, "pairs": 0.0}
    assert metrics["drift/kl_suite_nats"] == 0.05
