"""Slopes of modules: against autograd's own gradients, and against finite differences."""

from dataclasses import replace

import numpy
import pytest
import torch

from driftline.errors import RunError
from driftline.models import (
    Point,
    Scorer,
    ScoringOptions,
    SlopeMeter,
    Term,
    TokenSequence,
    WeighedSequences,
    at_point,
    list_weights,
    open_model,
    weights_digest,
)
from tests import tiny

EXACT = ScoringOptions(bfloat16=False)
FAMILIES = ["llama", "llama-tied", "qwen2", "qwen3", "gpt2", "gpt-neox", "gemma", "gemma2"]


class Given:
    """A direction that changes every weight, vectors too, by a random part of its own size."""

    def __init__(self, model, size=0.01, names=None):
        generator = torch.Generator().manual_seed(3)
        self.deltas = {
            name: torch.randn(p.shape, generator=generator) * size * (p.detach().std() + 0.1)
            for name, p in model.named_parameters()
            if names is None or name in names
        }

    def identity(self):
        return {"kind": "given"}

    def prepare(self):
        pass

    def delta(self, name, base):
        return self.deltas.get(name)


def sequence(*tokens, start=2):
    return TokenSequence(tokens, start)


def nll(likelihoods):
    return [-0.25] * len(likelihoods)


def best_against_rest(likelihoods):
    wrong = 1 + int(numpy.argmax(likelihoods[1:]))
    return [-1.0 if i == 0 else float(i == wrong) for i in range(len(likelihoods))]


ITEMS = [
    WeighedSequences((sequence(1, 2, 3, 4, 5, 6),), nll),
    WeighedSequences(
        (sequence(9, 8, 7, 6), sequence(9, 8, 5, 4, 3), sequence(9, 8, 5, 6)), best_against_rest
    ),
    WeighedSequences((sequence(40, 41, 42, start=1), sequence(44, 45, 46, 47, start=1)), nll),
    WeighedSequences((sequence(1, 2, 3, 9, 9),), lambda _: [0.0]),
]


@pytest.fixture
def opened_of(tmp_path):
    return lambda family: open_model(str(tiny.save(tmp_path / family, family)))


def log_likelihood(model, wanted):
    tokens = torch.tensor([wanted.tokens])
    scores = model(tokens[:, :-1]).logits[0].float().log_softmax(-1)
    return scores.gather(1, tokens[0, 1:, None])[wanted.start - 1 :].sum()


def expected_slopes(model, items, direction, modules):
    """<gradient of the loss, change>, item by item and module by module, the plain way."""
    weights = dict(model.named_parameters())
    found = numpy.zeros((len(items), len(modules)))
    for row, item in enumerate(items):
        values = [log_likelihood(model, s) for s in item.sequences]
        by = item.weigh([float(v.detach()) for v in values])
        loss = sum(w * v for w, v in zip(by, values, strict=True))
        gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
        for name, gradient in zip(weights, gradients, strict=True):
            if gradient is not None and name in direction.deltas:
                column = modules.index(name.rpartition(".")[0])
                found[row, column] += float((gradient * direction.deltas[name]).sum())
    return found


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("share", [True, False])
def test_slopes_are_gradients_times_changes(opened_of, family, share):
    opened = opened_of(family)
    direction = Given(opened.model)
    meter = SlopeMeter(opened, direction, EXACT, share=share)
    modules = [module.name for module in meter.modules]
    found = meter.measure(ITEMS)
    expected = expected_slopes(opened.model, ITEMS, direction, modules)
    assert meter.unread == ()
    scale = numpy.abs(expected).max()
    assert scale > 0.01
    numpy.testing.assert_allclose(found.slopes, expected, atol=2e-4 * scale)
    assert not found.slopes[3].any()


def test_the_sum_of_the_slopes_is_what_a_small_step_does(opened):
    direction = Given(opened.model)
    found = SlopeMeter(opened, direction, EXACT).measure(ITEMS[:1]).slopes.sum()
    scorer, losses = Scorer(opened, EXACT), []
    for step in (0.05, -0.05):
        with at_point(opened, Point("", (Term(direction, step),))):
            (score,) = scorer.score(ITEMS[0].sequences)
            losses.append(-0.25 * score.log_likelihood)
    assert found == pytest.approx((losses[0] - losses[1]) / 0.1, rel=1e-2)


def test_one_module_alone_has_the_slope_of_its_own_small_step(opened):
    direction = Given(opened.model)
    name = "model.layers.1.mlp.down_proj"
    meter = SlopeMeter(opened, direction, EXACT)
    column = [module.name for module in meter.modules].index(name)
    found = meter.measure(ITEMS[:1]).slopes[0, column]
    scorer, losses = Scorer(opened, EXACT), []
    for step in (0.2, -0.2):
        with at_point(opened, Point("", (Term(direction, {f"{name}.weight": step}),))):
            (score,) = scorer.score(ITEMS[0].sequences)
            losses.append(-0.25 * score.log_likelihood)
    assert found == pytest.approx((losses[0] - losses[1]) / 0.4, rel=2e-2)


def test_weights_hang_on_the_likelihoods_that_a_scorer_gives(opened):
    meter = SlopeMeter(opened, Given(opened.model), EXACT)
    found = meter.measure(ITEMS).log_likelihoods
    for item, values in zip(ITEMS, found, strict=True):
        scores = Scorer(opened, EXACT).score(item.sequences)
        assert values == pytest.approx([s.log_likelihood for s in scores], abs=1e-4)


@pytest.mark.parametrize("batch_tokens", [1, 7, 20])
def test_batches_do_not_change_slopes(opened, batch_tokens):
    direction = Given(opened.model)
    expected = SlopeMeter(opened, direction, EXACT).measure(ITEMS).slopes
    small = replace(EXACT, batch_tokens=batch_tokens)
    heard = []
    found = SlopeMeter(opened, direction, small).measure(ITEMS, on_tokens=heard.append)
    numpy.testing.assert_allclose(found.slopes, expected, atol=1e-5)
    assert len(heard) >= 2
    assert sum(heard) == found.num_tokens


def test_bfloat16_is_close(opened):
    direction = Given(opened.model)
    exact = SlopeMeter(opened, direction, EXACT).measure(ITEMS[:3]).slopes
    rough = SlopeMeter(opened, direction).measure(ITEMS[:3]).slopes
    assert numpy.corrcoef(exact.ravel(), rough.ravel())[0, 1] > 0.99


def test_what_does_not_move_is_not_listed(opened):
    names = ["model.layers.0.self_attn.q_proj.weight", "model.norm.weight"]
    meter = SlopeMeter(opened, Given(opened.model, names=names), EXACT)
    assert [m.name for m in meter.modules] == [n.removesuffix(".weight") for n in names]
    first = meter.modules[0]
    assert (first.layer, first.role, first.num_parameters) == (0, "q", 32 * 32)
    weight = dict(opened.model.named_parameters())[names[0]].detach()
    change = Given(opened.model, names=names).deltas[names[0]]
    assert first.relative_norm == pytest.approx(float(change.norm() / weight.norm()), rel=1e-5)


def test_hidden_gradients_are_those_of_the_states_that_leave_a_layer(opened):
    meter = SlopeMeter(opened, Given(opened.model), EXACT, share=False)
    item = ITEMS[0]
    found = meter.measure([item], max_hidden_rows=10**6)
    assert len(found.hidden) == 2
    tokens = torch.tensor([item.sequences[0].tokens])
    out = opened.model(tokens[:, :-1], output_hidden_states=True)
    scores = out.logits[0].log_softmax(-1).gather(1, tokens[0, 1:, None])
    loss = -0.25 * scores[item.sequences[0].start - 1 :].sum()
    (expected,) = torch.autograd.grad(loss, out.hidden_states[1])
    numpy.testing.assert_allclose(found.hidden[0].rows, expected[0].numpy(), atol=1e-6)
    assert found.hidden[0].items.tolist() == [0] * 5


def test_a_part_of_the_hidden_gradients_is_the_same_part_at_every_layer(opened):
    meter = SlopeMeter(opened, Given(opened.model), EXACT)
    found = meter.measure(ITEMS * 8, max_hidden_rows=40)
    counts = {len(layer.rows) for layer in found.hidden}
    assert len(counts) == 1
    assert 20 < counts.pop() < 60
    assert (found.hidden[0].items == found.hidden[1].items).all()
    again = meter.measure(ITEMS * 8, max_hidden_rows=40)
    assert (again.hidden[1].rows == found.hidden[1].rows).all()


def state_of(model):
    return (
        {name: (p.requires_grad, p.grad) for name, p in model.named_parameters()},
        [
            (name, len(m._forward_hooks), len(m._backward_hooks), m.training, "forward" in vars(m))
            for name, m in model.named_modules()
        ],
    )


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_the_model_is_left_as_it_was(opened_of, frozen, fails):
    opened = opened_of("llama")
    opened.model.requires_grad_(not frozen)
    opened.model.train()
    before = state_of(opened.model)

    def breaks(_values):
        raise ValueError("on purpose")

    items = [*ITEMS, WeighedSequences((sequence(5, 5, 5),), breaks if fails else nll)]
    meter = SlopeMeter(opened, Given(opened.model), EXACT)
    if fails:
        with pytest.raises(ValueError, match="on purpose"):
            meter.measure(items)
    else:
        assert numpy.abs(meter.measure(items).slopes).max() > 0
    assert state_of(opened.model) == before
    assert weights_digest(opened.model) == opened.digest


def test_a_frozen_model_has_the_same_slopes(opened_of):
    opened = opened_of("llama-tied")
    direction = Given(opened.model)
    expected = SlopeMeter(opened, direction, EXACT).measure(ITEMS).slopes
    opened.model.requires_grad_(False)
    found = SlopeMeter(opened, direction, EXACT).measure(ITEMS).slopes
    numpy.testing.assert_array_equal(found, expected)


def test_what_is_not_finite_is_refused(opened_of):
    opened = opened_of("llama")
    direction = Given(opened.model)
    direction.deltas["model.norm.weight"][0] = float("inf")
    meter = SlopeMeter(opened, direction, EXACT)
    with pytest.raises(RunError, match="not finite"):
        meter.measure(ITEMS)


def test_every_weight_of_the_family_is_known(opened_of):
    opened = opened_of("llama-tied")
    meter = SlopeMeter(opened, Given(opened.model), EXACT)
    assert sum(m.num_parameters for m in meter.modules) == sum(
        weight.num_elements for weight in list_weights(opened.model)
    )
