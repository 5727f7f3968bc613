"""The path margin from planted curves."""

import itertools
from types import SimpleNamespace

import numpy
import pytest

from driftline.analyses._forecast import LossForecast
from driftline.analyses._path_margin import _critical_clock, _steps, path_margins
from driftline.capabilities import Capability, MinimalPair, Passage
from driftline.engine import Table
from driftline.engine._store import StoredScores
from driftline.models import BASE, NoiseDirection, Point, Term, TrainingPlan

TOLERANCE = 0.1
CLOCKS = numpy.array([1.0, 2.0, 4.0])


@pytest.mark.parametrize(
    ("losses", "end_loss", "expected"),
    [
        ([0.05, 0.15, 0.2], 0.4, 1.5),  # inside the probe
        ([0.2, 0.3, 0.4], 0.5, 0.5),  # before its first look
        ([0.0, 0.2, 0.0], 0.0, 1.5),  # inside the probe, and it mends
        ([0.0, 0.0, 0.05], 0.15, 12.0),  # half-way from the probe to the end
        ([0.0, 0.0, -0.1], 0.1, 20.0),  # at the end
        ([0.0, 0.01, 0.02], 0.05, 40.0),  # beyond the end, in proportion
        ([0.0, 0.0, 0.0], 0.001, 2000.0),
        ([0.0, 0.01, 0.02], 0.0, None),  # never
        ([0.0, 0.01, 0.02], -0.3, None),
    ],
)
def test_the_critical_clock(losses, end_loss, expected):
    found = _critical_clock(CLOCKS, numpy.array(losses), 20.0, end_loss, TOLERANCE)
    assert found == (None if expected is None else pytest.approx(expected))


def test_a_probe_of_the_whole_run_ends_at_the_forecast():
    losses = numpy.array([0.0, 0.0, 0.05])
    assert _critical_clock(CLOCKS, losses, 4.0, 0.05, TOLERANCE) == pytest.approx(8.0)
    assert _critical_clock(CLOCKS, losses, 4.0, 0.2, TOLERANCE) == pytest.approx(3.0)


def test_a_larger_forecast_never_moves_the_crossing_out():
    losses = numpy.array([0.0, 0.02, 0.05])
    ends = numpy.linspace(0.001, 1.0, 200)
    clocks = [_critical_clock(CLOCKS, losses, 20.0, float(end), TOLERANCE) for end in ends]
    assert all(later <= earlier for earlier, later in itertools.pairwise(clocks))


SCHEDULES = {
    "constant": TrainingPlan(10, (1e-3,) * 10),
    "warm-up": TrainingPlan(10, tuple(1e-3 * min(1.0, i / 4) for i in range(10))),
    "decay": TrainingPlan(10, tuple(1e-3 * (10 - i) / 10 for i in range(10))),
}


@pytest.mark.parametrize("plan", SCHEDULES.values(), ids=SCHEDULES)
def test_steps_are_the_inverse_of_the_summed_learning_rate(plan):
    total = plan.summed_learning_rate(10)
    for share in (0.01, 0.2, 0.5, 0.77, 0.99, 1.0):
        steps = _steps(plan, share * total)
        assert plan.summed_learning_rate(steps) == pytest.approx(share * total)
    assert _steps(plan, total) == pytest.approx(10)
    assert _steps(plan, 2.5 * total) == pytest.approx(25)


def point(step):
    return Point(f"step {step}", (Term(NoiseDirection(step), 1.0),))


def margin(plan, steps, losses, forecast, *, higher_is_better=False):
    """The path margin of a capability that loses this much at these steps."""
    if higher_is_better:
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
    (found,) = path_margins(study, Table(rows), {"planted": forecast})
    return found


CONSTANT = SCHEDULES["constant"]


@pytest.mark.parametrize("higher_is_better", [False, True])
def test_between_the_probe_and_the_end(higher_is_better):
    found = margin(
        CONSTANT, (1, 2), [0.01, 0.02], LossForecast(0.18, 0.1, 0.34),
        higher_is_better=higher_is_better,
    )  # fmt: skip
    assert (found.kind, found.direction) == ("path", "planned training")
    assert found.critical_steps == pytest.approx(6)
    assert found.used_fraction == pytest.approx(10 / 6)
    assert found.critical_learning_rate == pytest.approx(6e-4)
    assert (found.low, found.high) == pytest.approx((4, 10))
    assert found.base_value == 2
    assert found.reason is None
    sign = -1 if higher_is_better else 1
    assert [(p.scale, p.value) for p in found.curve] == [
        (1, pytest.approx(sign * 0.01)),
        (2, pytest.approx(sign * 0.02)),
        (10, pytest.approx(sign * 0.18)),
    ]


def test_beyond_the_end_there_is_room_left():
    found = margin(CONSTANT, (1, 2), [0.0, 0.01], LossForecast(0.05, -0.05, 0.2))
    assert found.critical_steps == pytest.approx(20)
    assert found.used_fraction == pytest.approx(0.5)
    assert found.critical_learning_rate == pytest.approx(2e-3)
    assert found.low == pytest.approx(2 + 8 * (0.1 - 0.01) / (0.2 - 0.01))
    assert found.high is None


def test_never_has_its_reason():
    found = margin(CONSTANT, (1, 2), [0.0, -0.01], LossForecast(-0.05, -0.15, 0.05))
    assert found.critical_steps is None
    assert found.critical_learning_rate is None
    assert found.used_fraction is None
    assert found.reason == "no loss is forecast, so no step is critical"
    assert found.low == pytest.approx(20)
    assert found.high is None


def test_the_interval_holds_the_number_whatever_the_curve():
    generator = numpy.random.default_rng(0)
    for plan in SCHEDULES.values():
        for _ in range(200):
            losses = generator.normal(0.05, 0.1, size=3).tolist()
            low, value, high = sorted(generator.normal(0.1, 0.2, size=3))
            found = margin(plan, (1, 2, 4), losses, LossForecast(value, low, high))
            if found.critical_steps is not None:
                assert 0 < found.low <= found.critical_steps * (1 + 1e-9)
                assert found.high is None or found.critical_steps <= found.high * (1 + 1e-9)
                assert (found.used_fraction > 1) == (found.critical_steps < plan.num_steps)
            else:
                assert found.high is None
                assert found.reason


def test_under_a_warm_up_rate_and_steps_differ():
    plan = SCHEDULES["warm-up"]
    found = margin(plan, (4,), [0.0], LossForecast(0.2, 0.15, 0.3))
    # Half-way in the summed learning rate from step 4 (1.5e-3) to the end (7.5e-3).
    assert found.critical_steps == pytest.approx(4 + 3)
    assert found.critical_learning_rate == pytest.approx(1e-3 * 4.5 / 7.5)
