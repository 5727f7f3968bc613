"""The path margin from planted curves."""

import math
from types import SimpleNamespace

import numpy
import pytest

from driftline.analyses import Exponent, PathCalibration
from driftline.analyses.margins._path_margin import path_losses, path_margins
from driftline.capabilities import Capability, MinimalPair, Passage
from driftline.engine import Table
from driftline.engine.storage._store import StoredScores
from driftline.models import BASE, NoiseDirection, Point, Term, TrainingPlan

TOLERANCE = 0.1
CALIBRATION = PathCalibration(
    schema_="driftline/path-calibration/1",
    model="a model",
    model_digest="sha256:0",
    num_runs=1,
    num_cells=1,
    num_passing=1,
    longest_num_steps=60,
    shares=(0.0, 1.0),
    scales_nats=(0.0, 0.05),
    quantile=2.0,
    largest_loss_error_nats=0.06,
    rate_exponent=Exponent(value=1.0, low=0.5, high=2.0),
    steps_exponents={
        "full": Exponent(value=0.5, low=0.1, high=1.0),
        "lora": Exponent(value=1.0, low=0.8, high=1.2),
    },
)
PEAK = 1e-3
CONSTANT = TrainingPlan(10, (PEAK,) * 10)


def point(step):
    return Point(f"step {step}", (Term(NoiseDirection(step), 1.0),))


def margin(losses, *, steps=(1, 2), plan=CONSTANT, higher_is_better=False, metric="nll_nats"):
    """The path margin of a capability that loses this much at these steps; items are all alike."""
    if metric == "accuracy":
        items = tuple(MinimalPair(id=str(i), good="a", bad="b") for i in range(2))
        made = Capability("planted", "minimal_pair", metric, TOLERANCE, items)
        higher_is_better = True
    elif higher_is_better:
        items = tuple(MinimalPair(id=str(i), good="a", bad="b") for i in range(2))
        made = Capability("planted", "minimal_pair", "margin_nats", TOLERANCE, items)
    else:
        items = tuple(Passage(id=str(i), text="a") for i in range(2))
        made = Capability("planted", "perplexity", "nll_nats", TOLERANCE, items)
    sign = -1 if higher_is_better else 1
    at = {BASE: 0.0, **{point(s): loss for s, loss in zip(steps, losses, strict=True)}}
    rows = {
        (p.digest(), made.digest): StoredScores(
            {made.metric: (2 + sign * loss - 0.5, 2 + sign * loss + 0.5)}, 1
        )
        for p, loss in at.items()
    }
    study = SimpleNamespace(
        capabilities=(made,),
        trajectory=SimpleNamespace(plan=plan, kept_steps=steps),
        path_points=lambda: tuple(point(s) for s in steps),
    )
    table = Table(rows)
    (found,) = path_margins(study, path_losses(study, table, CALIBRATION), CALIBRATION, table)
    return found


def test_inside_the_probe_it_is_measured():
    found = margin([0.05, 0.15])
    assert (found.kind, found.direction) == ("path", "planned training")
    assert found.critical_steps == found.low == found.high == pytest.approx(1.5)
    assert found.used_fraction == pytest.approx(PEAK / found.critical_learning_rate)
    assert found.used_fraction > 1
    assert found.base_value == 2
    assert found.reason is None


def test_a_loss_that_mends_still_passed():
    assert margin([0.2, 0.0], steps=(2, 4)).critical_steps == pytest.approx(1)


@pytest.mark.parametrize("higher_is_better", [False, True])
def test_after_the_probe_it_is_predicted_within_a_band(higher_is_better):
    found = margin([0.01, 0.05], higher_is_better=higher_is_better)
    assert 2 < found.low < found.critical_steps < 10
    assert found.used_fraction > 1
    sign = -1 if higher_is_better else 1
    assert [p.scale for p in found.curve] == list(range(1, 11))
    assert [sign * p.value for p in found.curve[:2]] == pytest.approx([0.01, 0.05])
    below = [sign * p.value for p in found.curve if p.scale < found.critical_steps]
    assert max(below) < TOLERANCE < sign * found.curve[-1].value


def test_a_loss_that_will_be_small_leaves_room():
    found = margin([0.0, 0.001])
    largest = max(p.value for p in found.curve)
    assert 0 < largest < TOLERANCE
    # Nothing is said of longer runs; twice the loss is reached at twice the rate.
    assert found.critical_steps is None
    assert found.critical_learning_rate == pytest.approx(PEAK * TOLERANCE / largest)
    assert found.used_fraction == pytest.approx(largest / TOLERANCE)
    assert found.low < 10
    assert found.reason == (
        f"predicted to stay within the tolerance, which the band passes at step {found.low:.1f}"
    )


def test_never_has_its_reason_and_the_run_itself_is_known_to_fit():
    found = margin([-0.1, -0.2])
    assert found.critical_steps is None
    assert found.critical_learning_rate is None
    assert found.used_fraction is None
    assert found.reason == "predicted to stay within the tolerance, by the whole band"
    assert found.low == 10
    assert found.high is None


def test_other_units_than_nats_are_measured_and_not_predicted():
    found = margin([0.0, 0.05], metric="accuracy")
    assert found.critical_steps is None
    assert (
        found.reason
        == "not passed by step 2; what follows is predicted from margins or likelihoods alone"
    )
    assert found.low == 2
    assert [p.scale for p in found.curve] == [1, 2]
    passed = margin([0.05, 0.15], metric="accuracy")
    assert passed.critical_steps == pytest.approx(1.5)
    assert passed.reason is None


def test_what_was_seen_to_pass_has_no_rate_above_the_planned_one():
    plan = TrainingPlan(2, (PEAK,) * 2)
    found = margin([0.1, 0.2], plan=plan)
    assert found.critical_steps == pytest.approx(1)
    assert found.critical_learning_rate_high < PEAK
    assert found.used_fraction > 1


def test_the_interval_of_the_rate_holds_the_rate():
    for losses in ([0.05, 0.2], [0.01, 0.05], [0.0, 0.01], [0.2, 0.4]):
        found = margin(losses)
        low, high = found.critical_learning_rate_low, found.critical_learning_rate_high
        assert 0 < low < found.critical_learning_rate
        assert high is None or found.critical_learning_rate < high


def test_more_loss_is_sooner_and_the_interval_holds_the_step():
    generator = numpy.random.default_rng(0)
    num_within = 0
    for _ in range(100):
        losses = numpy.abs(generator.normal(0.02, 0.05, size=3))
        less, more = (margin((losses * k).tolist(), steps=(1, 2, 4)) for k in (1.0, 1.5))
        assert more.low <= less.low + 1e-9
        assert (less.used_fraction is not None and less.used_fraction > 1) == (
            less.critical_steps is not None and less.critical_steps < 10
        )
        if less.critical_steps is None:
            continue
        num_within += 1
        assert more.critical_steps <= less.critical_steps + 1e-9
        assert less.low <= less.critical_steps * (1 + 1e-9)
        assert less.high is None or less.critical_steps <= less.high * (1 + 1e-9)
    assert num_within > 30


def test_of_a_long_run_the_curve_shows_every_look_and_some_steps():
    plan = TrainingPlan(5000, (PEAK,) * 5000)
    found = margin([0.0, 0.01, 0.02], steps=(100, 200, 400), plan=plan)
    scales = [p.scale for p in found.curve]
    assert scales[:3] == [100, 200, 400]
    assert scales[-1] == 5000
    assert scales == sorted(set(scales))
    assert len(scales) == 3 + 24
    assert found.measured_steps == 400


def probability_path(shifts, odds=(0.5, 1.5)):
    """The path of a probability whose items' log-odds have fallen by this much at each look."""
    items = tuple(MinimalPair(id=str(i), good="a", bad="b") for i in range(2))
    made = Capability("planted", "minimal_pair", "probability", TOLERANCE, items)
    steps = tuple(range(1, len(shifts) + 1))
    rows = {}
    for at, shift in {
        BASE: 0.0,
        **{point(s): d for s, d in zip(steps, shifts, strict=True)},
    }.items():
        margins = tuple(value - shift for value in odds)
        chances = tuple(1 / (1 + math.exp(-m)) for m in margins)
        values = {"margin_nats": margins, "probability": chances}
        rows[at.digest(), made.digest] = StoredScores(values, 1)
    study = SimpleNamespace(
        capabilities=(made,),
        trajectory=SimpleNamespace(plan=CONSTANT, kept_steps=steps),
        path_points=lambda: tuple(point(s) for s in steps),
    )
    return path_losses(study, Table(rows), CALIBRATION)["planted"]


def test_a_probability_goes_on_by_way_of_its_margins():
    odds, shifts = numpy.array([0.5, 1.5]), [0.05, 0.1]
    found, nats = probability_path(shifts), margin(shifts, higher_is_better=True)

    def loss(shift):
        return float((1 / (1 + numpy.exp(-odds)) - 1 / (1 + numpy.exp(shift - odds))).mean())

    assert found.losses[:2] == pytest.approx([loss(shift) for shift in shifts])
    ends = {int(p.scale): -p.value for p in nats.curve}
    expected = [loss(ends[step]) for step in range(3, 11)]
    assert found.losses[2:] == pytest.approx(expected)
    assert (found.lower <= found.losses).all()
    assert (found.losses <= found.upper).all()
    assert found.upper.max() < 1


@pytest.mark.parametrize("shifts", [[0.0, 0.0], [-0.5, -1.0], [2.0, 4.0]])
def test_a_probability_never_loses_more_than_it_has(shifts):
    found = probability_path(shifts)
    assert (found.upper[2:] < 1).all()
    assert found.largest.low <= found.largest.value <= found.largest.high
    assert (numpy.abs(found.losses) < 1).all()
