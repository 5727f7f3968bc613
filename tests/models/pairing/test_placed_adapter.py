"""What an adapter changes, as PEFT loads it; the truth is the model that PEFT merges."""

import contextlib
import json
import os

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from driftline.analyses import DiffRequest, diff
from driftline.errors import ModelError
from driftline.models import pair_checkpoints
from driftline.models.pairing._placed_adapter import untied_base
from tests import adapters, architectures, tiny

pytestmark = pytest.mark.filterwarnings("ignore")
AUTO = transformers.AutoModelForCausalLM


def changes(base, tuned) -> dict[str, torch.Tensor]:
    pairs = pair_checkpoints(str(base), str(tuned)).pairs
    return {p.name: p.change() for p in pairs if p.moments().change_squared > 1e-10}


def merged(base, adapter):
    model = AUTO.from_pretrained(base, dtype=torch.float32)
    return peft.PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()


def true_changes(base, adapter) -> dict[str, torch.Tensor]:
    before = AUTO.from_pretrained(base, dtype=torch.float32).state_dict()
    after = merged(base, adapter).state_dict()
    found = {name: after[name] - before[name] for name in before}
    return {name: change for name, change in found.items() if change.abs().max() > 1e-6}


def check_truth(base, adapter) -> None:
    found, wanted = changes(base, adapter), true_changes(base, adapter)
    assert found.keys() == wanted.keys()
    for name, change in wanted.items():
        assert torch.allclose(found[name], change, atol=1e-5), name


def single_experts(folder, base, *, leaves=("gate_proj", "up_proj", "down_proj")):
    """An adapter as transformers 4 trained it: factors on each expert by itself."""
    config = base.config
    generator, tensors = torch.Generator().manual_seed(2), {}
    hidden, inner = config.hidden_size, config.moe_intermediate_size
    for layer in range(config.num_hidden_layers):
        for expert in range(config.num_experts):
            for leaf in leaves:
                sizes = (inner, hidden) if leaf == "down_proj" else (hidden, inner)
                name = f"base_model.model.model.layers.{layer}.mlp.experts.{expert}.{leaf}"
                tensors[f"{name}.lora_A.weight"] = torch.randn(4, sizes[0], generator=generator)
                tensors[f"{name}.lora_B.weight"] = torch.randn(sizes[1], 4, generator=generator)
    write(folder, tensors, target_modules=list(leaves))


def write(folder, tensors, **fields) -> None:
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 4,
        "lora_alpha": 6,
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps({**config, **fields}))


@pytest.mark.parametrize("fused", [True, False])
def test_factors_of_single_experts(fused, tmp_path):
    base = architectures.experts("qwen3_moe")
    base.save_pretrained(tmp_path / "base", save_original_format=not fused)
    single_experts(tmp_path / "a", base)
    check_truth(tmp_path / "base", tmp_path / "a")


@pytest.mark.parametrize("kind", ["qwen3_moe", "mixtral", "gpt_oss"])
def test_factors_of_fused_experts(kind, tmp_path):
    base = architectures.experts(kind)
    base.save_pretrained(tmp_path / "base", save_original_format=False)
    targets = ["experts.gate_up_proj", "experts.down_proj"]
    adapters.adapt(
        base, target_modules=["q_proj"], target_parameters=targets, lora_dropout=0.0
    ).save_pretrained(tmp_path / "a")
    check_truth(tmp_path / "base", tmp_path / "a")


def test_names_of_an_older_multimodal_class(tmp_path):
    architectures.multimodal("gemma3").save_pretrained(tmp_path / "base")
    new = adapters.adapt(
        architectures.multimodal("gemma3"), target_modules=r".*language_model.*q_proj"
    )
    new.save_pretrained(tmp_path / "new")
    file = tmp_path / "new" / "adapter_model.safetensors"
    tensors = load_file(file)
    old = {
        n.replace("model.model.language_model.", "model.language_model.model."): t
        for n, t in tensors.items()
    }
    assert old.keys() != tensors.keys()
    found = changes(tmp_path / "base", tmp_path / "new")
    save_file(old, file)
    again = changes(tmp_path / "base", tmp_path / "new")
    assert found.keys() == again.keys()
    assert len(found) == 2
    assert all(torch.equal(found[name], again[name]) for name in found)


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (lambda name: "layers.1." in name, r"layers\.1\.self_attn\.[qv]_proj\.lora_[AB]"),
        (lambda name: "q_proj" in name, r"layers\.0\.self_attn\.q_proj\.lora_[AB]"),
        (lambda name: "layers.1.self_attn.v_proj.lora_A" in name, r"v_proj\.lora_A"),
        (lambda name: "layers.0.self_attn.v_proj.lora_B" in name, r"v_proj\.lora_B"),
    ],
    ids=["a layer", "a module", "a down factor", "an up factor"],
)
def test_an_adapter_that_lacks_layers_is_refused_by_name(lost, told, tmp_path):
    tiny.save(tmp_path / "base")
    adapters.adapt(tiny.model(), target_modules=["q_proj", "v_proj"]).save_pretrained(
        tmp_path / "a"
    )
    file = tmp_path / "a" / "adapter_model.safetensors"
    save_file({n: t for n, t in load_file(file).items() if not lost(n)}, file)
    with pytest.raises(ModelError, match=rf"missing adapter keys.*{told}"):
        pair_checkpoints(str(tmp_path / "base"), str(tmp_path / "a"))


def test_layers_that_the_config_leaves_out_are_not_missing(tmp_path):
    tiny.save(tmp_path / "base")
    adapters.adapt(
        tiny.model(), target_modules=["q_proj"], layers_to_transform=[1]
    ).save_pretrained(tmp_path / "a")
    assert set(changes(tmp_path / "base", tmp_path / "a")) == {
        "model.layers.1.self_attn.q_proj.weight"
    }


UNTIED = {
    "both saved": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "embedding saved": {"modules_to_save": ["embed_tokens"]},
    "head saved": {"modules_to_save": ["lm_head"]},
    "embedding low-rank": {"target_modules": ["embed_tokens", "q_proj"]},
    "head low-rank": {"target_modules": ["lm_head", "q_proj"]},
}


@pytest.mark.parametrize("fields", UNTIED.values(), ids=UNTIED)
def test_the_way_out_of_a_tied_base_works_as_it_is_written(fields, tmp_path):
    tiny.save(tmp_path / "base", "llama-tied")
    adapters.adapt(tiny.model("llama-tied"), **fields).save_pretrained(tmp_path / "a")
    with pytest.raises(ModelError, match="save the base with its head untied") as refused:
        pair_checkpoints(str(tmp_path / "base"), str(tmp_path / "a"))
    assert "ensure_weight_tying" not in str(refused.value)
    lines = [line.strip() for line in str(refused.value).splitlines()[1:]]
    with contextlib.chdir(tmp_path):
        exec("\n".join(lines), {})
        assert os.path.isdir("base-untied")
    check_truth(tmp_path / "base-untied", tmp_path / "a")


@pytest.mark.parametrize(
    ("source", "given"),
    [
        ("owner/name@v1.0", "'owner/name', revision='v1.0'"),
        ("owner/name", "'owner/name'"),
        ("/models/a@b", "'/models/a@b'"),
    ],
)
def test_the_way_out_opens_the_revision_that_was_given(source, given):
    assert untied_base(source).count(f"from_pretrained({given}") == 2


def test_an_adapter_that_keeps_the_tie_is_read(tmp_path):
    tiny.save(tmp_path / "base", "llama-tied")
    fields = {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}
    adapters.adapt(tiny.model("llama-tied"), target_modules=["q_proj"], **fields).save_pretrained(
        tmp_path / "a"
    )
    found = changes(tmp_path / "base", tmp_path / "a")
    wanted = true_changes(tmp_path / "base", tmp_path / "a")
    assert "lm_head.weight" in wanted
    del wanted["lm_head.weight"]
    assert found.keys() == wanted.keys()
    assert all(torch.allclose(found[n], wanted[n], atol=1e-5) for n in wanted)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt-neox"])
def test_the_relative_change_is_that_of_the_merged_model(family, tmp_path):
    tiny.save(tmp_path / "base", family)
    targets = {"gpt2": ["c_attn", "c_fc"], "gpt-neox": ["query_key_value"]}.get(family)
    adapters.adapt(tiny.model(family), target_modules=targets).save_pretrained(tmp_path / "a")
    found = diff(DiffRequest(str(tmp_path / "base"), str(tmp_path / "a"), "none"))
    merged(tmp_path / "base", tmp_path / "a").save_pretrained(tmp_path / "m")
    truth = architectures.true_change(
        *(architectures.loaded(tmp_path / side) for side in ("base", "m"))
    )
    assert found.total.relative_change == pytest.approx(truth, rel=1e-5)
