"""Tiny runs of real trainers, with and without the monitor."""

from functools import cache
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from datasets import Dataset
from peft import LoraConfig
from transformers import LlamaForCausalLM
from trl import SFTConfig, SFTTrainer

from driftline.capabilities import Capability, MinimalPair, Passage, Suite
from tests import tiny

TEXTS = [f"example {i} has {'many ' * (i % 5)}words, {i * i} of them" for i in range(40)]


class QuietTrainer(SFTTrainer):  # type: ignore[misc]
    """Without telemetry."""

    def _send_telemetry(self) -> None:
        pass


@cache
def _taught() -> dict[str, torch.Tensor]:
    """Weights of a tiny Llama that has learnt texts like those of the suite: it has what to lose."""
    made, tokens = tiny.model(), tiny.tokenizer()
    for parameter in made.parameters():
        parameter.data *= 0.3 if parameter.ndim >= 2 else 1.0
    texts = [f"It rained {i} times on day {i * 7}." for i in range(0, 60, 2)]
    ids = tokens(texts, return_tensors="pt", padding=True)["input_ids"]
    labels = ids.masked_fill(ids == tokens.pad_token_id, -100)
    optimizer = torch.optim.Adam(made.parameters(), lr=5e-3)
    for _ in range(60):
        made(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    weights: dict[str, torch.Tensor] = made.state_dict()
    return weights


def taught_model() -> LlamaForCausalLM:
    """A fresh copy of the tiny Llama that knows the suite's texts."""
    made = tiny.model()
    made.load_state_dict(_taught())
    return made


def suite(num: int = 40, *, num_pairs: int = 40, pairs_required: bool = False) -> Suite:
    """Texts that a random model can lose, and pairs that are watched only."""
    texts = tuple(
        Passage(id=str(i), text=f"It rained {i} times on day {i * 7}.") for i in range(num)
    )
    pairs = tuple(
        MinimalPair(id=str(i), good=f"{i} cats run.", bad=f"{i} cat run.") for i in range(num_pairs)
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
    out: Path, *, lora: bool = False, callbacks: Any = (), evaluated: bool = False, **fields: Any
) -> SFTTrainer:
    """A real trainer on a tiny Llama; dropout is on where LoRA is, so random states matter."""
    datasets.disable_progress_bars()
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
        model=taught_model(),
        args=SFTConfig(output_dir=str(out), **given),
        train_dataset=Dataset.from_list([{"text": text} for text in TEXTS]),
        eval_dataset=Dataset.from_list([{"text": text[::-1]} for text in TEXTS[:6]])
        if evaluated
        else None,
        processing_class=tiny.tokenizer(),
        peft_config=LoraConfig(
            r=4, lora_dropout=0.1, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        if lora
        else None,
        callbacks=list(callbacks),
    )
    made.remove_callback(transformers.PrinterCallback)
    return made
