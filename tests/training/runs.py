"""Tiny runs of real trainers, with and without the monitor."""

from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import Dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

from driftline.capabilities import Capability, MinimalPair, Passage, Suite
from tests import tiny

TEXTS = [f"example {i} has {'many ' * (i % 5)}words, {i * i} of them" for i in range(40)]


class QuietTrainer(SFTTrainer):
    """Without telemetry."""

    def _send_telemetry(self) -> None:
        pass


def suite(num: int = 40, *, pairs_required: bool = False) -> Suite:
    """Texts that a random model can lose, and pairs that are watched only."""
    texts = tuple(Passage(id=str(i), text=f"It rained {i} times on day {i * 7}.") for i in range(num))
    pairs = tuple(
        MinimalPair(id=str(i), good=f"{i} cats run.", bad=f"{i} cat run.") for i in range(num)
    )
    return Suite(
        "tiny",
        (
            Capability("texts", "perplexity", "nll_nats", 0.1, texts),
            Capability(
                "pairs", "minimal_pair", "margin_nats", 0.25, pairs, required=pairs_required
            ),
        ),
    )


def trainer(
    out: Path, *, lora: bool = False, callbacks: Any = (), seed: int = 0, **fields: Any
) -> SFTTrainer:
    """A real trainer on a tiny Llama; dropout is on where LoRA is, so random states matter."""
    given: dict[str, Any] = {
        "learning_rate": 1e-3,
        "per_device_train_batch_size": 4,
        "max_length": 64,
        "bf16": False,
        "max_steps": 8,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "seed": 0,
        **fields,
    }
    torch.manual_seed(0)
    made = QuietTrainer(
        model=tiny.model(seed=seed),
        args=SFTConfig(output_dir=str(out), **given),
        train_dataset=Dataset.from_list([{"text": text} for text in TEXTS]),
        processing_class=tiny.tokenizer(),
        peft_config=LoraConfig(r=4, lora_dropout=0.1, target_modules="all-linear", task_type="CAUSAL_LM") if lora else None,
        callbacks=list(callbacks),
    )
    made.remove_callback(transformers.PrinterCallback)
    return made
