"""Tiny models of every family, made from their configs in milliseconds, with a byte tokenizer."""

from pathlib import Path

import torch
import transformers

from evidence.families.models import CHAT_TEMPLATE as CHAT_TEMPLATE
from evidence.families.models import COMMON as SMALL
from evidence.families.models import tokenizer as tokenizer

_GPT2 = {
    "vocab_size": 320,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 256,
    "bos_token_id": 256,
    "eos_token_id": 257,
}

FAMILIES = {
    "llama": lambda: transformers.LlamaConfig(**SMALL, tie_word_embeddings=False),
    "llama-tied": lambda: transformers.LlamaConfig(**SMALL, tie_word_embeddings=True),
    "qwen2": lambda: transformers.Qwen2Config(**SMALL),
    "qwen3": lambda: transformers.Qwen3Config(**SMALL),
    "gpt2": lambda: transformers.GPT2Config(**_GPT2),
    "gpt-neox": lambda: transformers.GPTNeoXConfig(
        **{k: v for k, v in SMALL.items() if k not in ("num_key_value_heads", "head_dim")}
    ),
    "mistral": lambda: transformers.MistralConfig(**SMALL, sliding_window=16),
    "gemma": lambda: transformers.GemmaConfig(**SMALL),
    "gemma2": lambda: transformers.Gemma2Config(
        **SMALL, query_pre_attn_scalar=8, sliding_window=16
    ),
    "gemma3": lambda: transformers.Gemma3TextConfig(
        **SMALL, query_pre_attn_scalar=8, sliding_window=16
    ),
}

WIDE = {"hidden_size": 64, "head_dim": 16}
"""Changes that make every row of a layer's matrices one block of 4-bit numbers, or more."""


def model(family: str = "llama", seed: int = 0, **changes: int) -> transformers.PreTrainedModel:
    """A model with random weights, large enough that texts differ in likelihood."""
    torch.manual_seed(seed)
    config = FAMILIES[family]()
    config.update(changes)
    made = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(std=0.15)
    return made.eval()


def save(folder: Path, family: str = "llama", seed: int = 0, **changes: int) -> Path:
    """A model folder as a user has one."""
    model(family, seed, **changes).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder
