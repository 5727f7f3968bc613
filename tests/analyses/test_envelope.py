"""The safe envelope from planted curves: contours agree with the path margins they come from."""

from types import SimpleNamespace

import pytest

from driftline.analyses._envelope import safe_envelope
from driftline.analyses._forecast import LossForecast
from driftline.capabilities import Capability, Passage
from driftline.engine import Table
from driftline.engine._store import StoredScores
from driftline.models import BASE, NoiseDirection, Point, Term, TrainingPlan

PLAN = TrainingPlan(40, (2e-4,) * 40)
STEPS = (4, 8)


def texts(name, *, required=True):
    items = tuple(Passage(id=str(i), text="a") for i in range(2))
    return Capability(name, "perplexity", "nll_nats", 0.1, items, required=required)


def point(step):
    return Point(f"step {step}", (Term(NoiseDirection(step), 1.0),))


def envelope(losses_at_end):
    """Capabilities that lose nothing along the probe and this much by the end, with an interval."""
    capabilities = tuple(texts(name) for name in losses_at_end)
    rows = {
        (p.digest(), c.digest): StoredScores({"nll_nats": (2.0, 2.0)}, 1)
        for p in (BASE, *map(point, STEPS))
        for c in capabilities
    }
    study = SimpleNamespace(
        capabilities=capabilities,
        trajectory=SimpleNamespace(plan=PLAN, kept_steps=STEPS),
        path_points=lambda: tuple(map(point, STEPS)),
    )
    forecasts = {name: LossForecast(*ends) for name, ends in losses_at_end.items()}
    return safe_envelope(study, Table(rows), forecasts)


def test_every_contour_is_one_summed_learning_rate():
    found = envelope({"rain": (0.2, 0.1, 0.4)})
    assert (found.planned_learning_rate, found.planned_steps) == (2e-4, 40)
    (contour,) = found.contours
    products = [p.learning_rate * p.steps for p in contour.points]
    # From step 8 to 40 the loss is linear from 0 to 0.2: the tolerance of 0.1 is met half-way, at 24.
    assert products == pytest.approx([2e-4 * 24] * len(products))
    rates = [p.learning_rate for p in contour.points]
    assert rates == sorted(rates)
    assert min(rates) < 2e-4 < max(rates)
    planned = next(p for p in contour.points if p.learning_rate == pytest.approx(2e-4))
    assert (planned.steps, planned.low, planned.high) == pytest.approx((24, 16, 40))


def test_the_tightest_comes_first_and_what_never_loses_has_its_reason():
    found = envelope(
        {"never": (-0.1, -0.2, 0.05), "late": (0.12, 0.05, 0.2), "soon": (0.8, 0.4, 1.6)}
    )
    assert [c.capability for c in found.contours] == ["soon", "late", "never"]
    never = found.contours[-1]
    assert never.points == ()
    assert never.reason == "no loss is forecast, so no run reaches the tolerance"
    assert all(p.low <= p.steps for c in found.contours for p in c.points)


def test_an_end_that_is_not_known_is_open():
    (contour,) = envelope({"rain": (0.2, -0.1, 0.4)}).contours
    assert all(p.high is None and p.low is not None for p in contour.points)
