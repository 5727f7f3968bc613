"""The belief space: planted readings come out in words, and the real ones on a tiny model make sense."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from driftline.analyses import Effort
from driftline.analyses.fragility._belief_space import DRIFT_THRESHOLD, belief_space, suite_anchors
from driftline.capabilities import right_text
from driftline.engine import Anchors, Table
from driftline.engine.storage._store import StoredScores
from driftline.models import BASE, NoiseDirection, Point, Term, WeightNorms
from driftline.models.scoring import _hidden_states as states_module

from ..conftest import CHOICES, EFFORT, PAIRS, TEXTS

LAYERS = (None, 0, 1)
ANCHORS = Anchors(("a", "b"), LAYERS, top_k=2)
UPDATE_NORM = 0.05
STEPS = (2, 4)
BASE_RANK = 10.0


def planted(*, kl, drift, effort=None, anchors=ANCHORS, undefined=None):
    """The belief space where divergence and drift are functions of the scale of each road."""

    def row(scale):
        cka = [1 - drift(scale)] * len(LAYERS)
        ranks = [BASE_RANK * (1 + scale)] * len(LAYERS)
        if undefined is not None and scale >= undefined:
            cka[1] = None
        nats = kl(scale)
        return StoredScores(
            {
                "cka": tuple(cka),
                "effective_rank": tuple(ranks),
                "participation_ratio": (3.0, 3.0, 3.0),
                "anisotropy": (0.1, 0.2, 0.3),
                "largest_angle": (scale,) * 3,
                "mean_angle": (scale / 2,) * 3,
                "kl": (None if nats == math.inf else nats,),
                "reverse_kl": (2 * nats if nats < math.inf else None,),
            },
            64,
        )

    def points(steps):
        return tuple(Point(f"step {s}", (Term(NoiseDirection(1000 + s), 1.0),)) for s in steps)

    def evaluate(wanted, watched):
        assert watched == (anchors,)
        # The directions are held, and the update's is seed 99; both have norm 1 at their own scale.
        scales = {
            point: point.terms[0].scale
            * (UPDATE_NORM if point.terms[0].direction.direction.seed == 99 else 1.0)
            for point in wanted
        }
        return Table({(p.digest(), anchors.digest): row(scales[p]) for p in wanted})

    path = {BASE: 0.0, **{p: s / 100 for p, s in zip(points(STEPS), STEPS, strict=True)}}
    study = SimpleNamespace(
        anchors=anchors,
        effort=effort or Effort(belief_norms=(0.01, 0.02, 0.04, 0.08, 0.16)),
        seed=7,
        engine=SimpleNamespace(evaluate=evaluate, num_tokens=lambda _: 64),
        trajectory=SimpleNamespace(kept_steps=STEPS),
        path_points=lambda: points(STEPS),
        update=NoiseDirection(99),
        update_norms={"w": WeightNorms(UPDATE_NORM, 1.0)},
    )
    table = Table({(p.digest(), ANCHORS.digest): row(s) for p, s in path.items()})
    found = belief_space(study, table)
    return {curve.direction: curve for curve in found.curves}, found


def quadratic(critical, *, level):
    """A drift that reaches a level at a critical scale, with the square of the scale."""
    return lambda scale: level * (scale / critical) ** 2


KL_AT_THRESHOLD = -math.log(1 - DRIFT_THRESHOLD)


def test_where_each_breaks_is_found():
    # Quadratic drifts are straight in the square root, so the crossing is exact.
    curves, found = planted(
        kl=lambda s: -math.log(1 - quadratic(0.03, level=DRIFT_THRESHOLD)(min(s, 0.09))),
        drift=quadratic(0.1, level=DRIFT_THRESHOLD),
    )
    assert found.threshold == DRIFT_THRESHOLD
    noise = curves["noise"]
    assert noise.output_scale == pytest.approx(0.03)
    assert noise.representation_scale == pytest.approx(0.1)
    assert noise.first == "output"
    assert noise.reason is None


def test_the_other_way_round():
    curves, _ = planted(
        kl=quadratic(0.15, level=KL_AT_THRESHOLD), drift=quadratic(0.05, level=DRIFT_THRESHOLD)
    )
    assert curves["noise"].first == "representation"
    assert curves["noise"].representation_scale == pytest.approx(0.05)


def test_what_is_not_told_apart_breaks_together():
    curves, _ = planted(
        kl=quadratic(0.05, level=KL_AT_THRESHOLD), drift=quadratic(0.052, level=DRIFT_THRESHOLD)
    )
    assert curves["noise"].first == "together"


def test_one_that_never_breaks_comes_after_the_one_that_does():
    curves, _ = planted(kl=lambda _: 0.001, drift=quadratic(0.05, level=DRIFT_THRESHOLD))
    noise = curves["noise"]
    assert (noise.first, noise.output_scale) == ("representation", None)
    assert noise.reason == "the output's drift stays below 0.1 up to 0.16"


def test_where_neither_breaks_nothing_is_first():
    curves, _ = planted(kl=lambda _: 0.001, drift=lambda _: 0.001)
    for curve, end in (("noise", "0.16"), ("update", "0.2"), ("planned training", "4")):
        found = curves[curve]
        assert (found.first, found.output_scale, found.representation_scale) == (None, None, None)
        assert found.reason == (
            f"the output's drift stays below 0.1 up to {end}; "
            f"the representation's drift stays below 0.1 up to {end}"
        )


def test_curves_hold_what_was_read():
    curves, found = planted(kl=quadratic(0.1, level=0.4), drift=quadratic(0.1, level=0.2))
    noise = curves["noise"]
    assert (noise.kind, noise.scales) == ("radius", (0.01, 0.02, 0.04, 0.08, 0.16))
    assert noise.kl_nats == pytest.approx([0.4 * (s / 0.1) ** 2 for s in noise.scales])
    assert noise.reverse_kl_nats == pytest.approx([2 * k for k in noise.kl_nats])
    assert noise.output_drift == pytest.approx([1 - math.exp(-k) for k in noise.kl_nats])
    assert noise.representation_drift == pytest.approx([0.2 * (s / 0.1) ** 2 for s in noise.scales])
    assert [layer.layer for layer in noise.layers] == [None, 0, 1]
    last = noise.layers[-1]
    assert last.effective_rank == pytest.approx([BASE_RANK * (1 + s) for s in noise.scales])
    assert last.largest_angle == noise.scales
    assert last.mean_angle == pytest.approx([s / 2 for s in noise.scales])
    assert [g.anisotropy for g in found.base] == [0.1, 0.2, 0.3]
    assert found.base[1].effective_rank == BASE_RANK
    update = curves["update"]
    multiples = Effort().belief_multiples
    assert update.scales == pytest.approx([m * UPDATE_NORM for m in multiples])
    path = curves["planned training"]
    assert (path.kind, path.scales) == ("path", (2.0, 4.0))
    assert path.kl_nats == pytest.approx([0.4 * 0.04, 0.4 * 0.16])


def test_a_quadratic_drift_is_gradual_and_a_planted_knee_is_found():
    def broken(scale):
        return (scale + 4 * max(0.0, scale - 0.03)) ** 2

    curves, _ = planted(kl=broken, drift=lambda s: s**2)
    noise = curves["noise"]
    assert noise.representation_shape.shape == "gradual"
    assert noise.output_shape.shape == "knee"
    assert noise.output_shape.scale == pytest.approx(0.03, rel=0.05)
    assert noise.output_shape.slope_ratio == pytest.approx(5, rel=0.1)
    assert curves["planned training"].output_shape.shape is None
    assert "2 scales were measured" in curves["planned training"].output_shape.reason


def test_undefined_readings_are_none_with_a_reason():
    curves, _ = planted(
        kl=quadratic(0.05, level=0.2), drift=quadratic(0.05, level=0.2), undefined=0.07
    )
    noise = curves["noise"]
    assert None not in noise.representation_drift[:3]
    assert noise.representation_drift[3:] == (None, None)
    assert noise.representation_scale is None
    assert noise.first is None
    assert "in 1 of 3 layers the states vary in too few directions" in noise.reason
    assert noise.representation_shape.shape is None
    # What is defined is still said.
    assert noise.output_scale is not None


def test_an_infinite_divergence_is_none_with_a_reason():
    curves, _ = planted(kl=lambda s: math.inf if s > 0.1 else s, drift=lambda s: s)
    noise = curves["noise"]
    assert noise.kl_nats[-1] is None
    assert noise.output_drift[-1] is None
    assert (noise.first, noise.output_scale) == (None, None)
    assert "the divergence is infinite" in noise.reason


def test_without_anchors_there_is_none():
    assert belief_space(SimpleNamespace(anchors=None), Table()) is None


def test_anchors_take_turns_over_capabilities_and_follow_the_seed(opened):
    suite = (PAIRS, CHOICES, TEXTS)
    found = suite_anchors(opened, suite, EFFORT, seed=0)
    whole = [{right_text(item) for item in capability.items} for capability in suite]
    for first in range(0, 9, 3):
        for text, own in zip(found.texts[first : first + 3], whole, strict=True):
            assert text in own
    assert len(set(found.texts)) == sum(map(len, whole)) == len(found.texts)
    assert found.layers == (None, 0, 1)
    assert suite_anchors(opened, suite, EFFORT, seed=0) == found
    assert suite_anchors(opened, suite, EFFORT, seed=1).texts != found.texts


def test_no_more_texts_than_fill_the_rows_and_long_ones_are_cut(opened):
    long = replace(
        TEXTS, items=tuple(i.model_copy(update={"text": "x" * 900}) for i in TEXTS.items)
    )
    effort = replace(EFFORT, num_anchor_rows=2, anchor_row_tokens=10)
    found = suite_anchors(opened, (long,), effort, seed=0)
    assert found.texts == ("x" * 120,) * 2
    assert (found.num_rows, found.row_tokens) == (2, 10)


def test_a_model_without_layers_has_no_anchors(opened, monkeypatch):
    def none(_opened):
        raise LookupError("no list of layers")

    monkeypatch.setattr(states_module, "layers_of", none)
    assert suite_anchors(opened, (TEXTS,), EFFORT, seed=0) is None


def test_on_a_real_run_the_readings_make_sense(assessment):
    space = assessment.belief_space
    assert [g.layer for g in space.base] == [None, 0, 1]
    assert [c.direction for c in space.curves] == ["planned training", "noise", "update"]
    path, noise, update = space.curves
    # Of 8 steps a probe of a fifth looks after 5, 10 and 20 %, in whole steps.
    assert path.scales == (1, 2)
    assert noise.scales == EFFORT.belief_norms
    for curve in space.curves:
        for drifts in (curve.kl_nats, curve.reverse_kl_nats, curve.representation_drift):
            assert all(drift >= 0 for drift in drifts)
        assert all(-1 <= cka <= 1 for layer in curve.layers for cka in layer.cka)
        assert curve.first or curve.reason
    assert noise.kl_nats[-1] > 100 * noise.kl_nats[0] > 0
    assert noise.representation_drift[-1] > 10 * noise.representation_drift[0] > 0
    # The end of the probe is the line's point at multiple 1.
    one = EFFORT.belief_multiples.index(1.0)
    assert update.kl_nats[one] == pytest.approx(path.kl_nats[-1], rel=0.05)


def test_a_model_that_cannot_be_watched_is_assessed_all_the_same(planned, tmp_path, monkeypatch):
    def none(_opened):
        raise LookupError("no list of layers")

    monkeypatch.setattr(states_module, "layers_of", none)
    found = planned.ask(tmp_path / "out", "margin")
    assert found.belief_space is None
    assert found.margins
    assert "The belief space was not read" in found.caveats[-1]
