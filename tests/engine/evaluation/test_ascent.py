"""Ascents of a capability's loss: what they are made from, and what they count."""

from dataclasses import replace

import pytest
import torch

from driftline.capabilities import Capability, Generation, Passage
from driftline.engine import LocalEngine, ResultStore, ascent_direction, ascent_obstacle
from driftline.engine.evaluation import _engine as engine_module
from driftline.models import BASE, NoiseDirection, Point, ScoringOptions, Term, open_model

from .test_slopes import PAIRS, TEXTS


@pytest.fixture
def engine(opened, tmp_path):
    with ResultStore(tmp_path / "r.sqlite") as store:
        yield LocalEngine(opened, store).in_float32()


def point(direction, norm=0.01):
    return Point("there", (Term(direction, norm),))


@pytest.mark.parametrize("capability", [PAIRS, TEXTS], ids=lambda c: c.name)
def test_the_loss_grows_as_the_slope_says(engine, capability):
    direction = ascent_direction(engine, capability)
    norm = 1e-4
    there = point(direction, norm)
    table = engine.evaluate((BASE, there), (capability,))
    grown = table.item_losses(there, capability, base=BASE).mean()
    assert grown == pytest.approx(direction.slope * norm, rel=0.1)
    engine.opened.check_unchanged()


def test_an_accuracy_climbs_its_margin(engine):
    accuracy = Capability("right", "minimal_pair", "accuracy", 0.1, PAIRS.items)
    assert ascent_direction(engine, accuracy).slope == ascent_direction(engine, PAIRS).slope


def test_its_tokens_count_when_it_is_asked_for_whoever_takes_the_gradient(engine):
    direction = ascent_direction(engine, TEXTS)
    assert engine.tokens_backward == engine.tokens_used == direction.num_tokens > 50
    direction.prepare()
    assert engine.tokens_backward == direction.num_tokens


def test_another_point_or_other_items_are_another_direction(engine):
    fewer = replace(TEXTS, items=TEXTS.items[:4])
    reworded = replace(TEXTS, items=(*TEXTS.items[:4], Passage(id="4", text="It snowed.")))
    identities = [
        repr(ascent_direction(engine, capability, at).identity())
        for capability in (PAIRS, TEXTS, fewer, reworded)
        for at in (BASE, point(NoiseDirection(0)))
    ]
    assert len(set(identities)) == len(identities)


def test_what_the_store_has_needs_no_gradient(engine, monkeypatch):
    first = engine.evaluate((point(ascent_direction(engine, TEXTS)),), (TEXTS,))
    direction = ascent_direction(engine, TEXTS)
    monkeypatch.setattr(type(direction), "prepare", lambda _self: pytest.fail("taken again"))
    again = engine.evaluate((point(direction),), (TEXTS,))
    assert again.rows == first.rows


def test_why_there_is_none(engine, model_folder, tmp_path):
    assert ascent_obstacle(engine, TEXTS) is None
    items = tuple(Generation(id=str(i), prompt="p", answer="a") for i in range(2))
    answers = Capability("answers", "generate", "exact_match", 0.1, items)
    assert ascent_obstacle(engine, answers) == "exact_match has no gradient"
    half = open_model(str(model_folder), dtype=torch.bfloat16)
    found = ascent_obstacle(LocalEngine(half, engine.store), TEXTS)
    assert (
        found == "the base is held in bfloat16, which rounds such small changes away; use float32"
    )


def test_an_engine_in_float32_shares_the_store_and_hands_its_tokens_over(opened, tmp_path):
    with ResultStore(tmp_path / "s.sqlite") as store:
        engine = LocalEngine(opened, store)
        exact = engine.in_float32()
        assert exact.numerics.compute_dtype == "float32"
        assert exact.options == ScoringOptions(bfloat16=False)
        exact.evaluate((BASE,), (TEXTS,))
        assert (len(store), engine.tokens_used) == (1, 0)
        ascent_direction(exact, TEXTS)
        engine.count(exact)
        assert engine.tokens_used == exact.tokens_used > engine.tokens_backward > 0
    assert isinstance(exact, engine_module.LocalEngine)
