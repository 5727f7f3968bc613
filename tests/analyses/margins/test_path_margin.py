"""The path margin from planted curves."""

from types import SimpleNamespace

import numpy
import pytest

from driftline.analyses import DriftModel, Exponent, LossForecast, PathCalibration
from driftline.analyses.forecasting import Movement
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
DRIFT = DriftModel(
    growth=1.1, healing=0.0, saturation=10.0, shared=0.1, own=0.2, item=1.0,
    spread=1.0, config_spread=1.0, unseen_spread=1.0, num_cells=1,
)  # fmt: skip
PEAK = 1e-3
CONSTANT = TrainingPlan(10, (PEAK,) * 10)


def point(step):
    return Point(f"step {step}", (Term(NoiseDirection(step), 1.0),))


def planted(losses, *, steps=(1, 2), plan=CONSTANT, metric="nll_nats"):
    """A study of a capability that loses this much at these steps, items all alike, and its forecast."""
    if metric == "nll_nats":
        scorer, items = "perplexity", tuple(Passage(id=str(i), text="a") for i in range(2))
    else:
        scorer = "minimal_pair"
        items = tuple(MinimalPair(id=str(i), good="a", bad="b") for i in range(2))
    made = Capability("planted", scorer, metric, TOLERANCE, items)
    sign = -1 if made.higher_is_better else 1
    at = {BASE: 0.0, **{point(s): loss for s, loss in zip(steps, losses, strict=True)}}
    rows = {
        (p.digest(), made.digest): StoredScores(
            {metric: (2 + sign * loss - 0.5, 2 + sign * loss + 0.5)}, 1
        )
        for p, loss in at.items()
    }
    study = SimpleNamespace(
        capabilities=(made,),
        trajectory=SimpleNamespace(plan=plan, kept_steps=steps),
        path_points=lambda: tuple(point(s) for s in steps),
    )
    total = plan.summed_learning_rate(plan.num_steps)
    last = Movement(
        losses[-1],
        abs(losses[-1]),
        max(losses[-1], 0.0),
        0.0,
        0.0,
        plan.summed_learning_rate(steps[-1]) / total,
    )

    def predict(name, share):
        assert name == "planted"
        further, scale = DRIFT.after(last, share)
        return LossForecast(losses[-1] + further, scale)

    return study, Table(rows), predict


def margin(losses, **more):
    """The path margin of that capability."""
    study, table, predict = planted(losses, **more)
    paths = path_losses(study, table, predict)
    (found,) = path_margins(study, paths, CALIBRATION, table)
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


METRICS = ["nll_nats", "margin_nats", "probability", "accuracy"]


@pytest.mark.parametrize("metric", METRICS)
def test_after_the_probe_it_is_predicted_within_a_band_in_every_unit(metric):
    found = margin([0.01, 0.05], metric=metric)
    assert 2 < found.low < found.critical_steps < 10
    assert found.used_fraction > 1
    sign = 1 if metric == "nll_nats" else -1
    assert [p.scale for p in found.curve] == list(range(1, 11))
    assert [sign * p.value for p in found.curve[:2]] == pytest.approx([0.01, 0.05])
    below = [sign * p.value for p in found.curve if p.scale < found.critical_steps]
    assert max(below) < TOLERANCE < sign * found.curve[-1].value


def test_a_loss_that_will_be_small_leaves_room():
    found = margin([0.0, 0.03])
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


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "losses", [[0.0, 0.02], [0.01, 0.05], [0.1, 0.3], [0.0, -0.05], [0.0, 0.0]]
)
@pytest.mark.parametrize(
    "plan",
    [CONSTANT, TrainingPlan(9, tuple(PEAK * (9 - i) / 9 for i in range(9))), TrainingPlan(2, (PEAK,) * 2)],
    ids=["constant", "falling", "all of it is probed"],
)  # fmt: skip
def test_the_path_ends_where_the_forecast_says(plan, losses, metric):
    study, table, predict = planted(losses, plan=plan, metric=metric)
    path = path_losses(study, table, predict)["planted"]
    (found,) = path_margins(study, {"planted": path}, CALIBRATION, table)
    end = predict("planted", 1.0)
    sign = 1 if metric == "nll_nats" else -1
    assert found.curve[-1].scale == plan.num_steps
    assert found.curve[-1].value == pytest.approx(sign * end.value, abs=1e-12)
    assert (path.lower[-1], path.upper[-1]) == pytest.approx((end.low, end.high))
    # A path that is beyond its tolerance at the end has passed it; one that only falls has not.
    if end.value > TOLERANCE:
        assert found.critical_steps < plan.num_steps
    if max(losses) < TOLERANCE and end.value < TOLERANCE:
        assert found.critical_steps is None
    assert (found.high is not None) == (path.lower.max() > TOLERANCE)


def test_every_predicted_step_is_the_forecast_at_its_summed_learning_rate():
    plan = TrainingPlan(9, tuple(PEAK * (9 - i) / 9 for i in range(9)))
    study, table, predict = planted([0.01, 0.05], plan=plan)
    path = path_losses(study, table, predict)["planted"]
    total = plan.summed_learning_rate(9)
    for step, loss in zip(path.steps[2:].tolist(), path.losses[2:].tolist(), strict=True):
        assert loss == predict("planted", plan.summed_learning_rate(step) / total).value


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
