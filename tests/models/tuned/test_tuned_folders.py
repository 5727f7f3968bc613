"""Folders made at random: the tuned point is what transformers or PEFT computes, or is refused."""

import copy
import random
import re

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from driftline.errors import ModelError
from driftline.models import at_point, open_model, open_tuned_model
from tests import tiny

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]
NUM_CASES = 48
IDS = torch.arange(3, 40)[None] * 7 % 256
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
_VISION = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}


def _config(family: str, *, tied: bool) -> transformers.PreTrainedConfig:
    if family == "qwen3_moe":
        return transformers.Qwen3MoeConfig(
            **tiny.SMALL, **_EXPERTS, norm_topk_prob=True, tie_word_embeddings=tied
        )
    if family == "mixtral":
        return transformers.MixtralConfig(
            **tiny.SMALL, num_local_experts=4, tie_word_embeddings=tied
        )
    if family == "gemma3-wrapper":
        text = {**tiny.SMALL, "query_pre_attn_scalar": 8, "sliding_window": 16}
        return transformers.Gemma3Config(
            text_config=text, vision_config=_VISION, mm_tokens_per_image=4
        )
    config = tiny.FAMILIES[family]()
    config.tie_word_embeddings = tied
    return config


_FAMILIES = (
    *("llama", "qwen2", "qwen3", "gpt2", "gpt-neox", "mistral", "gemma2", "gemma3"),
    *("qwen3_moe", "mixtral", "gemma3-wrapper"),
)


def _model(family: str, *, tied: bool, seed: int) -> transformers.PreTrainedModel:
    torch.manual_seed(seed)
    made = AutoModelForCausalLM.from_config(_config(family, tied=tied))
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(std=0.15)
    return made.eval()


def _rename(folder, rng: random.Random, family: str, tuned: torch.nn.Module) -> str:
    """Change the stored names, into ones that transformers reads and into ones that it does not."""
    ways = ["as saved", "as saved", "wrapped", "lacking", "doubled head", "as in memory"]
    if family == "gpt2":
        ways += ["without prefix"] * 2
    if family == "gemma3-wrapper":
        ways += ["old prefix"] * 3
    way = rng.choice(ways)
    for path in sorted(folder.glob("model*.safetensors")):
        tensors = _renamed(way, load_file(path), rng, tuned)
        save_file(tensors, path, metadata={"format": "pt"})
    return way


def _renamed(way: str, tensors, rng: random.Random, tuned: torch.nn.Module):
    if way == "wrapped":
        prefix = rng.choice(["_orig_mod.", "module.", "_fsdp_wrapped_module."])
        return {prefix + name: tensor for name, tensor in tensors.items()}
    if way == "lacking":
        tensors.pop(rng.choice(sorted(tensors)))
    elif way == "without prefix":
        return {n.removeprefix("transformer."): t for n, t in tensors.items()}
    elif way == "old prefix":
        return {
            re.sub(r"^model\.language_model", "language_model.model", name): tensor
            for name, tensor in tensors.items()
        }
    elif way == "as in memory":  # fused experts
        once = dict(tuned.named_parameters())
        buffers = {n: t for n, t in tuned.state_dict().items() if n in dict(tuned.named_buffers())}
        return {**{n: t.detach() for n, t in once.items()}, **buffers}
    elif way == "doubled head":
        embedding = next((n for n in tensors if n.endswith("embed_tokens.weight")), None)
        if embedding:
            tensors["lm_head.weight"] = tensors[embedding] * rng.choice([1.0, 1.5])
    return tensors


def _save_whole(folder, family, rng: random.Random, opened):
    """A whole model; what transformers itself opens is the truth, None if it draws weights."""
    tied = rng.random() < 0.5
    tuned = _model(family, tied=tied, seed=rng.randrange(9))
    tuned.to(rng.choice([torch.float32, torch.bfloat16, torch.float16]))
    is_sharded = rng.random() < 0.4
    tuned.save_pretrained(folder, max_shard_size="60KB" if is_sharded else "5GB")
    way = "as saved" if is_sharded else _rename(folder, rng, family, tuned)
    case = f"whole, tied {tied}, {way}"
    try:
        found, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=opened.asked_dtype or torch.float32, output_loading_info=True
        )
    except RuntimeError:  # an expert is missing, so they cannot be fused
        return None, case
    return (None if report["missing_keys"] else found.eval()), case


def _save_adapter(folder, family, rng: random.Random, opened):
    names = ["embed_tokens", "lm_head"] if family not in ("gpt2", "gpt-neox") else []
    fields = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"}
    if rng.random() < 0.3:
        fields["use_rslora"] = True
    elif rng.random() < 0.3 and family not in ("qwen3_moe", "mixtral"):
        fields["use_dora"] = True
    if names and rng.random() < 0.6:
        fields["modules_to_save"] = rng.sample(names, rng.randint(1, 2))
    torch.manual_seed(rng.randrange(99))
    config = peft.LoraConfig(task_type="CAUSAL_LM", **fields)
    adapted = peft.get_peft_model(copy.deepcopy(opened.model), config)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.05)
    adapted.save_pretrained(folder)
    found = peft.PeftModel.from_pretrained(copy.deepcopy(opened.model), folder)
    way = "as saved"
    path = folder / "adapter_model.safetensors"
    if rng.random() < 0.3:
        way, tensors = "lacking", load_file(path)
        tensors.pop(rng.choice(sorted(name for name in tensors if ".lora_" in name)))
        save_file(tensors, path)
    return (found.eval() if way == "as saved" else None), f"adapter {fields}, {way}"


@pytest.mark.parametrize("seed", range(NUM_CASES))
def test_a_random_folder(tmp_path, seed):
    rng = random.Random(seed)
    family, tied = _FAMILIES[seed % len(_FAMILIES)], rng.random() < 0.5
    _model(family, tied=tied, seed=0).save_pretrained(tmp_path / "base")
    tiny.tokenizer().save_pretrained(tmp_path / "base")
    opened = open_model(str(tmp_path / "base"), dtype=rng.choice([None, None, torch.bfloat16]))
    save = rng.choice([_save_whole, _save_whole, _save_adapter])
    wanted, case = save(tmp_path / "tuned", family, rng, opened)
    case = f"{family}, base tied {tied}, {opened.asked_dtype}: {case}"

    if wanted is None:
        # transformers would draw weights at random, or PEFT leave out a layer.
        with pytest.raises(ModelError, match=r"tuned"):
            open_tuned_model(str(tmp_path / "tuned"), opened)
        return
    tuned = open_tuned_model(str(tmp_path / "tuned"), opened)
    with at_point(tuned.base, tuned.point), torch.no_grad():
        got = tuned.base.model(IDS).logits.float()
    with torch.no_grad():
        truth = wanted(IDS).logits.float()
    spread = (truth - truth.mean(-1, keepdim=True)).square().mean().sqrt()
    distance = (got - truth).square().mean().sqrt() / spread
    # In bfloat16 a sum may round to the neighbour, and merging an adapter rounds once more.
    limit = 1e-5 if opened.asked_dtype is None else 0.01 if save is _save_whole else 0.1
    assert distance < limit, case
    opened.check_unchanged()
