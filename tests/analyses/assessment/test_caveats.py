"""What a reader must know: always the limits, and first what is wrong this time."""

from types import SimpleNamespace

import pytest

from driftline.analyses import Effort, shipped_calibration, shipped_path_calibration
from driftline.analyses.assessment._caveats import caveats
from driftline.metrics import METRICS
from driftline.models import TrainingPlan

CALIBRATION = shipped_calibration()
LOW, HIGH = CALIBRATION.learning_rate_range(adapter=False)
SMOLLM2 = shipped_path_calibration().model_digest
NUM_STEPS = CALIBRATION.step_range[0]


def found(peak, **changes):
    digest = changes.get("digest", SMOLLM2)
    metric, part = changes.get("metric", "margin_nats"), changes.get("part", "map")
    rates = (peak / 2, peak) + (peak / 3,) * (NUM_STEPS - 2)
    rates = changes.get("rates", rates)
    trajectory = SimpleNamespace(plan=TrainingPlan(len(rates), rates), kept_steps=(1, 2))
    config = SimpleNamespace(
        adapter_config=lambda: changes.get("adapter"), probe_notes=lambda: changes.get("notes", ())
    )
    opened = SimpleNamespace(digest=digest, source="./mine")
    request = SimpleNamespace(
        opened=opened,
        part=part,
        config=config,
        calibration=CALIBRATION,
        probe="0.2",
        data=SimpleNamespace(notes=changes.get("rows", ())),
    )
    study = SimpleNamespace(
        trajectory=trajectory,
        effort=Effort(),
        capabilities=(SimpleNamespace(name="answers", metric=metric, measure=METRICS[metric]),),
        anchors=None,
        num_probe_steps=2,
    )
    return caveats(request, study, paths=shipped_path_calibration())


def test_the_limits_are_always_said():
    usual = found(LOW)
    assert len(usual) == 9
    models = ", ".join(sorted(CALIBRATION.models.values()))
    assert f"rests on {len(CALIBRATION.runs)} finished runs of {models}, of" in usual[0]
    assert f"2 of {NUM_STEPS} planned steps, with one seed" in usual[1]


@pytest.mark.parametrize("rate", [LOW, (LOW + HIGH) / 2, HIGH])
def test_a_calibrated_rate_is_no_caveat(rate):
    assert found(rate) == found(LOW)


@pytest.mark.parametrize("rate", [LOW / 100, LOW * 0.99, HIGH * 1.01, HIGH * 100])
def test_a_rate_out_of_range_comes_first(rate):
    first, *rest = found(rate)
    assert first.startswith(f"The learning rate {rate:g} lies outside the calibrated range {LOW:g}")
    assert tuple(rest) == found(LOW)


def test_another_model_comes_before_all():
    first, second, *rest = found(HIGH * 10, digest="sha256:other")
    assert first.startswith("The forecast was not calibrated on ./mine: its intervals are as wide")
    assert second.startswith("The learning rate")
    assert tuple(rest) == found(LOW)


def test_a_metric_that_was_never_calibrated_is_named():
    # Forecasts of accuracy are like those of probabilities, whose runs are of another model and length.
    length, unseen, named, *rest = (
        each for each in found(LOW, metric="accuracy") if not each.startswith("The learning rate")
    )
    assert length == f"The run has {NUM_STEPS} steps; the forecast rests on runs of 100."
    assert unseen.startswith("The forecast was not calibrated on ./mine")
    assert named == "The forecast was never calibrated on accuracy."
    assert tuple(rest) == found(LOW)


def test_what_has_no_gradient_is_named_as_not_mapped():
    said = found(LOW, metric="exact_match")
    assert any(caveat == "Not mapped, for want of a gradient: answers." for caveat in said)
    assert not any("Not mapped" in caveat for caveat in found(LOW))


@pytest.mark.parametrize("part", ["assess", "margin"])
def test_a_belief_space_that_cannot_be_read_is_named(part):
    *usual, last = found(LOW, part=part)
    assert last == "The belief space was not read: ./mine has no plain list of layers."
    assert tuple(usual) == found(LOW)


def test_a_longer_run_than_any_comes_first():
    most = CALIBRATION.step_range[1]
    first, *rest = found(LOW, rates=(LOW,) * (most + 3))
    assert first.startswith(
        f"The run has {most + 3} steps; the forecast rests on runs of {NUM_STEPS} to"
    )
    assert len(rest) == len(found(LOW))


def test_a_shorter_run_than_any_comes_first():
    first, *rest = found(LOW, rates=(LOW,) * 3)
    assert first.startswith(f"The run has 3 steps; the forecast rests on runs of {NUM_STEPS} to")
    assert len(rest) == len(found(LOW))


def test_an_adapter_borrows_the_power_of_the_rate():
    *_, last = found(LOW, adapter=object())
    assert "take the power of full fine-tuning" in last


def test_how_config_and_rows_were_read_is_said_last():
    *_, config, rows = found(
        LOW, notes=("eval_strategy: set aside",), rows=("d.jsonl: line 3: 2 empty rows skipped",)
    )
    assert config == "As read: eval_strategy: set aside."
    assert rows == "As read: d.jsonl: line 3: 2 empty rows skipped."
