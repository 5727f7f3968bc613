"""An adapter's factors as they lie on disk, against what PEFT merges."""

import json
import math
import re

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file

from driftline.errors import ModelError
from driftline.models import open_checkpoint, pair_checkpoints
from driftline.models.points._stored_adapter import (
    as_the_base_lies,
    plain_config,
    read_adapter,
)
from tests import adapters, tiny

# Saving an adapter of the embedding saves the embedding too, and says so.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*fan_in_fan_out.*:UserWarning"),
]

PLAIN = {
    "attention": {},
    "rslora": {"target_modules": "all-linear", "use_rslora": True},
    "patterns": {
        "target_modules": ["q_proj", "up_proj"],
        "rank_pattern": {"up_proj": 2},
        "alpha_pattern": {"layers.1.self_attn.q_proj": 3},
    },
    "embedding": {"target_modules": ["embed_tokens", "v_proj"]},
    "saved module": {"modules_to_save": ["lm_head"]},
    "one layer": {"layers_to_transform": [1], "target_modules": ["down_proj"]},
}
MORE_THAN_PLAIN = {
    "use_dora": True,
    "bias": "lora_only",
    "lora_bias": True,
    "trainable_token_indices": [1, 2],
    "target_parameters": ["mlp.up_proj.weight"],
}


@pytest.fixture
def base(model_folder):
    return tiny.model(), str(model_folder)


def place(checkpoint):
    """Read an adapter as `diff` does."""
    return plain_config(checkpoint, allows_parameters=True)


def changes(base: str, tuned: str) -> dict[str, torch.Tensor]:
    pairs = pair_checkpoints(base, tuned).pairs
    found = {pair.name: pair.change() for pair in pairs if pair.tuned is not None}
    return {name: change for name, change in found.items() if change.abs().max() > 1e-6}


@pytest.mark.parametrize("fields", PLAIN.values(), ids=PLAIN)
def test_the_factors_say_what_peft_merges(base, tmp_path, fields):
    adapter, merged = adapters.save_both(tmp_path, base[0], **fields)
    found, wanted = changes(base[1], adapter), changes(base[1], merged)
    assert found.keys() == wanted.keys()
    for name, change in found.items():
        assert torch.allclose(change, wanted[name], atol=1e-5), name


@pytest.mark.parametrize("family", ["gpt2", "qwen2", "gpt-neox", "gemma3", "llama-tied"])
def test_adapters_of_other_families(family, tmp_path):
    model = tiny.model(family)
    model.save_pretrained(tmp_path / "base")
    targets = ["c_attn", "c_proj", "c_fc"] if family == "gpt2" else None
    adapter, merged = adapters.save_both(tmp_path, model, target_modules=targets)
    found, wanted = (changes(str(tmp_path / "base"), tuned) for tuned in (adapter, merged))
    assert found.keys() == wanted.keys()
    assert all(torch.allclose(found[name], wanted[name], atol=1e-5) for name in wanted)


def test_a_square_transposed_layer_is_known_by_its_family(tmp_path):
    adapters.adapt(tiny.model("gpt2"), target_modules=["attn.c_proj"]).save_pretrained(tmp_path)
    factors = read_adapter(open_checkpoint(str(tmp_path))).factors
    name, found = next(iter(factors.items()))
    assert name == "transformer.h.0.attn.c_proj.weight"
    assert as_the_base_lies(found, name, (32, 32), model_type="gpt2").is_transposed
    assert not as_the_base_lies(found, name, (32, 32), model_type="llama").is_transposed


def test_the_scaling_is_of_the_module(base, tmp_path):
    fields = {"use_rslora": True, **PLAIN["patterns"]}
    adapters.adapt(base[0], **fields).save_pretrained(tmp_path)
    factors = read_adapter(open_checkpoint(str(tmp_path))).factors
    scalings = {name: found.scaling for name, found in factors.items()}
    assert scalings["model.layers.0.self_attn.q_proj.weight"] == pytest.approx(8 / 2)
    assert scalings["model.layers.1.self_attn.q_proj.weight"] == pytest.approx(3 / 2)
    assert scalings["model.layers.0.mlp.up_proj.weight"] == pytest.approx(8 / math.sqrt(2))


@pytest.mark.parametrize("read", [read_adapter, place])
def test_adalora_is_refused_by_name(base, tmp_path, read):
    config = peft.AdaLoraConfig(
        task_type="CAUSAL_LM", init_r=4, target_r=2, total_step=10, target_modules=["q_proj"]
    )
    peft.get_peft_model(base[0], config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"a ADALORA adapter has no low-rank factors; merge"):
        read(open_checkpoint(str(tmp_path)))


@pytest.mark.parametrize(("field", "value"), MORE_THAN_PLAIN.items())
def test_what_is_more_than_factors_is_refused_by_name(base, tmp_path, field, value):
    adapters.adapt(base[0]).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps({**config, field: value}))
    with pytest.raises(ModelError, match=rf"{field} makes the adapter more than plain LoRA; merge"):
        read_adapter(open_checkpoint(str(tmp_path)))


def test_a_field_of_a_later_peft_is_refused_unless_it_is_off(base, tmp_path):
    adapters.adapt(base[0]).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    for value in (None, False, [], {}):
        text = json.dumps({**config, "use_tomorrow": value})
        (tmp_path / "adapter_config.json").write_text(text)
        read_adapter(open_checkpoint(str(tmp_path)))
    (tmp_path / "adapter_config.json").write_text(json.dumps({**config, "use_tomorrow": True}))
    with pytest.raises(ModelError, match=r"adapter_config.json: holds use_tomorrow, .*update PEFT"):
        read_adapter(open_checkpoint(str(tmp_path)))


def test_another_kind_is_refused_by_name(base, tmp_path):
    config = peft.IA3Config(
        target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]
    )
    peft.get_peft_model(base[0], config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"a IA3 adapter has no low-rank factors; merge"):
        read_adapter(open_checkpoint(str(tmp_path)))


def test_a_factor_without_its_partner_is_named(base, tmp_path):
    adapters.adapt(base[0]).save_pretrained(tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    tensors = load_file(file)
    lost = next(
        name for name in tensors if name.endswith("layers.1.self_attn.v_proj.lora_A.weight")
    )
    save_file({name: tensor for name, tensor in tensors.items() if name != lost}, file)
    with pytest.raises(ModelError, match=r"factors of model.layers.1.self_attn.v_proj are not a"):
        read_adapter(open_checkpoint(str(tmp_path)))


def test_a_tensor_that_is_no_factor_is_named(base, tmp_path):
    adapters.adapt(base[0]).save_pretrained(tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    odd = {"base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector": torch.ones(32)}
    save_file({**load_file(file), **odd}, file)
    with pytest.raises(ModelError, match=r"lora_magnitude_vector is no factor of plain LoRA"):
        read_adapter(open_checkpoint(str(tmp_path)))


WRONG = {
    "no kind": ({"peft_type": None}, r'has no peft_type, .*"peft_type": "LORA"'),
    "unknown kind": ({"peft_type": "ZZZ"}, r"peft_type 'ZZZ' is no kind .*update PEFT"),
    "a text": ({"lora_alpha": "16"}, r"lora_alpha is '16', and a number belongs there"),
    "half a rank": ({"r": 4.5}, r"r is 4.5, and a whole number belongs there"),
    "a pattern": ({"alpha_pattern": {"q_proj": "3"}}, r"alpha_pattern.q_proj is '3'"),
    "a task": ({"task_type": "X"}, r"cannot be read by PEFT \(Invalid task type: 'X'.*save"),
    "a prompt": ({"peft_type": "PREFIX_TUNING"}, r"a PREFIX_TUNING adapter has no change of the"),
    "a mixture": ({"peft_type": "POLY"}, r"a POLY adapter has no change of the weights.*such as"),
}


@pytest.mark.parametrize(("said", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_config_is_refused_by_file_and_key(base, tmp_path, said, told):
    adapters.adapt(base[0]).save_pretrained(tmp_path)
    file = tmp_path / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **said}))
    with pytest.raises(ModelError, match=rf"^{re.escape(str(file))}: {told}"):
        read_adapter(open_checkpoint(str(tmp_path)))
