"""A plain `Trainer` with a loss of its own, evaluated while it trains; with or without the monitor.

accelerate launch --multi_gpu --num_processes 2 -m tests.monitor.launched_run WATCH OUT
"""

import sys
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from safetensors.torch import save_file
from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments

from driftline.training import MonitorSettings, StabilityMonitor
from tests import tiny
from tests.monitor.runs import TEXTS, suite, taught_model

NUM_STEPS = 4


class OwnLoss(Trainer):  # type: ignore[misc]
    """Cross-entropy with a penalty on large logits."""

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Compute it over the labelled tokens of the whole step."""
        labels = inputs["labels"][:, 1:]
        out = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        logits = out.logits[:, :-1].float().transpose(1, 2)
        summed = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
        num = (labels != -100).sum() if num_items_in_batch is None else num_items_in_batch
        loss = summed / num + 1e-3 * logits.logsumexp(1).square().mean()
        return (loss, out) if return_outputs else loss


def trainer(out: Path, **fields: Any) -> OwnLoss:
    """A trainer that accumulates gradients and evaluates every two steps."""
    tokens = tiny.tokenizer()
    rows = datasets.Dataset.from_list(
        [{"input_ids": tokens(text)["input_ids"][:24]} for text in TEXTS]
    )
    given: dict[str, Any] = {
        "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "max_steps": NUM_STEPS,
        "eval_strategy": "steps", "eval_steps": 2, "logging_steps": 1, "save_strategy": "no",
        "learning_rate": 1e-3, "report_to": "none", "disable_tqdm": True, "use_cpu": True, "seed": 0,
    }  # fmt: skip
    args = TrainingArguments(output_dir=str(out), **{**given, **fields})
    transformers.set_seed(0)
    made = OwnLoss(
        model=taught_model(),
        args=args,
        train_dataset=rows,
        eval_dataset=rows.select(range(8)),
        processing_class=tokens,
        data_collator=DataCollatorForLanguageModeling(tokens, mlm=False),
    )
    made.remove_callback(transformers.PrinterCallback)
    return made


def watch(made: OwnLoss, out: Path) -> None:
    """Put the monitor on."""
    settings = MonitorSettings(every_steps=2, action="log", step_tokens=128)
    StabilityMonitor([suite()], settings, out=out / "monitor").attach(made)


def weights(made: OwnLoss) -> dict[str, torch.Tensor]:
    """Copies of the trained weights, without what DDP and the compiler wrap around them."""
    model = made.accelerator.unwrap_model(made.model)
    return {name: p.detach().clone().contiguous() for name, p in model.named_parameters()}


def main(mode: str, out: Path) -> None:
    """Run."""
    torch.set_num_threads(1)
    made = trainer(out)
    if mode == "on":
        watch(made, out)
    made.train()
    assert made.args.world_size == 2
    if made.args.process_index == 0:
        out.mkdir(parents=True, exist_ok=True)
        held = weights(made)
        held["losses"] = torch.tensor(evaluations(made))
        save_file(held, out / "weights.safetensors")


def evaluations(made: OwnLoss) -> list[float]:
    """The losses of its evaluations."""
    return [row["eval_loss"] for row in made.state.log_history if "eval_loss" in row]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
