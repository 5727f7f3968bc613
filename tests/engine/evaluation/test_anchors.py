"""Anchors through the engine: readings against measures of transformers' own states, each once."""

import math
import pickle
from dataclasses import replace

import numpy
import pytest
import torch

from driftline.capabilities import Capability, Passage
from driftline.engine import Anchors, LocalEngine, ResultStore
from driftline.engine.evaluation import _anchors as module
from driftline.errors import RunError
from driftline.measures import (
    debiased_linear_cka,
    effective_rank,
    gram_matrix,
    kl_divergence_nats,
    principal_angles,
    principal_directions,
)
from driftline.models import BASE, NoiseDirection, Point, ScoringOptions, Term, at_point

EXACT = ScoringOptions(bfloat16=False)
TEXTS = Capability(
    "texts", "perplexity", "nll_nats", 0.1,
    tuple(Passage(id=str(i), text=f"It rained on day {i}.") for i in range(3)),
)  # fmt: skip
ANCHORS = Anchors(
    ("The cat sleeps on the mat.", "Two and two are four, and four and four are eight."),
    (None, 0, 1), num_rows=4, row_tokens=16, top_k=3,
)  # fmt: skip
METRICS = (
    "cka", "effective_rank", "participation_ratio", "anisotropy", "largest_angle", "mean_angle",
)  # fmt: skip


def noise(scale, seed=0):
    return Point(f"noise {scale}", (Term(NoiseDirection(seed), scale),))


@pytest.fixture
def engine(opened, tmp_path):
    with ResultStore(tmp_path / "results.sqlite") as store:
        yield LocalEngine(opened, store, EXACT)
    opened.check_unchanged()


@torch.no_grad()
def states_and_outputs(engine):
    """By transformers' own pass; the last state is normed there, so it is left out."""
    packed = engine.scorer.anchors._pack(ANCHORS)
    out = engine.opened.model(torch.tensor(packed.rows), output_hidden_states=True)
    states = [h[:, 1:].flatten(0, 1).double().numpy() for h in out.hidden_states[:-1]]
    return states, out.logits[:, 1:].flatten(0, 1).log_softmax(-1).numpy()


def test_readings_are_the_measures_of_the_models_states(engine):
    point = noise(0.3)
    table = engine.evaluate((BASE, point), (ANCHORS,))
    base, base_log_probs = states_and_outputs(engine)
    with at_point(engine.opened, point):
        moved, log_probs = states_and_outputs(engine)
    for place, (before, now) in enumerate(zip(base, moved, strict=True)):
        one, other = gram_matrix(before), gram_matrix(now)
        angles = principal_angles(
            principal_directions(before, one, top_k=3), principal_directions(now, other, top_k=3)
        )
        wanted = {
            "cka": debiased_linear_cka(one, other),
            "effective_rank": effective_rank(other),
            "largest_angle": angles[-1],
            "mean_angle": angles.mean(),
        }
        for metric, number in wanted.items():
            found = table.reading(point, ANCHORS, metric)[place]
            assert found == pytest.approx(number, abs=1e-3, rel=1e-3), metric
        assert table.reading(BASE, ANCHORS, "effective_rank")[place] == pytest.approx(
            effective_rank(one), rel=1e-3
        )
    (kl,) = table.reading(point, ANCHORS, "kl")
    (reverse,) = table.reading(point, ANCHORS, "reverse_kl")
    assert kl == pytest.approx(kl_divergence_nats(base_log_probs, log_probs), rel=1e-3)
    assert reverse == pytest.approx(kl_divergence_nats(log_probs, base_log_probs), rel=1e-3)
    assert abs(kl - reverse) > 1e-3


def test_at_the_base_nothing_has_moved(engine):
    table = engine.evaluate((BASE,), (ANCHORS,))
    assert table.reading(BASE, ANCHORS, "kl") == (0.0,)
    assert table.reading(BASE, ANCHORS, "reverse_kl") == (0.0,)
    assert table.reading(BASE, ANCHORS, "cka") == pytest.approx((1.0, 1.0, 1.0))
    assert table.reading(BASE, ANCHORS, "largest_angle") == pytest.approx((0, 0, 0), abs=1e-7)


def test_drift_grows_with_the_scale(engine):
    points = [noise(scale) for scale in (0.02, 0.1, 0.5)]
    table = engine.evaluate(points, (ANCHORS,))
    kl = [table.reading(point, ANCHORS, "kl")[0] for point in points]
    cka = [numpy.mean(table.reading(point, ANCHORS, "cka")) for point in points]
    assert kl == sorted(kl)
    assert cka == sorted(cka, reverse=True)
    assert kl[0] > 0
    assert cka[0] < 1


def test_a_layer_before_the_one_that_moves_stays(engine):
    names = [w.name for w in engine.opened.weights if w.layer == 1]
    point = Point("layer 1", (Term(NoiseDirection(0), dict.fromkeys(names, 0.5)),))
    table = engine.evaluate((point,), (ANCHORS,))
    cka = table.reading(point, ANCHORS, "cka")
    assert cka[:2] == pytest.approx((1, 1))
    assert cka[2] < 0.999
    assert table.reading(point, ANCHORS, "kl")[0] > 0


def test_readings_are_read_once_and_resume(engine, monkeypatch):
    points = (BASE, noise(0.1))
    first = engine.evaluate(points, (TEXTS, ANCHORS))
    monkeypatch.setattr(module, "observe", None)
    again = LocalEngine(engine.opened, engine.store, EXACT).evaluate(points, (ANCHORS, TEXTS))
    assert again.rows == first.rows
    assert {row.capability for row in engine.store.rows()} == {"texts", "belief space"}


def test_scores_beside_anchors_are_those_without_them(engine, opened, tmp_path):
    points = (BASE, noise(0.1))
    beside = engine.evaluate(points, (TEXTS, ANCHORS))
    with ResultStore(tmp_path / "other.sqlite") as store:
        alone = LocalEngine(opened, store, EXACT).evaluate(points, (TEXTS,))
    for point in points:
        assert (beside.values(point, TEXTS) == alone.values(point, TEXTS)).all()


def test_tokens_are_those_that_go_in(engine):
    engine.evaluate((BASE, noise(0.1)), (ANCHORS,))
    rows = engine.scorer.anchors._pack(ANCHORS).rows
    assert engine.num_tokens((ANCHORS,)) == sum(map(len, rows)) == 64
    assert engine.tokens_used == 128
    assert engine.meter.done == 128


@pytest.mark.parametrize(
    "change",
    [
        {"texts": ("Another text, of the same length as before or thereabouts.",)},
        {"layers": (None, 1)},
        {"num_rows": 3},
        {"row_tokens": 15},
        {"top_k": 2},
    ],
)
def test_other_anchors_are_other_readings(engine, change):
    other = replace(ANCHORS, **change)
    assert other.digest != ANCHORS.digest
    assert pickle.loads(pickle.dumps(ANCHORS)).digest == ANCHORS.digest
    table = engine.evaluate((noise(0.1),), (ANCHORS, other))
    assert len(table.rows) == 2
    assert len(table.reading(noise(0.1), other, "cka")) == len(other.layers)


def test_undefined_readings_are_none_and_survive_the_store(engine):
    few = replace(ANCHORS, texts=("abc",), row_tokens=3, num_rows=1, top_k=3)
    point = noise(0.1)
    first = engine.evaluate((point,), (few,))
    # Two states are too few for CKA and for three directions.
    for metric in ("cka", "largest_angle", "mean_angle"):
        assert first.reading(point, few, metric) == (None, None, None)
    assert all(number is not None for number in first.reading(point, few, "effective_rank"))
    again = LocalEngine(engine.opened, engine.store, EXACT).evaluate((point,), (few,))
    assert again.rows == first.rows


def test_an_infinite_divergence_is_undefined(engine, monkeypatch):
    monkeypatch.setattr(module, "kl_divergence_nats", lambda *_: math.inf)
    table = engine.evaluate((noise(0.1),), (ANCHORS,))
    assert table.reading(noise(0.1), ANCHORS, "kl") == (None,)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_out_of_range_are_an_error(engine, value):
    weight = engine.opened.model.model.layers[0].mlp.down_proj.weight
    engine.evaluate((BASE,), (ANCHORS,))
    kept = weight.detach().clone()
    try:
        with torch.no_grad():
            weight[0] = value
        with pytest.raises(RunError, match="hidden state is infinite or not a number"):
            engine.scorer.anchors.read(ANCHORS)
    finally:
        with torch.no_grad():
            weight.copy_(kept)


def test_every_reading_has_a_number_for_each_layer(engine):
    row = engine.evaluate((noise(0.1),), (ANCHORS,)).rows[noise(0.1).digest(), ANCHORS.digest]
    assert set(row.values) == {*METRICS, "kl", "reverse_kl"}
    assert {len(row.values[metric]) for metric in METRICS} == {3}
