"""The fragility map: every layer moved alone, all as far, and ranked."""

import math
from types import SimpleNamespace

import numpy
import pytest

from driftline.analyses import _assess as assess_module
from driftline.analyses._fragility import _blocks, _point, fragility_map
from driftline.engine import LocalEngine, ResultStore, RunFolder, Table
from driftline.engine._store import StoredScores
from driftline.models import BASE, at_point
from driftline.stats import mean_interval

from .conftest import EFFORT, PAIRS, TEXTS

MODULES = ["model.embed_tokens", "layer 0", "layer 1", "lm_head"]


@pytest.fixture(scope="module")
def study(planned, tmp_path_factory):
    folder = RunFolder.open(tmp_path_factory.mktemp("map"), "map", outputs=(), force=False)
    with folder, ResultStore(folder.store) as store:
        engine = LocalEngine(planned.opened, store)
        yield assess_module._study(planned.request("map"), folder, engine)


@pytest.fixture(scope="module")
def points(study):
    return {module: _point(study, module, weights) for module, weights in _blocks(study).items()}


def weights_of(study):
    named = study.engine.opened.model.named_parameters()
    return {name: parameter.detach().double().clone() for name, parameter in named}


def test_every_matrix_that_moves_is_in_one_block(study):
    blocks = _blocks(study)
    assert list(blocks) == MODULES
    names = [weight.name for weights in blocks.values() for weight in weights]
    assert len(set(names)) == len(names)
    assert set(names) == set(study.update_norms)
    assert all(f".layers.{module[-1]}." in weight.name
               for module in ("layer 0", "layer 1") for weight in blocks[module])  # fmt: skip


def test_each_point_moves_its_block_alone_and_all_as_far(study, points):
    base, blocks = weights_of(study), _blocks(study)
    for module, point in points.items():
        with at_point(study.engine.opened, point):
            moved = weights_of(study)
        change = {name: float((moved[name] - base[name]).norm()) for name in base}
        inside = {weight.name for weight in blocks[module]}
        assert {name for name, norm in change.items() if norm > 0} == inside
        size = math.hypot(*(float(base[name].norm()) for name in inside))
        assert math.hypot(*(change[name] for name in inside)) / size == pytest.approx(
            EFFORT.map_norm, rel=1e-4
        )


def test_a_block_moves_along_the_update(study, points):
    base = weights_of(study)
    name = "model.layers.1.mlp.up_proj.weight"
    update = study.update.delta(name, base[name]).double()
    with at_point(study.engine.opened, points["layer 1"]):
        change = weights_of(study)[name] - base[name]
    cosine = (change * update).sum() / change.norm() / update.norm()
    assert float(cosine) == pytest.approx(1.0, abs=1e-5)


def planted_map(study, points, losses, *, num_items=EFFORT.num_map_items):
    """The map if each module loses this much: pairs by row, texts in reverse."""
    rows = {}
    capabilities = tuple(c.sample(num_items, seed=study.seed) for c in (PAIRS, TEXTS))
    for sampled, values in zip(capabilities, (losses, losses[::-1]), strict=True):
        sign = -1 if sampled.higher_is_better else 1
        for point, loss in zip((BASE, *points.values()), (0.0, *values), strict=True):
            spread = numpy.linspace(-0.1, 0.1, len(sampled.items)) * (point is not BASE)
            rows[point.digest(), sampled.digest] = StoredScores(
                {sampled.metric: tuple(sign * (loss + spread))}, 1
            )
    engine = SimpleNamespace(
        opened=study.engine.opened, evaluate=lambda _points, _capabilities: Table(rows)
    )
    fake = SimpleNamespace(
        engine=engine,
        effort=EFFORT,
        update=study.update,
        update_norms=study.update_norms,
        sampled=lambda _count: capabilities,
    )
    return fragility_map(fake)


def test_a_planted_map_is_found(study, points):
    rows = planted_map(study, points, [0.3, -0.2, 0.5, 0.0])
    assert [row.module for row in rows] == MODULES * 2
    pairs, texts = rows[:4], rows[4:]
    assert [row.capability for row in rows] == ["pairs"] * 4 + ["texts"] * 4
    assert [row.sensitivity for row in pairs] == pytest.approx([3.0, -2.0, 5.0, 0.0])
    assert [row.rank for row in pairs] == [2, 4, 1, 3]
    assert [row.sensitivity for row in texts] == pytest.approx([0.0, 5.0, -2.0, 3.0])
    assert [row.rank for row in texts] == [3, 1, 4, 2]
    assert all(row.low < row.sensitivity < row.high for row in rows)
    assert [(row.layer, row.role) for row in pairs] == [
        (None, "embedding"),
        (0, "layer"),
        (1, "layer"),
        (None, "head"),
    ]
    assert pairs[0].unit == "nats per unit of relative update"


def test_intervals_treat_a_group_as_one_draw(study, points):
    row = planted_map(study, points, [0.3, -0.2, 0.5, 0.0], num_items=6)[0]
    losses = (0.3 + numpy.linspace(-0.1, 0.1, 6)) / EFFORT.map_norm
    expected = mean_interval(losses, groups=PAIRS.groups())
    assert (row.sensitivity, row.low, row.high) == pytest.approx(expected[:3])
    assert expected != mean_interval(losses)


def test_equal_modules_are_ranked_in_the_order_of_the_model(study, points):
    rows = planted_map(study, points, [0.1, 0.1, 0.1, 0.1])
    assert [row.rank for row in rows[:4]] == [1, 2, 3, 4]


def test_ranks_are_a_permutation_by_sensitivity(answered):
    rows = answered("map").fragility
    assert {row.capability for row in rows} == {"pairs", "choices", "texts"}
    for name in ("pairs", "choices", "texts"):
        own = sorted((row for row in rows if row.capability == name), key=lambda row: row.rank)
        assert [row.rank for row in own] == [1, 2, 3, 4]
        sensitivities = [row.sensitivity for row in own]
        assert sensitivities == sorted(sensitivities, reverse=True)
        assert {row.module for row in own} == set(MODULES)
