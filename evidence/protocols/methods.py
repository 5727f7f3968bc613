"""Tasks, methods, rates and seeds of the field; `RIVALS` and the rates come from an earlier, shorter field."""

from dataclasses import dataclass, field
from typing import Any

NUM_STEPS = 80
BATCH = 8
SEEDS = (0, 1, 2)
TASKS = {
    "spanish": ("ft_tatoeba_en_es", (30, 140)),
    "medical": ("ft_medquad_medical_qa", (0, 240)),
    "shakespeare": ("lm_tinyshakespeare", (60, 140)),
}
"""Name to the data file and to how long the examples are, in characters."""
REPLAYED = "lm_wikitext2_train"
"""General text for replay that is not the base's own, from rows that no item is made of."""

FULL_RATES = (3e-5, 1e-4, 3e-4)
LORA_RATES = (3e-4, 1e-3, 3e-3)
"""From hardly learning to plain damage."""
PLAIN_RATE = FULL_RATES[1]
"""Of the config that a plan and a random search start from."""
MANY = (1.5e-5, 2.2e-5, 3e-5, 4.5e-5, 7e-5, 1e-4, 1.5e-4, 2e-4, 3e-4)
PLANNED_RUNS = len(MANY)
"""What a plan may spend, in runs with their looks; its map, its ablation, its scaling of parts and its report
are in that. So plain full fine-tuning and LoRA, which it is held against, have as many rates, and a random
search as many draws."""
TOLERANCES = 4.0
"""Of the suite's own: 32 items of a capability bound its loss no closer than to most of a nat."""
SCALES = (1.0, 0.7, 0.4)
"""WiSE-FT: the update scaled as a whole."""
DEPTH_LINES = ((0.5, 1.0),)
"""LiNeS: scales at the embedding and at the head, linear in depth between them."""
EARLY_STEPS = (20, 40, 60)
"""Where early stopping may stop."""

RANDOM = "random_search"
_LORA: dict[str, Any] = {
    "use_peft": True,
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_target_modules": "all-linear",
}
_MLP = ["gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class Method:
    """One way to train that is swept over learning rates."""

    config: dict[str, Any] = field(default_factory=dict)
    levers: dict[str, Any] = field(default_factory=dict)
    rates: tuple[float, ...] = FULL_RATES
    is_stopped_early: bool = False
    """Whether looks at earlier steps are its own too."""


METHODS = {
    "full": Method(rates=MANY),
    "lora": Method(_LORA, rates=tuple(10 * rate for rate in MANY)),
    "lora_mlp": Method({**_LORA, "lora_target_modules": _MLP}, rates=LORA_RATES),
    "kl_to_base": Method(levers={"kl_to_base": 0.5}),
    "replay_5": Method(levers={"replay_share": 0.05, "replay_source": REPLAYED}),
    "replay_self": Method(levers={"replay_share": 0.05}),
    "loss_adaptive_rate": Method(levers={"loss_adaptive_rate": True}),
    "entropy_gate": Method(levers={"entropy_gate": True}),
    "osf": Method(levers={"osf_rank": 0.5}),
    "freeze_bottom": Method(levers={"frozen_modules": "bottom"}),
    "l2_sp": Method(levers={"l2_to_base": 100.0}),
    "lora_weight_decay": Method({**_LORA, "weight_decay": 0.3}, rates=LORA_RATES),
    "replay_1": Method(levers={"replay_share": 0.01, "replay_source": REPLAYED}),
    RANDOM: Method(rates=tuple(range(PLANNED_RUNS))),
    "early_stopping": Method(is_stopped_early=True),
}
"""`early_stopping` shares the runs of `full`; a random search has the numbers of its draws for rates."""
RIVALS = ("full", "lora", "kl_to_base", "replay_self", "lora_mlp")
"""Plain full fine-tuning and LoRA, and those that came nearest to a plan on the first seed of the small model
in an earlier field of half the length: these are trained on larger models."""
