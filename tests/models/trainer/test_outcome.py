"""What comes out of a run is base + scale * (tuned - base), and OSF is plain weights."""

from dataclasses import replace

import pytest
import torch

from driftline.errors import RunError
from driftline.models import Levers, LowRank
from driftline.models.trainer._lever_trainer import lever_trainer
from driftline.models.trainer._outcome import finish, osf_change, scaled_change
from tests.directions import open_tuned
from tests.models.runs import FULL, LORA, TEXTS
from tests.models.trainer.test_trajectory import changes


@pytest.fixture
def tuned(base, tmp_path, write_config, write_data):
    """Trains, finishes and saves; gives the change that the saved model is."""

    def run(fields, levers, name, base=base):
        config, data = write_config(**fields), write_data(TEXTS)
        arguments = config.trainer_arguments(tmp_path / "out", use_cpu=True)
        trainer = lever_trainer(base, config, data, arguments=arguments, levers=levers)
        trainer.train()
        before = osf_change(trainer.model) if levers.osf_rank else {}
        finish(trainer)
        trainer.save_model(str(tmp_path / name))
        base.tokenizer.save_pretrained(str(tmp_path / name))
        direction = open_tuned(tmp_path / name, base)
        direction.prepare()
        found = {n: direction.delta(n, w.detach()) for n, w in base.model.named_parameters()}
        return {n: change for n, change in found.items() if change is not None}, before

    return run


@pytest.mark.slow
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


PARTS = Levers(
    interpolation=0.5,
    interpolated_modules=(
        ("model.layers.0", 0.25),
        ("model.layers.0.self_attn.q_proj", 1.0),
        ("model.layers.1.self_attn", 0.0),
        ("model.norm", 0.75),
        ("model.embed_tokens", 0.125),
    ),
)


def scale_in_parts(name):
    """Of PARTS, by hand."""
    if name.startswith("model.layers.0."):
        return 1.0 if name == "model.layers.0.self_attn.q_proj.weight" else 0.25
    own = {"model.norm.weight": 0.75, "model.embed_tokens.weight": 0.125}
    return 0.0 if name.startswith("model.layers.1.self_attn.") else own.get(name, 0.5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("family", "fields"),
    [("llama", FULL), ("llama-tied", FULL), ("llama", {**LORA, "lora_target_modules": "all-linear"}),
     ("llama", {**LORA, "lora_target_modules": ["q_proj", "embed_tokens"]}),
     ("llama", {**LORA, "lora_modules_to_save": ["lm_head", "embed_tokens"]})],
    ids=["full", "tied", "lora", "embedding", "saved-modules"],
)  # fmt: skip
def test_each_part_of_the_change_has_its_own_scale(open_family, tuned, trajectory, family, fields):
    opened = open_family(family)
    whole, _ = tuned(fields, Levers(), "whole", opened)
    parts, _ = tuned(fields, PARTS, "parts", opened)
    made = trajectory(fields, kept=(8,), opened=opened)
    planned = changes(replace(made, levers=PARTS), 8)
    assert len({scale_in_parts(name) for name in whole}) >= 3
    for name, change in whole.items():
        assert change.any(), name
        scale = scale_in_parts(name)
        if scale == 0.0:
            # Back to the base bit for bit.
            assert name not in planned
            assert name not in parts or not parts[name].any(), name
            continue
        wanted = change * scale
        assert torch.allclose(parts[name], wanted, rtol=1e-3, atol=1e-7), name
        assert torch.allclose(planned[name], wanted, rtol=1e-3, atol=1e-6), name
    assert planned.keys() <= whole.keys()
    assert parts.keys() <= whole.keys()


@pytest.mark.filterwarnings("ignore")
def test_a_head_trained_apart_from_its_embedding_is_scaled_from_what_it_was_tied_to(
    open_family, tmp_path, write_config, write_data
):
    opened = open_family("llama-tied")
    config = write_config(**{**LORA, "lora_modules_to_save": ["lm_head"]})
    arguments = config.trainer_arguments(tmp_path / "out", use_cpu=True)
    levers = Levers(interpolated_modules=(("model.embed_tokens", 0.5),))
    trainer = lever_trainer(opened, config, write_data(TEXTS), arguments=arguments, levers=levers)
    trainer.train()
    (head,) = (w for n, w in trainer.model.named_parameters() if "lm_head.modules_to_save" in n)
    start, end = opened.model.lm_head.weight.detach(), head.detach().clone()
    assert not torch.equal(start, end)
    finish(trainer)
    assert torch.allclose(head.detach(), (start + end) / 2, atol=1e-7)


@pytest.mark.filterwarnings("ignore")
def test_a_run_of_which_nothing_is_left_is_an_error(trajectory):
    made = trajectory({**LORA, "lora_target_modules": ["q_proj", "v_proj"]}, kept=(1,))
    levers = Levers(interpolated_modules=(("model.layers", 0.0),))
    with pytest.raises(RunError, match=r"moved no weight; check .* scales of 0"):
        replace(made, levers=levers).ensure_trained()


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
    change = {"a.weight": LowRank(left, right), "b.weight": torch.ones(2), "c.weight": left}
    levers = Levers(interpolation=0.25, interpolated_modules=(("c", 0.0),))
    found = scaled_change(change, levers)
    assert torch.equal(found["a.weight"].left, left / 4)
    assert torch.equal(found["a.weight"].right, right)
    assert torch.equal(found["b.weight"], torch.full((2,), 0.25))
    assert "c.weight" not in found
    assert scaled_change(change, Levers()) is change
