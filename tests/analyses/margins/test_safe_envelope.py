"""The safe envelope from planted curves: contours agree with the path margins they come from."""

from types import SimpleNamespace

import pytest

from driftline.analyses import LossForecast
from driftline.analyses.margins._path_margin import path_losses, path_margins
from driftline.analyses.margins._safe_envelope import safe_envelope
from driftline.capabilities import Capability, Passage
from driftline.engine import Table
from driftline.engine.storage._store import StoredScores
from driftline.models import BASE, NoiseDirection, Point, Term, TrainingPlan
from tests.analyses.margins.test_path_margin import CALIBRATION

PLAN = TrainingPlan(40, (2e-4,) * 40)
STEPS = (4, 8)


def texts(name, *, required=True):
    items = tuple(Passage(id=str(i), text=name) for i in range(2))
    return Capability(name, "perplexity", "nll_nats", 0.1, items, required=required)


def point(step):
    return Point(f"step {step}", (Term(NoiseDirection(step), 1.0),))


def planted(losses_of, *, adapter=None):
    """A study and table of capabilities that lose this much at the two looks of the probe."""
    capabilities = tuple(texts(name) for name in losses_of)
    rows = {
        (p.digest(), c.digest): StoredScores({"nll_nats": (2.0 + loss, 2.0 + loss)}, 1)
        for c in capabilities
        for p, loss in zip((BASE, *map(point, STEPS)), (0.0, *losses_of[c.name]), strict=True)
    }
    config = SimpleNamespace(adapter_config=lambda: adapter)
    study = SimpleNamespace(
        capabilities=capabilities,
        trajectory=SimpleNamespace(plan=PLAN, kept_steps=STEPS, config=config),
        path_points=lambda: tuple(map(point, STEPS)),
    )
    return study, Table(rows)


def paths_of(study, table, losses_of):
    """Losses that grow after the probe in proportion to the summed learning rate."""

    def predict(name, share):
        end = losses_of[name][-1] * share * PLAN.num_steps / STEPS[-1]
        return LossForecast(end, 0.1 * abs(end))

    return path_losses(study, table, predict)


def envelope(losses_of, **more):
    study, table = planted(losses_of, **more)
    return safe_envelope(study, paths_of(study, table, losses_of), CALIBRATION)


@pytest.mark.parametrize(("adapter", "power"), [(None, 0.5), (object(), 1.0)])
def test_along_a_contour_the_largest_loss_stays_the_same(adapter, power):
    found = envelope({"rain": (0.0, 0.01)}, adapter=adapter)
    assert (found.planned_learning_rate, found.planned_steps) == (2e-4, 40)
    (contour,) = found.contours
    grown = [p.learning_rate * p.steps**power for p in contour.points]
    assert grown == pytest.approx([grown[0]] * len(grown))
    lengths = [p.steps for p in contour.points]
    assert lengths == sorted(lengths)
    assert min(lengths) < PLAN.num_steps < max(lengths)
    assert all(p.low < p.learning_rate < (p.high or 1.0) for p in contour.points)


def test_the_contour_meets_the_critical_rate_at_the_planned_steps():
    losses_of = {"rain": (0.0, 0.001)}
    study, table = planted(losses_of)
    paths = paths_of(study, table, losses_of)
    (margin,) = path_margins(study, paths, CALIBRATION, table)
    (contour,) = safe_envelope(study, paths, CALIBRATION).contours
    (at,) = (p for p in contour.points if p.steps == PLAN.num_steps)
    assert at.learning_rate == pytest.approx(margin.critical_learning_rate)
    assert at.low == pytest.approx(margin.critical_learning_rate_low)


def test_the_tightest_comes_first_and_what_never_loses_has_its_reason():
    found = envelope({"never": (-0.1, -0.2), "late": (0.0, 0.01), "soon": (0.2, 0.5)})
    assert [c.capability for c in found.contours] == ["soon", "late", "never"]
    never = found.contours[-1]
    assert not never.is_reached
    assert never.reason == "no loss is predicted, so no rate reaches it"
    assert all(p.learning_rate is p.high is None for p in never.points)
    assert all(len(c.points) == len(never.points) for c in found.contours)
