"""The radius from planted losses: what is found, with how many looks, and what is said where nothing is."""

import math
from types import SimpleNamespace

import numpy
import pytest

from driftline.analyses import Effort
from driftline.analyses.margins._radius import radius_margins
from driftline.engine import Table
from driftline.engine.storage._store import StoredScores
from driftline.models import NoiseDirection, WeightNorms

from ..conftest import CHOICES, PAIRS, TEXTS

RATES = 1 + numpy.array([-0.5, -0.4, 0.5, 0.4, 0.1, -0.1])
UPDATE_NORM = 0.05


class PlantedEngine:
    """Items whose loss is quadratic in the norm, at a critical norm for each capability."""

    def __init__(self, criticals):
        self.criticals = criticals
        self.looks = []

    def evaluate(self, points, capabilities):
        return self.evaluate_each([(point, capabilities) for point in points])

    def evaluate_each(self, wanted):
        rows = {}
        for point, capabilities in wanted:
            for capability in capabilities:
                rows[point.digest(), capability.digest] = self._score(point, capability)
        return Table(rows)

    def _score(self, point, capability):
        norm, kind = 0.0, ""
        for term in point.terms:
            direction = term.direction.direction
            # Each random direction has a critical norm of its own; the update's is half of them.
            kind = "update" if direction.seed == 99 else f"noise {direction.seed}"
            factor = 2.0 if kind == "update" else 1.1**-direction.seed
            norm = term.scale * (UPDATE_NORM if kind == "update" else 1.0) * factor
        self.looks.append((kind, capability.name, norm))
        losses = capability.tolerance * (norm / self.criticals[capability.name]) ** 2 * RATES
        sign = -1 if capability.higher_is_better else 1
        return StoredScores({capability.metric: tuple((3.0 + sign * losses).tolist())}, 1)


def radii(criticals, *, capabilities=(PAIRS, CHOICES, TEXTS), **effort):
    engine = PlantedEngine(criticals)
    study = SimpleNamespace(
        engine=engine,
        effort=Effort(num_noise_seeds=3, **effort),
        seed=0,
        update=NoiseDirection(99),
        update_norms={"w": WeightNorms(UPDATE_NORM, 1.0)},
        sampled=lambda _count: capabilities,
    )
    return engine, {(m.direction, m.capability): m for m in radius_margins(study, ratio=1.05)}


CRITICALS = {"pairs": 0.02, "choices": 0.3, "texts": 0.07}


def test_planted_radii_are_found():
    _, found = radii(CRITICALS)
    for name, critical in CRITICALS.items():
        noise, update = found["noise", name], found["update", name]
        assert (noise.kind, noise.num_directions, update.num_directions) == ("radius", 3, 1)
        # Along noise of seed k the norm counts 1.1 ** -k, so the median direction passes at 1.1 times.
        assert noise.critical_relative_norm == pytest.approx(1.1 * critical, rel=0.01)
        assert update.critical_relative_norm == pytest.approx(critical / 2, rel=0.01)
        for margin in (noise, update):
            assert margin.low < margin.critical_relative_norm < margin.high
            assert margin.reason is None
            assert margin.base_value == pytest.approx(3.0)
        spread = math.log(1.1)
        tail = noise.tail.critical_relative_norm / noise.critical_relative_norm
        assert tail == pytest.approx(math.exp(-1.2816 * spread), rel=0.01)
        assert noise.tail.low < noise.low
        assert update.tail is None


def test_curves_hold_every_look_in_ascending_norm():
    engine, found = radii(CRITICALS)
    for (direction, name), margin in found.items():
        scales = [point.scale for point in margin.curve]
        assert scales == sorted(set(scales))
        below = {"pairs": -1, "choices": -1, "texts": 1}[name]
        assert all(below * point.value > 0 for point in margin.curve)
        kinds = {kind for kind, capability, _ in engine.looks if capability == name}
        assert len(kinds) == 5  # the base, three random directions, the update
        if direction == "update":
            looked = {round(n / 2, 6) for k, c, n in engine.looks if (k, c) == ("update", name)}
            assert looked == {round(scale, 6) for scale in scales}


def test_looks_are_few():
    engine, _ = radii(CRITICALS)
    curves = {(kind, name) for kind, name, _ in engine.looks if kind}
    moved = [look for look in engine.looks if look[0]]
    assert len(curves) == 12
    assert len(moved) / len(curves) <= 12


def test_a_radius_beyond_the_ladder_has_its_reason():
    _, found = radii({**CRITICALS, "choices": 50.0})
    for direction in ("noise", "update"):
        margin = found[direction, "choices"]
        assert (margin.critical_relative_norm, margin.high) == (None, None)
        assert margin.reason == "the tolerance is not passed up to the largest norm tried, 1"
    noise = found["noise", "choices"]
    assert noise.low is not None
    assert noise.tail.critical_relative_norm is None
    # The others are found all the same.
    assert found["noise", "pairs"].critical_relative_norm is not None


def test_the_same_again_is_the_same():
    assert radii(CRITICALS)[1] == radii(CRITICALS)[1]
