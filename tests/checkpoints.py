"""Checkpoints written tensor by tensor, for the tests of what reads weights without a model."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

SHAPES = {
    "model.embed_tokens.weight": (40, 16),
    "model.layers.0.self_attn.q_proj.weight": (16, 16),
    "model.layers.0.mlp.up_proj.weight": (24, 16),
    "model.layers.0.input_layernorm.weight": (16,),
    "model.layers.1.self_attn.q_proj.weight": (16, 16),
    "model.layers.1.mlp.up_proj.weight": (24, 16),
    "model.layers.1.input_layernorm.weight": (16,),
    "lm_head.weight": (40, 16),
}


def weights(seed: int = 0) -> dict[str, Tensor]:
    """Random weights of a small model."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


def save(folder: Path, tensors: Mapping[str, Tensor], *, shards: int = 1, **config: object) -> Path:
    """A model folder with these tensors, in one file or several."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_type": "made-up", "tie_word_embeddings": False, **config}
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return folder
    where = {
        name: f"model-{index % shards + 1:05}-of-{shards:05}.safetensors"
        for index, name in enumerate(tensors)
    }
    for file in set(where.values()):
        save_file({n: t for n, t in tensors.items() if where[n] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return folder
