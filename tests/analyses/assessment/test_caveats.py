"""What a reader must know: always the limits, and first what is wrong this time."""

from types import SimpleNamespace

import pytest

from driftline.analyses import Effort, shipped_calibration, shipped_path_calibration
from driftline.analyses.assessment._caveats import caveats
from driftline.analyses.forecasting import FEWEST_RUNS
from driftline.metrics import METRICS
from driftline.models import TrainingPlan

CALIBRATION = shipped_calibration()
FITTED = CALIBRATION.fitted_in("margin_nats")
LOW, HIGH = FITTED.learning_rate_range(adapter=False)
SMOLLM2 = shipped_path_calibration().model_digest
NUM_STEPS = CALIBRATION.step_range[0]
MOST_STEPS = CALIBRATION.fitted_in("margin_nats").step_range[1]


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
        calibration=changes.get("calibration", CALIBRATION),
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
    return caveats(
        request, study, paths=shipped_path_calibration(), novelty=changes.get("novelty", 1.0)
    )


@pytest.mark.parametrize(
    ("part", "num"), [("assess", 9), ("margin", 7), ("map", 4), ("forecast", 5)]
)
def test_the_limits_of_what_was_measured_are_always_said(part, num):
    usual = found(LOW, part=part)
    assert len(usual) == num
    models = ", ".join(sorted(set(FITTED.models.values())))
    assert f"rests on {len(FITTED.runs)} finished runs of {models}, of" in usual[0]
    assert f"2 of {NUM_STEPS} planned steps, with one seed" in usual[1]


@pytest.mark.parametrize("rate", [LOW, (LOW + HIGH) / 2, HIGH])
def test_a_calibrated_rate_is_no_caveat(rate):
    assert found(rate) == found(LOW)


UNLIKE = "The run is unlike the finished runs that the forecast was calibrated on: "


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (LOW / 100, f"the lowest learning rate of theirs in full fine-tuning ({LOW:g}) is 100 times its own"),
        (LOW * 0.99, "is just above 1 time its own"),
        (HIGH * 1.01, "is just above 1 time the highest of theirs in full fine-tuning"),
        (HIGH * 2.5, f"is 2.5 times the highest of theirs in full fine-tuning ({HIGH:g})"),
        (HIGH * 100, "is 100 times the highest of theirs"),
    ],
)  # fmt: skip
def test_a_rate_out_of_range_comes_first_with_its_distance(rate, said):
    first, *rest = found(rate)
    assert first.startswith(UNLIKE)
    assert said in first
    assert "as wide as errors on configs that were left out" in first
    assert tuple(rest) == found(LOW)


def test_another_model_is_said_with_all_other_ways_in_one_sentence():
    first, *rest = found(HIGH * 10, digest="sha256:other")
    assert first.startswith(f"{UNLIKE}none of them is of the model ./mine; its learning rate")
    assert tuple(rest) == found(LOW)


@pytest.mark.parametrize(("novelty", "said"), [(1.0, "left out."), (2.24, ": 2.2 times those of")])
def test_how_much_wider_the_intervals_are_is_said(novelty, said):
    assert said in found(HIGH * 10, novelty=novelty)[0]


def test_a_metric_that_was_never_calibrated_is_named():
    # Forecasts of accuracy are like those of probabilities, whose runs are of another length.
    unlike, named, *rest = found(LOW, metric="accuracy")
    length = f"the steps of their shortest (100) are {100 / NUM_STEPS:.2g} times its own"
    assert unlike.startswith(f"{UNLIKE}{length}")
    assert "as wide as errors on configs that were left out" in unlike
    assert named == "The forecast was never calibrated on accuracy."
    assert tuple(rest)[1:] == found(LOW)[1:]


def test_a_model_of_fewer_runs_than_a_fit_needs_is_unlike_the_finished_runs():
    own = [
        run
        for run in CALIBRATION.fitted_in("probability").runs
        if run.probe.model_digest == SMOLLM2
    ]
    left_out = own[FEWEST_RUNS - 1 :]
    few = CALIBRATION.model_copy(
        update={"runs": tuple(run for run in CALIBRATION.runs if run not in left_out)}
    )
    unlike, *_ = found(LOW, metric="accuracy", calibration=few)
    assert unlike.startswith(f"{UNLIKE}hardly any of them is of the model ./mine")
    assert "as wide as errors on models that were left out" in unlike


def test_what_has_no_gradient_is_named_as_not_mapped():
    said = found(LOW, metric="exact_match")
    assert any(caveat == "Not mapped, for want of a gradient: answers." for caveat in said)
    assert not any("Not mapped" in caveat for caveat in found(LOW))


@pytest.mark.parametrize("part", ["assess", "margin"])
def test_a_belief_space_that_cannot_be_read_is_named(part):
    *usual, last = found(LOW, part=part)
    assert last == "The belief space was not read: ./mine has no plain list of layers."
    assert not any(caveat.startswith("The belief space is read") for caveat in usual)


@pytest.mark.parametrize(
    ("num", "said"),
    [
        (MOST_STEPS * 3, f"are 3 times those of their longest ({MOST_STEPS})"),
        (3, f"the steps of their shortest ({NUM_STEPS}) are"),
    ],
)  # fmt: skip
def test_a_run_longer_or_shorter_than_any_comes_first(num, said):
    first, *rest = found(LOW, rates=(LOW,) * num)
    assert first.startswith(UNLIKE)
    assert said in first
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
