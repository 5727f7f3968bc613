"""Configs and data of tiny runs, and a record of what a run really does."""

from dataclasses import dataclass, field

import torch
import transformers

FULL = {
    "learning_rate": 1e-3, "per_device_train_batch_size": 4, "max_length": 64, "bf16": False,
    "lr_scheduler_type": "cosine", "weight_decay": 0.01, "max_steps": 8,
}  # fmt: skip
LORA = {**FULL, "use_peft": True, "lora_r": 4, "lora_alpha": 8, "learning_rate": 1e-2}
TEXTS = [{"text": f"example {i} has {'many ' * (i % 5)}words, {i * i} of them"} for i in range(24)]


@dataclass
class Recorder(transformers.TrainerCallback):
    """What a user's run really does: its learning rates, and its weights after each step."""

    rates: list[float] = field(default_factory=list)
    weights: dict[int, dict[str, torch.Tensor]] = field(default_factory=dict)

    def on_step_begin(self, args, state, control, optimizer=None, **kwargs):
        self.rates.append(optimizer.param_groups[0]["lr"])

    def on_step_end(self, args, state, control, model=None, **kwargs):
        copied = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        self.weights[state.global_step] = copied
