"""Where the optimiser's next step leads, against the step itself."""

import pytest
import torch

from driftline.monitor.signals._next_step import NextStep, standing_after

OPTIMIZERS = {
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.1}),
    "adamw of transformers": (torch.optim.AdamW, {"betas": (0.9, 0.95), "fused": True}),
    "adam": (torch.optim.Adam, {}),
    "adam with decay in the gradient": (torch.optim.Adam, {"weight_decay": 0.1}),
    "no momentum": (torch.optim.AdamW, {"betas": (0.0, 0.99), "eps": 1e-3}),
}


def _trained(kind, options, dtype=torch.float32):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Linear(7, 3)).to(dtype)
    model[0].bias.requires_grad_(False)
    groups = [
        {"params": list(model[0].parameters()), "lr": 1e-2},
        {"params": list(model[1].parameters()), "lr": 3e-3, "weight_decay": 0.0},
    ]
    return model, kind(groups, **options)


def _backward(model, seed):
    model.zero_grad()
    rows = torch.randn(4, 5, generator=torch.Generator().manual_seed(seed))
    model(rows.to(model[0].weight)).square().mean().backward()


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS.values(), ids=list(OPTIMIZERS))
@pytest.mark.parametrize("taken", [0, 1, 5])
def test_it_is_where_the_optimiser_goes(tmp_path, kind, options, taken):
    model, optimizer = _trained(kind, options)
    for step in range(taken):
        _backward(model, step)
        optimizer.step()
    _backward(model, 99)
    coming = NextStep.of(optimizer)
    weights = dict(model.named_parameters())
    trained = {name: p for name, p in weights.items() if p.requires_grad}
    before = {name: p.detach().clone() for name, p in weights.items()}
    gradients = {name: p.grad.clone() for name, p in trained.items()}
    with standing_after(coming, trained, tmp_path):
        found = {name: p.detach().clone() for name, p in weights.items()}
    assert all(torch.equal(p, before[name]) for name, p in weights.items())
    assert all(torch.equal(p.grad, gradients[name]) for name, p in trained.items())
    optimizer.step()
    for name, p in weights.items():
        assert torch.allclose(found[name], p, rtol=0, atol=1e-7), name
        assert torch.equal(p, before[name]) == (name == "0.bias")
    assert list(tmp_path.iterdir()) == []


def test_weights_in_half_precision_go_to_the_nearest_number(tmp_path):
    model, optimizer = _trained(torch.optim.AdamW, {}, torch.bfloat16)
    _backward(model, 1)
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    with standing_after(NextStep.of(optimizer), weights, tmp_path):
        found = {name: p.detach().clone() for name, p in weights.items()}
    optimizer.step()
    for name, p in weights.items():
        assert torch.allclose(found[name], p, rtol=2**-7), name


def test_a_weight_without_a_gradient_stays():
    model, optimizer = _trained(torch.optim.AdamW, {"weight_decay": 0.1})
    assert torch.equal(NextStep.of(optimizer).after(model[1].weight), model[1].weight)


def test_weights_are_put_back_where_looking_fails(tmp_path):
    model, optimizer = _trained(torch.optim.AdamW, {})
    _backward(model, 1)
    weights = dict(model.named_parameters())
    before = {name: p.detach().clone() for name, p in weights.items()}
    with (
        pytest.raises(ValueError, match="no luck"),
        standing_after(NextStep.of(optimizer), weights, tmp_path),
    ):
        raise ValueError("no luck")
    assert all(torch.equal(p, before[name]) for name, p in weights.items())


class _Scaled(torch.optim.AdamW):
    scaler = object()


@pytest.mark.parametrize(
    ("kind", "options", "why"),
    [
        (torch.optim.SGD, {"lr": 0.1}, "SGD is not Adam"),
        (torch.optim.AdamW, {"amsgrad": True}, "amsgrad"),
        (torch.optim.Adam, {"maximize": True}, "maximize"),
        (_Scaled, {}, "float16"),
    ],
)
def test_an_optimiser_whose_step_is_another_says_why(kind, options, why):
    assert why in NextStep.of(_trained(kind, options)[1])
