"""What comes out of a run is base + interpolation * (tuned - base), and OSF is plain weights."""

from dataclasses import replace

import pytest
import torch

from driftline.models import Levers, LowRank, open_tuned
from driftline.models._lever_outcome import finish, osf_change, scaled_change
from driftline.models._lever_trainer import lever_trainer
from tests.models.runs import FULL, LORA, TEXTS
from tests.models.test_trajectory import changes


@pytest.fixture
def tuned(base, tmp_path, write_config, write_data):
    """Trains, finishes and saves; gives the change that the saved model is."""

    def run(fields, levers, name):
        config, data = write_config(**fields), write_data(TEXTS)
        arguments = config.trainer_arguments(tmp_path / "out", use_cpu=True)
        trainer = lever_trainer(base, config, data, arguments=arguments, levers=levers)
        trainer.train()
        before = osf_change(trainer.model) if levers.osf_rank else {}
        finish(trainer, base)
        trainer.save_model(str(tmp_path / name))
        base.tokenizer.save_pretrained(str(tmp_path / name))
        direction = open_tuned(tmp_path / name, base)
        direction.prepare()
        found = {n: direction.delta(n, w.detach()) for n, w in base.model.named_parameters()}
        return {n: change for n, change in found.items() if change is not None}, before

    return run


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "fields",
    [FULL, LORA, {**LORA, "lora_target_modules": ["q_proj", "embed_tokens"]},
     {**LORA, "lora_modules_to_save": ["lm_head"]}],
    ids=["full", "lora", "embedding", "saved-module"],
)  # fmt: skip
def test_half_the_interpolation_is_half_the_change(tuned, trajectory, fields):
    whole, _ = tuned(fields, Levers(), "whole")
    half, _ = tuned(fields, Levers(interpolation=0.5), "half")
    planned = changes(replace(trajectory(fields, kept=(8,)), levers=Levers(interpolation=0.5)), 8)
    assert whole.keys() == half.keys() == planned.keys()
    for name, change in whole.items():
        assert torch.allclose(half[name], change / 2, rtol=1e-3, atol=1e-7), name
        assert torch.allclose(planned[name], change / 2, rtol=1e-3, atol=1e-6), name


@pytest.mark.filterwarnings("ignore")
def test_osf_is_saved_as_a_plain_model(tuned, trajectory):
    levers = Levers(osf_rank=0.5)
    fields = {**FULL, "lora_target_modules": ["q_proj", "up_proj"]}
    found, before = tuned(fields, levers, "osf")
    planned = changes(replace(trajectory(fields, kept=(8,)), levers=levers), 8)
    moved = {name: change for name, change in found.items() if change.any()}
    assert moved.keys() == before.keys() == planned.keys()
    for name, change in before.items():
        assert torch.allclose(moved[name], change, atol=1e-6), name
        assert torch.allclose(planned[name], change, atol=1e-6), name


def test_a_low_rank_change_stays_low_rank():
    left, right = torch.ones(3, 1), torch.ones(1, 2)
    found = scaled_change({"a": LowRank(left, right), "b": torch.ones(2)}, 0.25)
    assert torch.equal(found["a"].left, left / 4)
    assert torch.equal(found["a"].right, right)
    assert torch.equal(found["b"], torch.full((2,), 0.25))
