"""The gate's weights and the KL are those of the dense formulas, in every family."""

import math
from dataclasses import replace

import pytest
import torch

from driftline.models import Levers
from driftline.models.trainer._lever_trainer import lever_trainer
from driftline.models.trainer.levers._losses import head_logits
from tests.models.runs import FULL

RECORDS = [{"prompt": f"{i} and one is ", "completion": "more" * (1 + i % 3)} for i in range(8)]


def dense_terms(model, base, batch):
    """Sums over trained tokens: loss, gated loss, KL; and their number. All logits at once."""
    labels = batch["labels"][:, 1:]
    mask = labels != -100
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
    logits = model(**inputs).logits[:, :-1].float()
    with torch.no_grad():
        theirs = base(**inputs).logits[:, :-1].float().log_softmax(-1)
    ours = logits.log_softmax(-1)
    losses = -ours.gather(-1, labels.clamp(min=0)[..., None])[..., 0][mask]
    top = logits.sort(-1, descending=True).values[..., :20].softmax(-1)
    weights = (-(top * top.log()).sum(-1) / math.log(20))[mask].detach()
    kl = (theirs.exp() * (theirs - ours)).sum(-1)[mask]
    return losses.sum(), (losses * weights).sum(), kl.sum(), int(mask.sum())


@pytest.fixture
def batch_and_trainer(tmp_path, write_config, write_data):
    """A trainer whose weights have left the base's, and a batch of its own."""

    def make(opened, levers, fields=FULL):
        config, data = write_config(**fields), write_data(RECORDS)
        arguments = config.trainer_arguments(tmp_path / "out", use_cpu=True)
        trainer = lever_trainer(opened, config, data, arguments=arguments, levers=levers)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in trainer.model.parameters():
                if weight.requires_grad:
                    weight += 0.05 * torch.randn(weight.shape, generator=generator)
        trainer.model.train()
        batch = next(iter(trainer.get_train_dataloader()))
        return batch, trainer

    return make


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("num_items", [None, 100])
def test_loss_gate_and_kl_are_the_dense_ones(family_model, batch_and_trainer, num_items):
    levers = Levers(kl_to_base=0.7, entropy_gate=True)
    batch, trainer = batch_and_trainer(family_model, levers)
    trainer.model.eval()  # without dropout both compute alike
    _, gated, kl, num = dense_terms(trainer.model, family_model.model, batch)
    wanted = (gated + 0.7 * kl) / (num_items or num)
    wanted.backward()
    gradients = {
        n: w.grad.clone() for n, w in trainer.model.named_parameters() if w.grad is not None
    }
    trainer.model.zero_grad()

    trainer.model.training = True
    items = None if num_items is None else torch.tensor(num_items)
    loss = trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=items)
    loss.backward()
    assert float(loss) == pytest.approx(float(wanted), rel=1e-4)
    assert kl > 0.01
    for name, weight in trainer.model.named_parameters():
        if weight.grad is not None:
            assert torch.allclose(weight.grad, gradients[name], rtol=1e-3, atol=1e-5), name


@pytest.mark.filterwarnings("ignore")
def test_evaluation_is_trls_own(opened, batch_and_trainer):
    batch, trainer = batch_and_trainer(opened, Levers(kl_to_base=5.0, entropy_gate=True))
    trainer.model.eval()
    plain, _, _, num = dense_terms(trainer.model, opened.model, batch)
    loss = trainer.compute_loss(trainer.model, dict(batch))
    assert float(loss) == pytest.approx(float(plain) / num, rel=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_a_batch_without_trained_tokens_gives_no_loss_and_a_gradient_of_zero(
    opened, batch_and_trainer
):
    batch, trainer = batch_and_trainer(opened, Levers(kl_to_base=5.0, entropy_gate=True))
    batch["labels"][:] = -100
    loss = trainer.compute_loss(trainer.model, dict(batch))
    loss.backward()
    assert float(loss) == 0
    assert all(w.grad is None or not w.grad.any() for w in trainer.model.parameters())


@pytest.mark.filterwarnings("ignore")
def test_no_hook_stays_also_when_the_pass_fails(opened, batch_and_trainer):
    batch, trainer = batch_and_trainer(opened, Levers(kl_to_base=5.0))
    broken = {**batch, "input_ids": batch["input_ids"] + 10_000}
    with pytest.raises(IndexError):
        trainer.compute_loss(trainer.model, broken)
    body = trainer.model.base_model
    assert not body._forward_hooks
    assert not body._forward_pre_hooks


def test_the_head_is_the_models_own(family_model):
    ids = torch.arange(12)[None]
    with torch.no_grad():
        body = family_model.model.base_model(input_ids=ids)
        found = head_logits(family_model.model, type(body), body.last_hidden_state[0])
        wanted = family_model.model(input_ids=ids).logits[0]
    assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_levers_are_frozen_values():
    assert replace(Levers(), kl_to_base=1.0) == Levers(kl_to_base=1.0)
