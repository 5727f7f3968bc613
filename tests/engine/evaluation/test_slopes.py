"""Slopes of capabilities through the engine: against the loss that the engine itself measures."""

import numpy
import pytest
import torch

from driftline.capabilities import Capability, Cloze, Generation, MinimalPair, Passage
from driftline.engine import LocalEngine, ResultStore, has_slope, measure_slopes
from driftline.models import BASE, NoiseDirection, Point, ScoringOptions, Term

PAIRS = Capability(
    "pairs", "minimal_pair", "margin_nats", 0.25,
    tuple(MinimalPair(id=str(i), good=f"item {i} hops.", bad=f"item {i} runs.") for i in range(6)),
)  # fmt: skip
TEXTS = Capability(
    "texts", "perplexity", "nll_nats", 0.1,
    tuple(Passage(id=str(i), text=f"It rained on day {i}.") for i in range(5)),
)  # fmt: skip
NODES = ((0.2113248654051871, 0.5), (0.7886751345948129, 0.5))


@pytest.fixture
def engine(opened, tmp_path):
    with ResultStore(tmp_path / "r.sqlite") as store:
        yield LocalEngine(opened, store, ScoringOptions(bfloat16=False))


class Scaled(NoiseDirection):
    """Noise of a hundredth of each matrix's norm at scale 1."""

    def delta(self, name, base):
        found = super().delta(name, base)
        return None if found is None else found * 0.01


def test_slopes_of_all_modules_add_up_to_the_loss_of_the_whole_update(engine):
    direction = Scaled(0)
    found = measure_slopes(engine, direction, (PAIRS, TEXTS), nodes=NODES)
    point = Point("end", (Term(direction, 1.0),))
    table = engine.evaluate((BASE, point), (PAIRS, TEXTS))
    for row in found.rows:
        losses = table.item_losses(point, row.capability, base=BASE)
        assert numpy.abs(losses).max() > 1e-3
        numpy.testing.assert_allclose(row.slopes.sum(axis=1), losses, atol=2e-4)


def test_a_module_alone_loses_what_its_slope_says(engine):
    direction = Scaled(1)
    found = measure_slopes(engine, direction, (TEXTS,), nodes=((0.0, 1.0),))
    for number in (0, 3, len(found.modules) - 1):
        name = f"{found.modules[number].name}.weight"
        points = [Point(str(s), (Term(direction, {name: s}),)) for s in (1.0, -1.0)]
        table = engine.evaluate((BASE, *points), (TEXTS,))
        up, down = (table.item_losses(p, TEXTS, base=BASE) for p in points)
        numpy.testing.assert_allclose(found.rows[0].slopes[:, number], (up - down) / 2, atol=1e-4)


def test_the_model_is_unchanged_and_the_work_is_counted(engine, opened):
    found = measure_slopes(engine, Scaled(0), (PAIRS, TEXTS), nodes=NODES, max_hidden_rows=20)
    opened.check_unchanged()
    assert found.num_tokens > 2 * 100
    assert engine.tokens_backward == engine.tokens_used == found.num_tokens
    assert [len(row.hidden) for row in found.rows] == [2, 2]
    assert found.unread == ()


def test_what_is_zero_in_the_base_has_no_place_in_the_ranking(engine, opened):
    norm = opened.model.get_submodule("model.layers.1.input_layernorm").weight
    kept = norm.detach().clone()

    class Moved(Scaled):
        def delta(self, name, base):
            found = super().delta(name, base)
            return (
                torch.full_like(base, 0.01) if name.endswith("1.input_layernorm.weight") else found
            )

    with torch.no_grad():
        norm.zero_()
    try:
        found = measure_slopes(engine, Moved(0), (TEXTS,))
    finally:
        with torch.no_grad():
            norm.copy_(kept)
    assert [module.name for module in found.unread] == ["model.layers.1.input_layernorm"]
    assert all(module.base_norm > 0 for module in found.modules)
    assert found.rows[0].slopes.shape[1] == len(found.modules)


def test_an_accuracy_has_the_slope_of_its_margin(engine):
    accuracy = Capability("right", "minimal_pair", "accuracy", 0.1, PAIRS.items)
    found = measure_slopes(engine, Scaled(0), (PAIRS, accuracy))
    numpy.testing.assert_array_equal(found.rows[0].slopes, found.rows[1].slopes)


def test_generated_answers_have_no_slope():
    items = tuple(Generation(id=str(i), prompt="p", answer="a") for i in range(2))
    assert not has_slope(Capability("answers", "generate", "exact_match", 0.1, items))
    clozes = tuple(Cloze(id=str(i), prompt="p", completion="c") for i in range(2))
    assert has_slope(Capability("clozes", "cloze", "nll_nats", 0.1, clozes))


def test_gradients_are_off_again(engine):
    measure_slopes(engine, Scaled(0), (TEXTS,))
    assert all(p.grad is None for p in engine.opened.model.parameters())
    assert torch.is_grad_enabled()
