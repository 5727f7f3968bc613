"""The runs of the benchmark: tasks x configs x seeds, by model. Its page says what was fixed when."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

NUM_STEPS = 100
ROW_TOKENS, ROWS_PER_STEP = 256, 8
"""Packed rows: 2,048 tokens a step, within the context of the smallest model."""
WARMUP_STEPS = 10
EVALUATED_STEPS = (5, 10, 20, 30, 40, 60, 80, 100)
QUICK_STEPS = 20
"""Length of the quick starts: two steps of warm-up, then the peak rate."""
QUICK_STARTS = {1.0: (10, 20), 1.5: (20,)}
"""Peak rate of a quick start over that of the run, and where it is evaluated."""
NUM_TARGET_ITEMS = 96
"""Rows of the task that are scored: so many that were trained on, and as many that were not."""

Region = Literal["low rate", "middle rate", "high rate", "highest rate", "LoRA small", "LoRA large"]


@dataclass(frozen=True)
class Task:
    """Training data: a seeded sample of one file."""

    file: str
    kind: str
    num_rows: int
    """Enough for one pass of the run over rows that differ, where the file has so many."""
    shuffled: bool = False
    """Every prompt has the answer to another."""


TASKS = {
    "math": Task("ft_gsm8k_train", "grade-school mathematics", 1800),
    "code": Task("ft_gpteacher_codegen", "code to instructions", 2200),
    "spanish": Task("ft_tatoeba_en_es", "translation into another language", 9000),
    "roleplay": Task("ft_gpteacher_roleplay", "role-play to instructions", 1400),
    "shakespeare": Task("lm_tinyshakespeare", "a narrow domain, as text", 6000),
    "contradictory": Task("ft_medquad_medical_qa", "medical answers to others' questions", 1000, True),
}  # fmt: skip


@dataclass(frozen=True)
class Config:
    """One way to train."""

    region: Region
    learning_rate: float
    more: dict[str, Any] = field(default_factory=dict)


def _lora(rank: int, modules: str | list[str]) -> dict[str, Any]:
    return {
        "use_peft": True,
        "lora_r": rank,
        "lora_alpha": 2 * rank,
        "lora_target_modules": modules,
    }


CONFIGS = {
    "full-1e-4": Config("middle rate", 1e-4),
    "lora32-1e-3": Config("LoRA large", 1e-3, _lora(32, "all-linear")),
    "full-3e-4": Config("high rate", 3e-4),
    "full-1e-5": Config("low rate", 1e-5),
    "lora8-3e-4": Config("LoRA small", 3e-4, _lora(8, ["q_proj", "v_proj"])),
    "full-1e-3": Config("highest rate", 1e-3),
}


@dataclass(frozen=True)
class Run:
    """One run of the grid."""

    task: str
    config: str
    seed: int

    @property
    def name(self) -> str:
        """The name of its record."""
        return f"{self.task}-{self.config}-{self.seed}"


_SECOND_SEEDS = {
    "full-1e-4": tuple(TASKS),
    "full-3e-4": ("math", "code", "spanish", "roleplay"),
    "full-1e-5": ("math", "spanish"),
}
"""Twelve pairs of seeds, for what one seed tells of another."""
_FEW = {
    "full-1e-4": ("math", "spanish", "contradictory"),
    "full-3e-4": ("code", "roleplay", "shakespeare"),
}
"""Of a model whose runs cost an hour and more: each task once, at one of two rates."""


def runs(model: str) -> Iterator[Run]:
    """List all runs of one model.

    Args:
        model: The name of the model's folder.

    Yields:
        48 runs of stories15M, 18 of MiniMind2-Small, 6 of another model.
    """
    if model.startswith("stories15m"):
        yield from _grid(dict.fromkeys(CONFIGS, tuple(TASKS)), seed=0)
        yield from _grid(_SECOND_SEEDS, seed=1)
    elif model == "minimind2-small":
        some = ("full-1e-4", "full-3e-4", "lora32-1e-3")
        yield from _grid(dict.fromkeys(some, tuple(TASKS)), seed=0)
    else:
        yield from _grid(_FEW, seed=0)


def _grid(configs: Mapping[str, tuple[str, ...]], *, seed: int) -> Iterator[Run]:
    for config, tasks in configs.items():
        for task in tasks:
            yield Run(task, config, seed)
