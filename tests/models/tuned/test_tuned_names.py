"""Stored names and shapes that training leaves: taken as transformers and PEFT take them, or refused."""

import copy
import json
import re
import shutil
import time

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from driftline.errors import ModelError
from driftline.models import at_point, open_model, open_tuned_model, pair_checkpoints
from tests import adapters, tiny

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]
IDS = torch.arange(5, 40)[None]


@pytest.fixture
def tuned_folder(tmp_path):
    return tiny.save(tmp_path / "tuned", seed=1)


def rewrite(path, change) -> None:
    tensors = {}
    for name, tensor in load_file(path).items():
        tensors.update(change(name, tensor))
    save_file(tensors, path, metadata={"format": "pt"})


def logits_at_tuned(folder, opened) -> torch.Tensor:
    tuned = open_tuned_model(str(folder), opened)
    with at_point(tuned.base, tuned.point), torch.no_grad():
        return tuned.base.model(IDS).logits


WRAPPED = {
    "_orig_mod.": ("torch.compile", lambda n: f"_orig_mod.{n}"),
    "module.": ("DistributedDataParallel", lambda n: f"module.{n}"),
    "_fsdp_wrapped_module.": ("FSDP", lambda n: f"_fsdp_wrapped_module.{n}"),
    "_checkpoint_wrapped_module.": (
        "activation checkpointing",
        lambda n: re.sub(r"layers\.(\d)\.", r"layers.\1._checkpoint_wrapped_module.", n),
    ),
    "base_model.model.": ("PEFT", lambda n: f"base_model.model.{n}"),
}


@pytest.mark.parametrize("prefix", WRAPPED)
@pytest.mark.parametrize("is_base", [True, False])
def test_names_of_training_wrappers_are_refused(opened, tuned_folder, prefix, is_base):
    wrapper, rename = WRAPPED[prefix]
    rewrite(tuned_folder / "model.safetensors", lambda n, t: {rename(n): t})
    with pytest.raises(
        ModelError, match=rf"has {prefix} in its name, which {wrapper} (leaves|puts)"
    ):
        open_model(str(tuned_folder)) if is_base else open_tuned_model(str(tuned_folder), opened)


def test_a_second_copy_under_wrapped_names_is_refused_too(opened, tuned_folder):
    rewrite(
        tuned_folder / "model.safetensors", lambda n, t: {n: t, f"_orig_mod.{n}": t.clone() + 1}
    )
    with pytest.raises(ModelError, match=r"has _orig_mod\. in its name"):
        open_tuned_model(str(tuned_folder), opened)


@pytest.mark.parametrize("prefix", ["_orig_mod.", "base_model.model."])
def test_the_mend_for_wrapped_names_works(opened, tuned_folder, prefix):
    path = tuned_folder / "model.safetensors"
    wanted = tiny.model(seed=1)
    rewrite(path, lambda n, t: {f"{prefix}{n}": t})
    with pytest.raises(ModelError) as caught:
        open_tuned_model(str(tuned_folder), opened)
    mend = str(caught.value).split("rename the tensors: ")[1].replace("FILE", repr(str(path)))
    exec(mend, {"save_file": save_file, "load_file": load_file})
    with torch.no_grad():
        assert torch.allclose(logits_at_tuned(tuned_folder, opened), wanted(IDS).logits, atol=1e-4)


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module."])
def test_an_adapter_with_names_of_wrappers_is_refused_with_a_mend_that_works(
    opened, tmp_path, prefix
):
    adapters.adapt(opened.model).save_pretrained(tmp_path)
    old, new = "base_model.model.", f"base_model.model.{prefix}"
    rewrite(tmp_path / "adapter_model.safetensors", lambda n, t: {n.replace(old, new, 1): t})
    for has_config in (True, False):
        source = opened.source if has_config else f"{opened.source}/model.safetensors"
        with pytest.raises(ModelError, match=rf"has {prefix} in its name, which"):
            pair_checkpoints(source, str(tmp_path))
    with pytest.raises(ModelError, match=rf"has {prefix} in its name, which") as caught:
        open_tuned_model(str(tmp_path), opened)
    mend = str(caught.value).split("rename the tensors: ")[1]
    path = repr(str(tmp_path / "adapter_model.safetensors"))
    exec(mend.replace("FILE", path), {"save_file": save_file, "load_file": load_file})
    open_tuned_model(str(tmp_path), opened)


def test_an_adapter_in_shards_is_refused_since_peft_reads_one_file(opened, tmp_path):
    adapters.adapt(opened.model).save_pretrained(tmp_path)
    name = "adapter_model-00001-of-00002.safetensors"
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / name)
    with pytest.raises(ModelError, match=rf"the one file that PEFT reads, so {name} would be left"):
        open_tuned_model(str(tmp_path), opened)


@pytest.mark.parametrize("is_base", [True, False])
def test_a_config_that_says_a_text_for_a_number_is_refused_by_key(opened, tuned_folder, is_base):
    file = tuned_folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "hidden_size": "16"}))
    told = r"config.json cannot be read .*'hidden_size': TypeError: .*expected int.*save it again"
    with pytest.raises(ModelError, match=told):
        open_model(str(tuned_folder)) if is_base else open_tuned_model(str(tuned_folder), opened)


@pytest.mark.parametrize("which", ["lm_head.weight", "model.layers.1.mlp.up_proj.weight", ""])
def test_weights_that_zero_3_did_not_gather_are_named(opened, tuned_folder, which):
    path = tuned_folder / "model.safetensors"
    rewrite(path, lambda n, t: {n: t.new_zeros(0) if which in n else t})
    mend = rf"{which}.*is empty.*not gathered; run zero_to_fp32.py in the checkpoint folder"
    with pytest.raises(ModelError, match=mend):
        open_tuned_model(str(tuned_folder), opened)
    with pytest.raises(ModelError, match=mend):
        open_model(str(tuned_folder))


def test_an_adapter_that_zero_3_did_not_gather_is_named(opened, tmp_path):
    adapters.adapt(opened.model).save_pretrained(tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    rewrite(path, lambda n, t: {n: t.new_zeros(0)})
    with pytest.raises(ModelError, match="not gathered; run zero_to_fp32"):
        open_tuned_model(str(tmp_path), opened)


@pytest.mark.parametrize("family", ["llama", "llama-tied", "gpt2", "gpt-neox"])
@pytest.mark.parametrize("num", [330, 310])
def test_a_resized_vocabulary_says_to_resize_the_base(open_family, tmp_path, family, num):
    tuned = tiny.model(family)
    tuned.resize_token_embeddings(num, mean_resizing=False)
    tuned.save_pretrained(tmp_path / "tuned")
    with pytest.raises(ModelError, match=rf"base.resize_token_embeddings\({num}\), save it"):
        open_tuned_model(str(tmp_path / "tuned"), open_family(family))


def test_the_mend_for_a_resized_vocabulary_works(opened, tmp_path):
    tuned, base = tiny.model(seed=1), tiny.model()
    for model, name in ((tuned, "tuned"), (base, "base")):
        model.resize_token_embeddings(330, mean_resizing=False)
        model.save_pretrained(tmp_path / name)
    tiny.tokenizer().save_pretrained(tmp_path / "base")
    got = logits_at_tuned(tmp_path / "tuned", open_model(str(tmp_path / "base")))
    with torch.no_grad():
        assert torch.allclose(got, tuned(IDS).logits, atol=1e-4)


def test_an_adapter_with_new_tokens_says_to_resize_the_base(opened, tmp_path):
    model = tiny.model()
    model.resize_token_embeddings(330, mean_resizing=False)
    adapters.adapt(model, modules_to_save=["embed_tokens", "lm_head"]).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"base.resize_token_embeddings\(330\)"):
        open_tuned_model(str(tmp_path), opened)


@pytest.fixture(scope="module")
def moe(tmp_path_factory):
    """A mixture of experts, opened, with its folder."""
    config = transformers.Qwen3MoeConfig(
        **tiny.SMALL,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=16,
        norm_topk_prob=True,
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("moe")
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return open_model(str(folder))


def _single_experts(generator) -> dict[str, torch.Tensor]:
    """LoRA of each expert, under the names of transformers 4."""
    tensors = {}
    sizes = {"gate_proj": (32, 16), "up_proj": (32, 16), "down_proj": (16, 32)}
    places = {f"mlp.experts.{e}.{p}": size for e in range(4) for p, size in sizes.items()}
    places["self_attn.q_proj"] = (32, 32)
    for layer in range(2):
        for place, (num_in, num_out) in places.items():
            name = f"base_model.model.model.layers.{layer}.{place}"
            tensors[f"{name}.lora_A.weight"] = torch.randn(4, num_in, generator=generator) * 0.1
            tensors[f"{name}.lora_B.weight"] = torch.randn(num_out, 4, generator=generator) * 0.1
    return tensors


def _write_single_experts(folder, tensors) -> None:
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 4,
        "lora_alpha": 8,
        "bias": "none",
        "target_modules": ["q_proj", "gate_proj", "up_proj", "down_proj"],
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))


def test_lora_of_single_experts_is_the_merge_by_hand(moe, tmp_path):
    factors = _single_experts(torch.Generator().manual_seed(2))
    _write_single_experts(tmp_path / "adapter", factors)
    shutil.copytree(moe.source, tmp_path / "by_hand")
    weights = load_file(tmp_path / "by_hand/model.safetensors")
    for name in weights:
        place = "base_model.model." + name.removesuffix(".weight")
        if f"{place}.lora_A.weight" in factors:
            change = factors[f"{place}.lora_B.weight"] @ factors[f"{place}.lora_A.weight"]
            weights[name] = weights[name] + 2.0 * change
    save_file(weights, tmp_path / "by_hand/model.safetensors", metadata={"format": "pt"})
    wanted = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "by_hand")
    with torch.no_grad():
        logits = wanted(IDS).logits
    for name in ("adapter", "by_hand"):
        assert torch.allclose(logits_at_tuned(tmp_path / name, moe), logits, atol=1e-4), name


@pytest.mark.parametrize("kind", ["expert", "layer", "stranger"])
def test_lora_of_single_experts_that_does_not_fit_is_refused(moe, tmp_path, kind):
    factors = _single_experts(torch.Generator().manual_seed(2))
    if kind == "stranger":
        factors["base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight"] = torch.ones(4, 4)
    else:
        part = "experts.2." if kind == "expert" else "layers.1."
        factors = {name: tensor for name, tensor in factors.items() if part not in name}
    _write_single_experts(tmp_path, factors)
    with pytest.raises(ModelError, match=r"does not fit|no place for .*layers\.7"):
        open_tuned_model(str(tmp_path), moe)


def test_fused_and_single_experts_are_the_same_model(moe, tmp_path):
    tuned = copy.deepcopy(moe.model)
    with torch.no_grad():
        for parameter in tuned.parameters():
            parameter.mul_(1.1)
    tuned.save_pretrained(tmp_path / "single")
    tuned.save_pretrained(tmp_path / "fused")
    fused = {name: weight.detach().clone() for name, weight in tuned.named_parameters()}
    save_file(fused, tmp_path / "fused/model.safetensors", metadata={"format": "pt"})
    assert any(".experts.0." in n for n in load_file(tmp_path / "single/model.safetensors"))
    with torch.no_grad():
        wanted = tuned(IDS).logits
    for name in ("single", "fused"):
        assert torch.allclose(logits_at_tuned(tmp_path / name, moe), wanted, atol=1e-4)


def test_a_buffer_that_training_moved_is_named(tmp_path):
    config = transformers.DeepseekV3Config(
        **{k: v for k, v in tiny.SMALL.items() if k != "head_dim"},
        moe_intermediate_size=16,
        n_routed_experts=4,
        num_experts_per_tok=2,
        n_group=1,
        topk_group=1,
        first_k_dense_replace=1,
        kv_lora_rank=8,
        q_lora_rank=8,
        qk_rope_head_dim=4,
        qk_nope_head_dim=4,
        v_head_dim=8,
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config)
    model.save_pretrained(tmp_path / "base")
    tiny.tokenizer().save_pretrained(tmp_path / "base")
    name = "model.layers.1.mlp.gate.e_score_correction_bias"
    with torch.no_grad():
        model.lm_head.weight.mul_(1.1)
        model.save_pretrained(tmp_path / "same")
        model.get_buffer(name).add_(torch.tensor([0.0, 9.0, 0.0, 0.0]))
    model.save_pretrained(tmp_path / "moved")
    base = open_model(str(tmp_path / "base"))
    with torch.no_grad():
        wanted = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "same")(IDS).logits
    assert torch.allclose(logits_at_tuned(tmp_path / "same", base), wanted, atol=1e-4)
    with pytest.raises(ModelError, match=rf"{name} is a buffer that differs"):
        open_tuned_model(str(tmp_path / "moved"), base)


def test_a_hub_id_while_offline_is_refused_at_once(opened):
    begun = time.monotonic()
    for ask in (open_model, lambda source: open_tuned_model(source, opened)):
        with pytest.raises(ModelError, match=r"some/model: .*download it and give the folder"):
            ask("some/model")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "config",
    [
        peft.LoHaConfig(r=4, target_modules=["q_proj", "v_proj"]),
        peft.LoKrConfig(r=4, target_modules=["q_proj", "v_proj"]),
        peft.IA3Config(task_type="CAUSAL_LM", target_modules=["q_proj"], feedforward_modules=[]),
        peft.LNTuningConfig(task_type="CAUSAL_LM"),
        peft.OFTConfig(r=0, oft_block_size=4, target_modules=["q_proj"]),
        peft.LoraConfig(task_type="CAUSAL_LM", bias="all"),
    ],
    ids=lambda config: config.peft_type,
)
def test_every_kind_that_peft_merges_is_taken(opened, tmp_path, config):
    torch.manual_seed(1)
    adapted = peft.get_peft_model(copy.deepcopy(opened.model), config).eval()
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        wanted = adapted(IDS).logits
    adapted.save_pretrained(tmp_path)
    assert torch.allclose(logits_at_tuned(tmp_path, opened), wanted, atol=1e-4)


@pytest.fixture(scope="module")
def wrapper(tmp_path_factory):
    """A language model inside a multimodal one, opened."""
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    text = {**tiny.SMALL, "query_pre_attn_scalar": 8, "sliding_window": 16}
    config = transformers.Gemma3Config(
        text_config=text, vision_config=vision, mm_tokens_per_image=4
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("wrapper")
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return open_model(str(folder))


@pytest.mark.parametrize(
    "prefix",
    ["model.language_model.", "language_model.model.", "model.language_model.model."],
)
def test_adapters_of_a_wrapper_under_new_and_old_names(wrapper, tmp_path, prefix):
    adapted = adapters.adapt(
        wrapper.model, target_modules=r".*language_model.*\.(q_proj|v_proj|up_proj)"
    )
    adapted.save_pretrained(tmp_path)
    new, named = "base_model.model.model.language_model.", f"base_model.model.{prefix}"
    rewrite(tmp_path / "adapter_model.safetensors", lambda n, t: {n.replace(new, named): t})
    with torch.no_grad():
        wanted = adapted(IDS).logits
    assert torch.allclose(logits_at_tuned(tmp_path, wrapper), wanted, atol=1e-4)


OWN_CODE = """
from transformers import LlamaConfig, LlamaForCausalLM

class OwnConfig(LlamaConfig):
    model_type = "own-llama"

class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig

    def forward(self, *args, **options):
        output = super().forward(*args, **options)
        output.logits = output.logits * FACTOR * self.config.own_scale
        return output
"""


@pytest.mark.parametrize(
    ("factor", "scale", "error"),
    [
        (1.0, 1.0, None),
        (2.0, 1.0, "of their spread away from those of the tuned model"),
        (1.0, 3.0, r"says own_scale 3.0 and the base's 1.0"),
    ],
)
def test_models_with_code_of_their_own(tmp_path, monkeypatch, factor, scale, error):
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "c"))
    for name, own_factor, own_scale in (("base", 1.0, 1.0), ("tuned", factor, scale)):
        folder = tiny.save(tmp_path / name, seed=len(name))
        (folder / "own.py").write_text(OWN_CODE.replace("FACTOR", str(own_factor)))
        said = json.loads((folder / "config.json").read_text())
        said["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
        said |= {"model_type": "own-llama", "own_scale": own_scale}
        (folder / "config.json").write_text(json.dumps(said))
    base = open_model(str(tmp_path / "base"), trust_remote_code=True)
    if error is None:
        assert open_tuned_model(str(tmp_path / "tuned"), base).base is base
        return
    with pytest.raises(ModelError, match=error):
        open_tuned_model(str(tmp_path / "tuned"), base)
