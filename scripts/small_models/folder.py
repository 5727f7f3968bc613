"""Write a converted Llama model as a Hugging Face folder, whole or not at all."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from scripts.small_models.errors import SmallModelError


@dataclass(frozen=True)
class ConvertedModel:
    """All that a model's folder holds.

    Attributes:
        config: The arguments of `transformers.LlamaConfig`.
        weights: Every parameter by its name in `LlamaForCausalLM`, fp32; the
            tied output matrix is left out.
        tokenizer_json: The contents of `tokenizer.json`.
        tokenizer_config: The contents of `tokenizer_config.json`.
        source: Where the weights come from and under which licence, in Markdown.
    """

    config: dict[str, Any]
    weights: dict[str, torch.Tensor]
    tokenizer_json: str
    tokenizer_config: dict[str, Any]
    source: str


def write_folder(converted: ConvertedModel, path: Path) -> None:
    """Write the folder beside its final place, then move it there.

    Args:
        converted: What to write.
        path: The folder to make; it must not exist.

    Raises:
        SmallModelError: A weight is missing, unknown, or of the wrong shape.
    """
    config = LlamaConfig(**converted.config)
    model = LlamaForCausalLM(config)
    tied = {"lm_head.weight": converted.weights["model.embed_tokens.weight"]}
    try:
        model.load_state_dict(converted.weights | tied, strict=True)
    except RuntimeError as error:
        msg = f"the converted weights do not fit the configuration: {error}"
        raise SmallModelError(msg) from error
    # The padding token stands only in the generation settings: in config.json it
    # would stop the gradient of that embedding row.
    model.generation_config = GenerationConfig(
        bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=0
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as temporary:
        draft = Path(temporary) / path.name
        model.save_pretrained(draft)
        (draft / "tokenizer.json").write_text(converted.tokenizer_json, encoding="utf-8")
        settings = json.dumps(converted.tokenizer_config, ensure_ascii=False, indent=2)
        (draft / "tokenizer_config.json").write_text(settings + "\n", encoding="utf-8")
        (draft / "SOURCE.md").write_text(converted.source, encoding="utf-8")
        draft.rename(path)
