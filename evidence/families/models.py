"""Tiny models of many families: two layers, random weights, one tokenizer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

COMMON = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "bos_token_id": 256,
    "eos_token_id": 257,
    "pad_token_id": 257,
}
_BY_TURNS = ["sliding_attention", "full_attention"]
_EXPERTS = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "norm_topk_prob": True,
}
_LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8}
_DEEPSEEK = {
    **_LATENT, "v_head_dim": 8, "n_routed_experts": 4, "n_shared_experts": 1, "n_group": 1,
    "topk_group": 1, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "first_k_dense_replace": 1,
    "num_key_value_heads": 4,
}  # fmt: skip
_LINEAR = {
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8,
    "linear_value_head_dim": 8, "layer_types": ["linear_attention", "full_attention"],
}  # fmt: skip
_VISION = {
    "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    "image_size": 28, "patch_size": 14,
}  # fmt: skip

FAMILIES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "llama": ("llama", {"tie_word_embeddings": False}),
    "llama, tied": ("llama", {"tie_word_embeddings": True}),
    "mistral": ("mistral", {"sliding_window": 16}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {}),
    "gemma": ("gemma", {}),
    "gemma2": ("gemma2", {"query_pre_attn_scalar": 8, "sliding_window": 16}),
    "gemma3": ("gemma3_text", {"query_pre_attn_scalar": 8, "sliding_window": 16}),
    "gpt2": ("gpt2", {}),
    "gpt_neo": (
        "gpt_neo",
        {"attention_types": [[["global", "local"], 1]], "num_heads": 4, "num_layers": 2},
    ),
    "gpt_neox": ("gpt_neox", {}),
    "gptj": ("gptj", {"rotary_dim": 4}),
    "opt": ("opt", {"ffn_dim": 64, "word_embed_proj_dim": 32}),
    "bloom": ("bloom", {}),
    "mpt": ("mpt", {"max_seq_len": 256}),
    "falcon": ("falcon", {"head_dim": None}),
    "phi": ("phi", {}),
    "phi3": ("phi3", {}),
    "stablelm": ("stablelm", {}),
    "starcoder2": ("starcoder2", {}),
    "olmo2": ("olmo2", {}),
    "cohere": ("cohere", {}),
    "cohere2": ("cohere2", {"sliding_window": 16}),
    "granite": ("granite", {}),
    "glm4": ("glm4", {}),
    "smollm3": ("smollm3", {}),
    "ernie4_5": ("ernie4_5", {}),
    "exaone4": ("exaone4", {"sliding_window": 16, "layer_types": _BY_TURNS}),
    "nemotron": ("nemotron", {}),
    "mixtral": ("mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "qwen2_moe": ("qwen2_moe", {**_EXPERTS, "shared_expert_intermediate_size": 32}),
    "qwen3_moe": ("qwen3_moe", {**_EXPERTS, "mlp_only_layers": [], "decoder_sparse_step": 1}),
    "olmoe": ("olmoe", {"num_experts": 4, "num_experts_per_tok": 2}),
    "granitemoe": ("granitemoe", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "phimoe": ("phimoe", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "gpt_oss": (
        "gpt_oss",
        {
            "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 16,
            "layer_types": _BY_TURNS,
        },
    ),
    "deepseek_v3": ("deepseek_v3", _DEEPSEEK),
    "qwen3_next": ("qwen3_next", {**_EXPERTS, **_LINEAR, "shared_expert_intermediate_size": 32}),
    "mamba": ("mamba", {"state_size": 8}),
    "mamba2": (
        "mamba2",
        {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 16},
    ),
    "recurrent_gemma": (
        "recurrent_gemma",
        {"lru_width": 32, "attention_window_size": 64, "block_types": ["recurrent", "attention"]},
    ),
    "falcon_h1": (
        "falcon_h1",
        {
            "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8,
            "mamba_n_groups": 1, "mamba_chunk_size": 16,
        },
    ),
    "granitemoehybrid": (
        "granitemoehybrid",
        {
            "layer_types": ["mamba", "attention"], "num_local_experts": 0,
            "shared_intermediate_size": 64, "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8,
            "mamba_n_groups": 1, "mamba_chunk_size": 16,
        },
    ),
    "gemma3, with vision": (
        "gemma3",
        {
            "text_config": {**COMMON, "query_pre_attn_scalar": 8, "sliding_window": 16},
            "vision_config": _VISION, "mm_tokens_per_image": 4,
        },
    ),
    "t5": ("t5", {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}),
    "bert": ("bert", {}),
}  # fmt: skip
"""Name in the table to transformers' name of the family and its own fields."""

LORA_TARGETS: Mapping[str, tuple[str, ...]] = {
    "mamba": ("in_proj", "x_proj"),
    "mamba2": ("in_proj", "mixer.in_proj"),
    "falcon_h1": ("in_proj", "q_proj", "k_proj", "v_proj", "o_proj", "down_proj"),
    "phimoe": ("q_proj", "k_proj", "v_proj", "o_proj"),
}
"""The modules that get an adapter where PEFT cannot take all linear layers."""

CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def config(name: str, **changes: object) -> transformers.PreTrainedConfig:
    """The config of a tiny model.

    Args:
        name: A family's name in the table.
        **changes: Fields to set beside the family's own.

    Returns:
        The config.
    """
    kind, own = FAMILIES[name]
    common = {} if "text_config" in own else COMMON
    fields = {**common, **own, **changes}
    # None: the family has no such field.
    fields = {key: value for key, value in fields.items() if value is not None}
    return transformers.AutoConfig.for_model(kind, **fields)


def model(name: str, *, seed: int = 0, **changes: object) -> transformers.PreTrainedModel:
    """A tiny model with random weights, large enough that texts differ in likelihood.

    Args:
        name: A family's name in the table.
        seed: Of the weights.
        **changes: Fields of the config.

    Returns:
        The model, in evaluation mode.
    """
    torch.manual_seed(seed)
    described = config(name, **changes)
    kind = transformers.AutoModelForCausalLM
    if described.is_encoder_decoder:
        kind = transformers.AutoModelForSeq2SeqLM
    made = kind.from_config(described).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(3.0)
    return made


def write(folder: Path, made: transformers.PreTrainedModel) -> Path:
    """Write a model with the tokenizer.

    Args:
        folder: Where to.
        made: The model.

    Returns:
        The folder.
    """
    made.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def tokenizer(num_extra: int = 0) -> PreTrainedTokenizerFast:
    """Make a tokenizer of bytes, then the beginning (256) and the end (257) of a text.

    Args:
        num_extra: Further special tokens.

    Returns:
        The tokenizer.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<bos>", "<eos>", *(f"<extra{i}>" for i in range(num_extra))])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<bos>",  # noqa: S106
        eos_token="<eos>",  # noqa: S106
        pad_token="<eos>",  # noqa: S106
        chat_template=CHAT_TEMPLATE,
    )
