"""Gradients of whole matrices against autograd's own, and the direction that is made of them."""

from dataclasses import replace

import pytest
import torch

from driftline.errors import ModelError, RunError
from driftline.models import (
    BASE,
    GradientDirection,
    NoiseDirection,
    Placement,
    Point,
    Scorer,
    ScoringOptions,
    Term,
    WeighedLoss,
    WeighedSequences,
    at_point,
    gradient_obstacle,
    loss_gradient,
    open_model,
    weights_digest,
)
from tests import tiny
from tests.models.gradients.test_slopes import EXACT, ITEMS, log_likelihood, nll, sequence, state_of

NORM = 0.02


def loss_of(items=ITEMS, recipe="these"):
    return WeighedLoss(tuple(items), recipe)


def direction(opened, **changes):
    return GradientDirection(opened, changes.pop("loss", loss_of()), options=EXACT, **changes)


def dense_gradient(model, items):
    """The gradient of the mean loss by the model's own forward pass."""
    weights = {name: p for name, p in model.named_parameters() if p.ndim >= 2}
    loss = 0.0
    for item in items:
        values = [log_likelihood(model, s) for s in item.sequences]
        by = item.weigh([float(v.detach()) for v in values])
        loss += sum(w * v for w, v in zip(by, values, strict=True)) / len(items)
    found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    return {n: g for n, g in zip(weights, found, strict=True) if g is not None}


def mean_loss(opened, items, point):
    scorer, total = Scorer(opened, EXACT), 0.0
    with at_point(opened, point):
        for item in items:
            scores = scorer.score(item.sequences)
            values = [s.log_likelihood for s in scores]
            total += sum(w * v for w, v in zip(item.weigh(values), values, strict=True))
    return total / len(items)


@pytest.mark.parametrize("share", [True, False])
def test_gradients_are_those_of_the_models_own_pass(family_model, share):
    expected = dense_gradient(family_model.model, ITEMS)
    found = loss_gradient(family_model, ITEMS, EXACT, share=share)
    assert set(found) == set(expected)
    for name, gradient in expected.items():
        assert (found[name] - gradient).norm() <= 2e-5 * gradient.norm() + 1e-7


@pytest.mark.parametrize("batch_tokens", [1, 7, 20])
def test_batches_add_up(base, batch_tokens):
    expected, heard = loss_gradient(base, ITEMS, EXACT), []
    small = replace(EXACT, batch_tokens=batch_tokens)
    found = loss_gradient(base, ITEMS, small, on_tokens=heard.append)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-4)
    assert len(heard) >= 2
    assert sum(heard) == direction(base).num_tokens


def test_every_matrix_moves_by_its_own_norm_along_its_gradient(family_model):
    made = direction(family_model)
    made.prepare()
    gradient = dense_gradient(family_model.model, ITEMS)
    for name, weight in family_model.model.named_parameters():
        change = made.delta(name, weight)
        if weight.ndim < 2:
            assert change is None
        elif name in gradient and gradient[name].any():
            assert change.shape == weight.shape
            assert change.dtype == torch.float32
            norm = float(weight.detach().double().norm())
            assert float(change.double().norm()) == pytest.approx(norm, rel=1e-5)
            wanted = gradient[name] * (norm / gradient[name].norm())
            # Held in bfloat16, which has eight binary digits.
            torch.testing.assert_close(change, wanted, rtol=2**-7, atol=1e-5 * norm)
    weights = dict(family_model.model.named_parameters())
    slope = sum(float(g.norm() * weights[n].detach().norm()) for n, g in gradient.items())
    assert made.slope == pytest.approx(slope, rel=1e-4)


def test_the_slope_is_what_a_small_step_does(base):
    made = direction(base, loss=loss_of(ITEMS[:1]))
    up, down = (mean_loss(base, ITEMS[:1], Point("", (Term(made, s),))) for s in (1e-4, -1e-4))
    assert (up - down) / 2e-4 == pytest.approx(made.slope, rel=0.02)


def test_it_beats_random_directions_by_far(base):
    here = mean_loss(base, ITEMS, BASE)
    found = mean_loss(base, ITEMS, Point("", (Term(direction(base), NORM),))) - here
    others = [
        mean_loss(base, ITEMS, Point("", (Term(NoiseDirection(seed), NORM),))) - here
        for seed in range(24)
    ]
    assert found > 5 * max(others)
    assert found > 0.1


def test_a_gradient_away_from_the_base_is_that_of_the_moved_model(base):
    first = direction(base)
    point = Point("", (Term(first, NORM),))
    second = direction(base, at=point)
    second.prepare()
    with at_point(base, point):
        expected = dense_gradient(base.model, ITEMS)
    base.check_unchanged()
    weights = dict(base.model.named_parameters())
    cosines = []
    for name, gradient in expected.items():
        change = second.delta(name, weights[name])
        assert float(change.norm()) == pytest.approx(float(weights[name].detach().norm()), rel=1e-5)
        cosines.append(float(torch.cosine_similarity(change.flatten(), gradient.flatten(), dim=0)))
    assert min(cosines) > 0.9999


def test_the_identity_says_all_that_it_is_made_from(base, open_family):
    first = direction(base)
    others = [
        direction(open_family("llama-tied")),
        direction(base, loss=loss_of(recipe="others")),
        direction(base, at=Point("", (Term(first, NORM),))),
        direction(base, at=Point("", (Term(first, 2 * NORM),))),
        direction(base, at=Point("", (Term(NoiseDirection(0), NORM),))),
        direction(base, share=False),
        GradientDirection(base, loss_of(), options=ScoringOptions()),
    ]
    identities = [repr(each.identity()) for each in (first, *others)]
    assert len(set(identities)) == len(identities)
    assert direction(base).identity() == first.identity()
    point = Point("", (Term(first, NORM),))
    assert Point("", (Term(direction(base, at=point), 0.1),)).digest() == (
        Point("other label", (Term(direction(base, at=replace(point, label="x")), 0.1),)).digest()
    )


def test_the_same_again_is_the_same_bits(base):
    made, again = direction(base), direction(base)
    for each in (made, again):
        each.prepare()
    for name, weight in base.model.named_parameters():
        if weight.ndim >= 2:
            assert torch.equal(made.delta(name, weight), again.delta(name, weight))


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_the_model_is_left_as_it_was(tmp_path, frozen, fails):
    opened = open_model(str(tiny.save(tmp_path / "llama", "llama")))
    model = opened.model
    model.requires_grad_(not frozen)
    model.train()
    model.model.layers[0].eval()
    model.lm_head.weight.grad = kept = torch.ones_like(model.lm_head.weight)
    before, random = state_of(model), torch.get_rng_state()

    def breaks(_values):
        raise ValueError("on purpose")

    items = [*ITEMS, WeighedSequences((sequence(5, 5, 5),), breaks if fails else nll)]
    at = Point("", (Term(NoiseDirection(0), NORM),))
    made = direction(opened, loss=loss_of(items), at=at)
    if fails:
        with pytest.raises(ValueError, match="on purpose"):
            made.prepare()
    else:
        made.prepare()
    assert {n: (f, g) for n, (f, g) in before[0].items() if n != "lm_head.weight"} == {
        n: (p.requires_grad, p.grad) for n, p in model.named_parameters() if n != "lm_head.weight"
    }
    assert model.lm_head.weight.grad is kept
    assert torch.equal(kept, torch.ones_like(kept))
    assert state_of(model)[1] == before[1]
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.is_grad_enabled()
    assert weights_digest(model) == opened.digest


def test_what_is_not_finite_is_refused(base):
    broken = WeighedSequences((sequence(5, 5, 5),), lambda _values: [float("nan")])
    with pytest.raises(RunError, match="not finite"):
        direction(base, loss=loss_of([broken])).prepare()


def test_a_loss_that_does_not_move_has_no_slope_and_no_change(base):
    made = direction(base, loss=loss_of([WeighedSequences((sequence(5, 5, 5),), lambda _: [0.0])]))
    assert made.slope == 0
    assert all(made.delta(n, p) is None for n, p in base.model.named_parameters())


def test_packed_and_offloaded_weights_have_no_gradient(base, tmp_path):
    assert gradient_obstacle(base) is None
    folder = str(tiny.save(tmp_path / "wide", "llama", **tiny.WIDE))
    packed = open_model(folder, load_in="8bit")
    assert "quantised (8-bit" in gradient_obstacle(packed)
    with pytest.raises(ModelError, match="quantised"):
        loss_gradient(packed, ITEMS, EXACT)
    placement = Placement(
        device_map={"model.embed_tokens": "cpu", "model.layers": "disk", "model.norm": "cpu",
                    "model.rotary_emb": "cpu", "lm_head": "cpu"},
        offload_folder=tmp_path / "offload",
    )  # fmt: skip
    assert "fetched for each pass" in gradient_obstacle(open_model(folder, placement=placement))
