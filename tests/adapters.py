"""Adapters as PEFT saves them, with every tensor random."""

import copy
import json
from pathlib import Path

import peft
import torch


def adapt(model, seed: int = 2, **fields) -> peft.PeftModel:
    """A copy of the model with an adapter whose every tensor is random."""
    torch.manual_seed(seed)
    config = peft.LoraConfig(task_type="CAUSAL_LM", **{"r": 4, "lora_alpha": 8, **fields})
    adapted = peft.get_peft_model(copy.deepcopy(model), config)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return adapted.eval()


def save_both(folder: Path, model, **fields) -> tuple[str, str]:
    """The adapter's folder, and that of the model that it is merged into."""
    adapted = adapt(model, **fields)
    adapted.save_pretrained(folder / "adapter")
    adapted.merge_and_unload().save_pretrained(folder / "merged")
    return str(folder / "adapter"), str(folder / "merged")


def say(folder: Path, **fields: object) -> None:
    """Change what an adapter's config says."""
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))
