"""The worst case on a tiny model: worse than chance by far, judged on items that it has not seen."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy
import pytest

from driftline.analyses import Effort
from driftline.analyses.margins import _worst_case as module
from driftline.analyses.margins._worst_case import (
    climb,
    has_worst_case,
    worst_case_margins,
    worst_case_tokens,
)
from driftline.capabilities import Capability, Generation, Passage
from driftline.engine import LocalEngine, ResultStore, ascent_direction
from driftline.errors import RunError
from driftline.models import BASE, GradientDirection, NoiseDirection, Point, Term

from ..conftest import CHOICES, PAIRS

TEXTS = Capability(
    "texts", "perplexity", "nll_nats", 0.1,
    tuple(Passage(id=str(i), text=f"It rained on day {i} of {i * 7}.") for i in range(24)),
)  # fmt: skip
ANSWERS = Capability(
    "answers", "generate", "exact_match", 0.1,
    tuple(Generation(id=str(i), prompt="p", answer="a") for i in range(4)),
)  # fmt: skip
EFFORT = Effort(num_line_items=8, num_ascent_items=12, num_ascent_refinements=1)


@pytest.fixture
def engine(opened, tmp_path):
    with ResultStore(tmp_path / "r.sqlite") as store:
        yield LocalEngine(opened, store)


def study_of(engine, *capabilities, seed=0, **effort):
    return SimpleNamespace(
        engine=engine, capabilities=capabilities, seed=seed, effort=replace(EFFORT, **effort)
    )


def test_the_radius_is_found_and_far_below_that_of_noise(engine):
    (margin,) = worst_case_margins(study_of(engine, TEXTS))
    radius = margin.critical_relative_norm
    assert (margin.kind, margin.direction, margin.num_directions) == ("radius", "worst_case", 1)
    assert margin.low <= radius <= margin.high
    assert margin.reason is None
    assert margin.tail is None
    below = [p.scale for p in margin.curve if p.value < margin.tolerance]
    above = [p.scale for p in margin.curve if p.value >= margin.tolerance]
    assert max(below) < radius <= min(above)
    judged = TEXTS.sample(8, seed=0)
    points = [Point("", (Term(NoiseDirection(seed), radius),)) for seed in range(20)]
    table = engine.in_float32().evaluate((BASE, *points), (judged,))
    losses = [table.item_losses(p, judged, base=BASE).mean() for p in points]
    assert max(losses) < 0.2 * margin.tolerance
    engine.opened.check_unchanged()


def test_no_item_is_climbed_and_judged(engine, monkeypatch):
    climbed, judged = [], []
    making, scanning = module.ascent_direction, module.scan_lines

    def make(engine, capability, *at):
        climbed.append(capability)
        return making(engine, capability, *at)

    def scan(engine, lines, capabilities, grid, **how):
        judged.extend(capabilities)
        return scanning(engine, lines, capabilities, grid, **how)

    monkeypatch.setattr(module, "ascent_direction", make)
    monkeypatch.setattr(module, "scan_lines", scan)
    grouped = tuple(
        item.model_copy(update={"group": str(number // 3)})
        for number, item in enumerate(TEXTS.items)
    )
    texts = replace(TEXTS, items=grouped)
    for seed in range(3):
        climbed.clear(), judged.clear()
        worst_case_margins(study_of(engine, texts, seed=seed, num_line_items=3))
        assert judged == [texts.sample(3, seed=seed)]
        assert 1 <= len(climbed) <= 2
        assert len({c.digest for c in climbed}) == 1
        assert not set(climbed[0].groups()) & set(judged[0].groups())
        assert len(climbed[0].items) == 12


@pytest.mark.parametrize("norm", [0.002, 0.02, 0.2])
def test_refining_never_lowers_the_loss_that_is_climbed(engine, norm):
    exact = engine.in_float32()

    def loss(direction):
        point = Point("", (Term(direction, norm),))
        table = exact.evaluate((BASE, point), (TEXTS,))
        return table.item_losses(point, TEXTS, base=BASE).mean()

    losses = [
        loss(climb(exact, TEXTS, ascent_direction(exact, TEXTS), norm=norm, num_refinements=count))
        for count in range(4)
    ]
    assert losses == sorted(losses)


def test_a_refinement_that_is_worse_is_not_taken(engine, monkeypatch):
    exact, values = engine.in_float32(), iter([0.3, 0.2])
    monkeypatch.setattr(module, "_mean_loss", lambda *_: next(values))
    start = ascent_direction(exact, TEXTS)
    assert climb(exact, TEXTS, start, norm=0.01, num_refinements=3) is start


@pytest.mark.parametrize(("second", "num_gradients"), [(0.31, 1), (0.4, 3)])
def test_refining_ends_where_it_gives_little(engine, monkeypatch, second, num_gradients):
    exact, values = engine.in_float32(), iter([0.3, second, 0.5, 0.7])
    monkeypatch.setattr(module, "_mean_loss", lambda *_: next(values))
    start = ascent_direction(exact, TEXTS)
    made = []
    making = module.ascent_direction
    monkeypatch.setattr(
        module, "ascent_direction", lambda *given: made.append(making(*given)) or made[-1]
    )
    assert climb(exact, TEXTS, start, norm=0.01, num_refinements=3) is made[-1]
    assert len(made) == num_gradients


def test_what_has_no_number_has_its_reason(engine):
    few = replace(TEXTS, name="none left", items=TEXTS.items[:8])
    found = worst_case_margins(study_of(engine, ANSWERS, few, PAIRS, CHOICES))
    reasons = {m.capability: m.reason for m in found}
    assert reasons["answers"] == "exact_match has no gradient"
    assert "no items to climb on: besides the 8 that" in reasons["none left"]
    assert "no items to climb on: besides the 6 that" in reasons["pairs"]
    for margin in found:
        assert margin.critical_relative_norm is margin.low is margin.high is None
        assert margin.curve == ()
        assert margin.base_value is not None


def test_a_loss_without_a_slope_has_its_reason(engine, monkeypatch):
    monkeypatch.setattr(GradientDirection, "slope", 0.0)
    (margin,) = worst_case_margins(study_of(engine, TEXTS))
    assert margin.reason == "its loss has no slope at the base: every margin is clipped"


def test_the_same_again_and_after_breaking_off_is_the_same(engine, opened, tmp_path, monkeypatch):
    whole = worst_case_margins(study_of(engine, TEXTS))
    spent = engine.tokens_used, engine.tokens_backward
    points = engine.store.num_points()
    for failing, call in ((GradientDirection, 2), (LocalEngine, 4)):
        name = "prepare" if failing is GradientDirection else "evaluate_each"
        with ResultStore(tmp_path / f"{name}.sqlite") as store:
            working, calls = getattr(failing, name), itertools.count(1)

            def fails(*given, _working=working, _calls=calls, _at=call):
                if next(_calls) == _at:
                    raise RunError("broken off")
                return _working(*given)

            with monkeypatch.context() as patch:
                patch.setattr(failing, name, fails)
                with pytest.raises(RunError, match="broken off"):
                    worst_case_margins(study_of(LocalEngine(opened, store), TEXTS))
            opened.check_unchanged()
            again = LocalEngine(opened, store)
            assert worst_case_margins(study_of(again, TEXTS)) == whole
            assert (again.tokens_used, again.tokens_backward) == spent
            assert store.num_points() == points


def test_the_plan_is_at_least_what_it_comes_to(engine):
    study = study_of(engine, TEXTS, ANSWERS, PAIRS)
    planned = worst_case_tokens(study)
    margins = worst_case_margins(study)
    spent = engine.tokens_used + 2 * engine.tokens_backward
    assert 0.4 * planned < spent <= planned
    assert numpy.isfinite([m.base_value for m in margins]).all()


def test_without_refinements_there_is_one_gradient(engine):
    worst_case_margins(study_of(engine, TEXTS, num_ascent_refinements=0))
    climbed = TEXTS.apart_from(TEXTS.sample(8, seed=0)).sample(12, seed=0)
    exact = engine.in_float32()
    assert engine.tokens_backward == ascent_direction(exact, climbed).num_tokens


@pytest.mark.parametrize("asked", [True, False])
def test_margin_always_has_it_and_assess_where_it_is_asked_for(asked):
    effort = Effort(worst_case_in_assess=asked)
    assert has_worst_case("margin", effort)
    assert has_worst_case("assess", effort) == asked
    assert not has_worst_case("map", effort)
