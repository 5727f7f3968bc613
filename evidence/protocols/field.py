"""The field: tasks, methods, rates and seeds, all fixed before the first run."""

from dataclasses import dataclass, field
from typing import Any

from driftline.models import LanguageModel, Levers

NUM_STEPS = 40
BATCH = 4
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
FULL_RATES_TWICE = (*FULL_RATES, 1.5e-5, 6e-5, 1.8e-4)
LORA_RATES_TWICE = (*LORA_RATES, 1.5e-4, 6e-4, 1.8e-3)
PLANNED_RUNS = 9
"""What a plan may spend, in runs with their looks, its report, its map and its ablation included: five to
seven runs are then trained. So plain full fine-tuning and LoRA, which it is held against, have six rates. The
rates go from hardly learning to plain damage, by one task's first three runs at 1e-4 to 1e-3."""
TOLERANCES = 4.0
"""Of the suite's own: 24 items of a capability bound its loss no closer than to about a nat."""
SCALES = (1.0, 0.7, 0.4)
"""WiSE-FT: the update scaled as a whole."""
DEPTH_LINES = ((0.5, 1.0),)
"""LiNeS: scales at the embedding and at the head, linear in depth between them."""
EARLY_STEPS = (10, 20, 30)
"""Where early stopping may stop."""

_LORA: dict[str, Any] = {
    "use_peft": True,
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_target_modules": "all-linear",
}
_MLP = ["gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class Method:
    """One way to train that is swept over three learning rates."""

    config: dict[str, Any] = field(default_factory=dict)
    levers: dict[str, Any] = field(default_factory=dict)
    rates: tuple[float, ...] = FULL_RATES
    is_stopped_early: bool = False
    """Whether looks at earlier steps are its own too."""


METHODS = {
    "full": Method(rates=FULL_RATES_TWICE),
    "lora": Method(_LORA, rates=LORA_RATES_TWICE),
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
    "early_stopping": Method(is_stopped_early=True),
}
"""`early_stopping` shares the runs of `full`."""


def levers_of(method: Method, opened: LanguageModel, replayed: str) -> Levers:
    """The levers of a method on one model.

    Args:
        method: Which.
        opened: The base; the embedding and the lower third of its layers are the bottom.
        replayed: The file with other text.

    Returns:
        The levers.
    """
    values = dict(method.levers)
    if values.get("frozen_modules") == "bottom":
        layers = sorted({w.layer for w in opened.weights if w.layer is not None})
        low = set(layers[: len(layers) // 3])
        modules = {
            w.name.rpartition(".")[0]
            for w in opened.weights
            if w.layer in low or w.role == "embedding"
        }
        values["frozen_modules"] = sorted(modules)
    if "replay_source" in values:
        values["replay_source"] = replayed
    return Levers.from_values(values, origin="field")
