"""The trace of the Fisher information: against its definition, and against what movement does."""

import numpy
import pytest
import torch

from driftline.errors import ModelError
from driftline.measures import kl_divergence_nats
from driftline.models import PackedRows, ScoringOptions, fisher_traces, open_model
from tests import tiny

EXACT = ScoringOptions(bfloat16=False)
ROWS = PackedRows(((256, 72, 101, 108), (256, 110, 111, 119)), 1)
"""Beginning of text and three bytes, twice."""
MODULES = ("model.embed_tokens", "model.layers.0.self_attn.v_proj", "model.layers.1.mlp.down_proj",
           "model.layers.0.input_layernorm", "model.norm", "lm_head")  # fmt: skip


def log_probs(model):
    logits = model(input_ids=torch.tensor(ROWS.rows)).logits.flatten(0, 1)
    return logits.float().log_softmax(dim=-1)


def dense_traces(model):
    """E over positions and labels of the squared gradient norm, label by label."""
    weights = dict(model.named_parameters())
    scores = log_probs(model)
    totals = dict.fromkeys(weights, 0.0)
    for position in range(len(scores)):
        for label in range(scores.shape[1]):
            found = torch.autograd.grad(
                scores[position, label], list(weights.values()), retain_graph=True
            )
            share = float(scores[position, label].detach().exp()) / len(scores)
            for name, gradient in zip(weights, found, strict=True):
                totals[name] += share * float(gradient.norm()) ** 2
    return {name.rpartition(".")[0]: total for name, total in totals.items()}


@pytest.mark.slow
def test_draws_scatter_about_the_definition(base):
    wanted = dense_traces(base.model)
    found = fisher_traces(base, ROWS, EXACT, num_draws=300, seed=1)
    assert found.keys() == wanted.keys()
    for name, draws in found.items():
        error = draws.std(ddof=1) / len(draws) ** 0.5
        assert abs(draws.mean() - wanted[name]) < 4 * error, name
        assert error < 0.2 * wanted[name], name


@pytest.mark.parametrize("module", MODULES)
def test_random_movement_diverges_by_half_the_trace_times_its_mean_square(base, module):
    draws = fisher_traces(base, ROWS, EXACT, num_draws=200)[module]
    weight = base.model.get_submodule(module).weight
    kept = weight.detach().clone()
    with torch.no_grad():
        before = log_probs(base.model).numpy()
        # So little that the second order is all there is.
        small = (1e-3 / draws.mean()) ** 0.5
        divergences = []
        for seed in range(60):
            noise = torch.randn(kept.shape, generator=torch.Generator().manual_seed(seed))
            weight.copy_(kept + small * noise)
            divergences.append(kl_divergence_nats(before, log_probs(base.model).numpy()))
        weight.copy_(kept)
    expected = small**2 / 2 * draws.mean()
    error = numpy.std(divergences, ddof=1) / len(divergences) ** 0.5
    error = numpy.hypot(error, small**2 / 2 * draws.std(ddof=1) / len(draws) ** 0.5)
    assert numpy.mean(divergences) == pytest.approx(expected, abs=4 * error, rel=0.05)


def test_every_family_has_traces_and_is_left_as_it_was(family_model):
    state = torch.get_rng_state()
    found = fisher_traces(family_model, ROWS, ScoringOptions(), num_draws=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(weight.grad is None for weight in family_model.model.parameters())
    weights = {weight.name.rpartition(".")[0] for weight in family_model.weights}
    assert found.keys() == weights
    assert all((draws >= 0).all() and draws.any() for draws in found.values())


def test_a_seed_gives_the_same_draws_again(base):
    first, again, other = (
        fisher_traces(base, ROWS, EXACT, num_draws=3, seed=seed) for seed in (4, 4, 5)
    )
    assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)


def test_packed_weights_are_refused(tmp_path):
    folder = str(tiny.save(tmp_path / "wide", "llama", **tiny.WIDE))
    with pytest.raises(ModelError, match="packed weights have no gradient"):
        fisher_traces(open_model(folder, load_in="8bit"), ROWS, EXACT, num_draws=2)
