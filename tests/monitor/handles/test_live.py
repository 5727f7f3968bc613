"""Scoring a model in training: by any way the same numbers, and the model as it was."""

from dataclasses import replace

import numpy
import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model

from driftline.capabilities import Capability, MinimalPair, Passage
from driftline.engine import LocalEngine, ResultStore
from driftline.errors import ConfigError
from driftline.models import BASE, ScoringOptions, TokenSequence
from driftline.monitor.handles._live import CapabilityWatch, LiveModel, whole_scores
from driftline.monitor.handles._sharded import norm, trained_parameters
from driftline.monitor.handles._snapshots import BaseWeights, SnapshotRing, quarantine_checkpoints
from driftline.monitor.handles._untouched import untouched
from driftline.monitor.signals._update_norm import update_norm
from tests import tiny
from tests.monitor.runs import suite, taught_model


@pytest.fixture
def live() -> LiveModel:
    return LiveModel.of(taught_model(), tiny.tokenizer(), bfloat16=False, source="tiny")


def test_plain_passes_of_the_whole_model_give_the_scorers_numbers(live):
    sequences = [
        TokenSequence(tuple(live.opened.tokenizer(text)["input_ids"]), start)
        for text, start in (("It rained 3 times.", 1), ("A longer text, it is.", 4), ("ab", 1))
    ]
    options = ScoringOptions(bfloat16=False)
    watch = CapabilityWatch(live, suite().capabilities)
    wanted = watch._scorer.score(sequences)
    with untouched(live.trained):
        found = whole_scores(live.trained, sequences, options)
    for a, b in zip(found, wanted, strict=True):
        assert a.log_likelihood == pytest.approx(b.log_likelihood, abs=1e-4)
        assert a.num_tokens == b.num_tokens


def test_losses_are_turned_so_that_more_is_worse(live):
    watch = CapabilityWatch(live, suite().capabilities)
    before = watch.losses()
    with torch.no_grad():
        for parameter in live.trained.parameters():
            parameter += 0.5 * parameter.std() * torch.randn_like(parameter)
    after = watch.losses()
    assert (after["texts"] - before["texts"]).mean() > 0
    assert numpy.abs(after["pairs"]).max() <= 5.0


def test_a_run_whose_update_is_scaled_is_scored_as_it_would_come_out(live):
    watch = CapabilityWatch(live, suite().capabilities)
    before = {name: weight.clone() for name, weight in live.trained.named_parameters()}
    base = watch.losses()["texts"]

    def scale():
        with torch.no_grad():
            for name, weight in live.trained.named_parameters():
                weight.lerp_(before[name], 1.0)

    with torch.no_grad():
        for weight in live.trained.parameters():
            weight += 0.5 * weight.std() * torch.randn_like(weight)
    moved = {name: weight.clone() for name, weight in live.trained.named_parameters()}
    scaled = replace(live, scale=scale)
    assert numpy.allclose(CapabilityWatch(scaled, suite().capabilities).losses()["texts"], base)
    assert not numpy.allclose(watch.losses()["texts"], base)
    with pytest.raises(ZeroDivisionError), scaled.at_rest():
        _ = 1 / 0
    for name, weight in live.trained.named_parameters():
        assert torch.equal(weight, moved[name])


def test_an_adapter_is_scored_with_the_adapter(live):
    model = get_peft_model(
        taught_model(), LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM")
    )
    adapted = LiveModel.of(model, tiny.tokenizer(), bfloat16=False, source="tiny")
    watch = CapabilityWatch(adapted, suite().capabilities)
    plain = CapabilityWatch(live, suite().capabilities).losses()["texts"]
    assert numpy.allclose(watch.losses()["texts"], plain, atol=1e-4)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.fill_(0.05)
    assert not numpy.allclose(watch.losses()["texts"], plain, atol=1e-2)


def test_what_cannot_be_scored_is_refused():
    model, tokens = taught_model(), tiny.tokenizer()
    with pytest.raises(ConfigError, match="no tokenizer"):
        LiveModel.of(model, None, bfloat16=False, source="tiny")
    with pytest.raises(ConfigError, match="Linear is no model"):
        LiveModel.of(torch.nn.Linear(2, 2), tokens, bfloat16=False, source="tiny")
    prompts = get_peft_model(model, PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2))
    with pytest.raises(ConfigError, match="virtual tokens"):
        LiveModel.of(prompts, tokens, bfloat16=False, source="tiny")


def test_snapshots_come_back_bit_for_bit_and_the_ring_keeps_step_0(tmp_path):
    model = taught_model()
    ring = SnapshotRing(tmp_path, capacity=2)
    kept = {}
    for step in (0, 3, 6, 9):
        for parameter in model.parameters():
            parameter.data += 0.01
        kept[step] = {n: p.detach().clone() for n, p in model.named_parameters()}
        ring.save(model, step)
    assert ring.steps() == [0, 6, 9]
    ring.restore(model, 6)
    assert all(torch.equal(p, kept[6][n]) for n, p in model.named_parameters())
    first, second = ring.set_apart(model, 12), ring.set_apart(model, 12)
    assert first != second
    assert first.exists()


def test_the_update_norm_is_that_of_all_matrices_together(tmp_path):
    model = taught_model()
    ring = SnapshotRing(tmp_path, capacity=1)
    ring.save(model, 0)
    base = {n: p.detach().clone() for n, p in model.named_parameters() if p.ndim >= 2}
    for parameter in model.parameters():
        parameter.data *= 1.25
    weights = BaseWeights(model, ring.base)
    found = update_norm(model, weights, 0.5)
    assert found.relative == pytest.approx(0.25, rel=1e-4)
    assert found.margin_fraction == pytest.approx(0.5, rel=1e-4)
    assert len(base) > 2
    assert update_norm(model, None, None).reason is not None
    assert norm(trained_parameters(model).values()) > 0


def test_later_checkpoints_go_into_quarantine_and_earlier_ones_stay(tmp_path):
    for name in ("checkpoint-2", "checkpoint-4", "checkpoint-10", "runs"):
        (tmp_path / name).mkdir()
    assert sorted(quarantine_checkpoints(tmp_path, after=2)) == ["checkpoint-10", "checkpoint-4"]
    assert (tmp_path / "checkpoint-2").exists()
    assert (tmp_path / "quarantine" / "checkpoint-10").exists()


def test_items_agree_with_the_engine(opened, tmp_path):
    """The engine's way of scoring a base, and ours of scoring the same model in training."""
    items = tuple(Passage(id=str(i), text=f"Text {i} of some length.") for i in range(4))
    pairs = tuple(MinimalPair(id=str(i), good=f"{i} is.", bad=f"{i} are.") for i in range(4))
    capabilities = (
        Capability("texts", "perplexity", "nll_nats", 0.1, items),
        Capability("pairs", "minimal_pair", "margin_nats", 0.25, pairs),
    )
    same = LiveModel.of(opened.model, opened.tokenizer, bfloat16=False, source="tiny")
    found = CapabilityWatch(same, capabilities).losses()
    with ResultStore(tmp_path / "results.sqlite") as store:
        engine = LocalEngine(opened, store, ScoringOptions(bfloat16=False))
        table = engine.evaluate([BASE], capabilities)
    assert numpy.allclose(found["texts"], table.values(BASE, capabilities[0]), atol=1e-4)
    assert numpy.allclose(found["pairs"], -table.values(BASE, capabilities[1]), atol=1e-4)
