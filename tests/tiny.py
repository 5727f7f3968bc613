"""Tiny models of every family, made from their configs in milliseconds, with a byte tokenizer."""

from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

SMALL = {
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

CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def tokenizer(num_extra: int = 0) -> PreTrainedTokenizerFast:
    """One token a byte, then <bos> 256 and <eos> 257, then as many more as asked for."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<bos>", "<eos>", *(f"<extra{i}>" for i in range(num_extra))])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<eos>",
        chat_template=CHAT_TEMPLATE,
    )


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
