"""Predictability of a step."""

import copy

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


def test_a_small_step_is_predictable_and_a_huge_one_is_not(run):
    model, optimizer, batch, probe = run
    held = [p.detach().clone() for p in model.parameters()]
    errors = []
    for rate in (1e-4, 0.3):
        for p, weight in zip(model.parameters(), held, strict=True):
            p.data.copy_(weight)
        optimizer.param_groups[0]["lr"] = rate
        probe.before(batch)
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
    _, _, batch, probe = run
    for given, why in (
        (None, "no forward pass"),
        ({"input_ids": batch["input_ids"]}, "not that of labels"),
    ):
        probe.before(given)
        assert probe.after().unpredictability is None
        assert why in probe.reading().reason


def test_only_a_training_pass_is_recorded_and_only_when_requested(run):
    model, _, batch, _ = run
    recorder = BatchRecorder(model)
    model.train()(**batch)
    assert (recorder.wanted, recorder.take()) == (False, None)
    recorder.listen()
    model.eval()(**batch)
    assert (recorder.wanted, recorder.batch) == (True, None)
    model.train()(**batch)
    assert not model._forward_pre_hooks
    model(**{**batch, "labels": None})
    assert recorder.take()["labels"] is batch["labels"]
    assert (recorder.wanted, recorder.batch) == (False, None)
    recorder.listen()
    recorder.close()
    model(**batch)
    assert (recorder.take(), len(model._forward_pre_hooks)) == (None, 0)


def test_the_hook_goes_with_its_recorder(run):
    model, _, batch, _ = run
    recorder = BatchRecorder(model)
    recorder.listen()
    recorder.listen()
    assert len(model._forward_pre_hooks) == 1
    copied = copy.deepcopy(model)
    del recorder
    assert not model._forward_pre_hooks
    assert not model._forward_pre_hooks_with_kwargs
    copied.train()(**batch)
