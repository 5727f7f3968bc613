"""Curvature and predictability of a step, against a second backward pass."""

import pytest
import torch

from driftline.monitor.handles._live import LiveModel
from driftline.monitor.signals._step_probe import BatchRecorder, StepProbe
from tests import tiny
from tests.monitor.runs import taught_model


@pytest.fixture
def run(tmp_path):
    """A model with gradients, its optimiser in mid-run, and the batch that they come from."""
    model = taught_model()
    # The fused kernels have no second backward pass.
    model.set_attn_implementation("eager")
    tokens = tiny.tokenizer()
    texts = ["a row of text that is new", "and another row, as new."]
    ids = tokens(texts, return_tensors="pt", padding=True)["input_ids"][:, :22]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    for _ in range(3):
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    optimizer.zero_grad()
    model(input_ids=ids, labels=ids).loss.backward()
    live = LiveModel.of(model, tokens, bfloat16=False, source="tiny")
    probe = StepProbe(live, 1000, tmp_path)
    yield model, optimizer, {"input_ids": ids, "labels": ids}, probe
    probe.forget()


def _exact(model, optimizer, batch):
    """u' H u / (g' u) with a double backward pass, times the momentum's factor, over 2 / rate."""
    parameters = list(model.parameters())
    group = optimizer.param_groups[0]
    beta1, beta2 = group["betas"]
    taken = 1 + float(next(iter(optimizer.state.values()))["step"])
    directions = []
    for p in parameters:
        second = beta2 * optimizer.state[p]["exp_avg_sq"] + (1 - beta2) * p.grad**2
        directions.append(p.grad / ((second / (1 - beta2**taken)).sqrt() + group["eps"]))
    loss = model(**batch).loss
    gradients = torch.autograd.grad(loss, parameters, create_graph=True)
    slope = sum((g * u).sum() for g, u in zip(gradients, directions, strict=True))
    products = torch.autograd.grad(slope, parameters)
    bend = sum((h * u).sum() for h, u in zip(products, directions, strict=True))
    factor = (1 - beta1) / ((1 - beta1**taken) * (1 + beta1))
    return float((factor * bend / slope * group["lr"] / 2).detach())


def test_curvature_is_that_of_a_second_backward_pass(run):
    model, optimizer, batch, probe = run
    optimizer.param_groups[0]["lr"] = 2e-4
    wanted = _exact(model, optimizer, batch)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    gradients = {n: p.grad.clone() for n, p in model.named_parameters()}
    probe.before(batch, optimizer)
    assert probe.reading().curvature == pytest.approx(wanted, rel=0.05)
    assert abs(wanted) > 1e-3
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
    assert all(torch.equal(p.grad, gradients[n]) for n, p in model.named_parameters())


def test_a_small_step_is_predictable_and_a_huge_one_is_not(run):
    model, optimizer, batch, probe = run
    held = [p.detach().clone() for p in model.parameters()]
    errors = []
    for rate in (1e-4, 0.3):
        for p, weight in zip(model.parameters(), held, strict=True):
            p.data.copy_(weight)
        optimizer.param_groups[0]["lr"] = rate
        probe.before(batch, optimizer)
        optimizer.step()
        taken = [p.detach().clone() for p in model.parameters()]
        reading = probe.after()
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), taken, strict=True))
        errors.append(reading.unpredictability)
        if rate < 0.1:
            loss = model(**batch).loss
            for p, weight in zip(model.parameters(), held, strict=True):
                p.data.copy_(weight)
            change = float((loss - model(**batch).loss).detach())
            assert reading.measured_nats == pytest.approx(change, abs=1e-5)
    assert errors[0] < 0.1 < 0.5 < errors[1]


def test_what_cannot_be_measured_says_why(run):
    model, optimizer, batch, probe = run
    for given, used, why in (
        (None, optimizer, "no forward pass"),
        ({"input_ids": batch["input_ids"]}, optimizer, "not that of labels"),
        (batch, torch.optim.SGD(model.parameters(), lr=0.1), "SGD is not Adam"),
    ):
        probe.before(given, used)
        assert probe.reading().curvature is None
        assert why in probe.reading().reason
    optimizer.param_groups[0]["lr"] = 0.0
    probe.before(batch, optimizer)
    assert "learning rate" in probe.reading().reason


def test_only_a_training_pass_is_recorded_and_only_when_wanted(run):
    model, _, batch, _ = run
    recorder = BatchRecorder(model)
    model.train()(**batch)
    assert recorder.batch is None
    recorder.wanted = True
    model.eval()(**batch)
    assert recorder.batch is None
    model.train()(**batch)
    assert recorder.batch is not None
    recorder.close()
    recorder.batch = None
    model(**batch)
    assert recorder.batch is None
