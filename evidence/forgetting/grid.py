"""What the benchmark runs: tasks x configs x seeds, on one model at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

ACCELERATIONS = (5, 10)
BATCH = 2
"""Examples a step: what two cores bear for so many runs."""
NUM_ITEMS = 16
"""Of each capability, the same in every run."""
COLLAPSE_NATS = 3.0
"""Changes are clipped here, both ways; fixed before any run was made."""

Region = Literal["low rate", "middle rate", "high rate", "long", "frozen part", "LoRA"]


@dataclass(frozen=True)
class Task:
    """Training data: a sample of one file."""

    file: str
    kind: str
    characters: tuple[int, int]
    """Examples of this length alone, so that steps are short and answers are never cut."""
    shuffled: bool = False
    """Every prompt has the answer to another."""


TASKS = {
    "math": Task("ft_gsm8k_train", "grade-school mathematics", (0, 270)),
    "code": Task("ft_gpteacher_codegen", "code to instructions", (0, 250)),
    "spanish": Task("ft_tatoeba_en_es", "translation into another language", (60, 140)),
    "instructions": Task("ft_selfinstruct_seed175", "general instructions", (0, 260)),
    "shakespeare": Task("lm_tinyshakespeare", "a narrow domain, as text", (80, 220)),
    "contradictory": Task("ft_medquad_medical_qa", "medical answers to others' questions", (0, 240), True),
}  # fmt: skip


@dataclass(frozen=True)
class Config:
    """One way to train, as it differs from the demo's config."""

    region: Region
    learning_rate: float
    num_steps: int = 40
    more: dict[str, Any] = field(default_factory=dict)
    frozen: Literal["attention"] | None = None


def _lora(rank: int, modules: str | list[str]) -> dict[str, Any]:
    return {
        "use_peft": True,
        "lora_r": rank,
        "lora_alpha": 2 * rank,
        "lora_target_modules": modules,
    }


CONFIGS = {
    "full-3e-4": Config("high rate", 3e-4),
    "lora16-1e-3": Config("LoRA", 1e-3, more=_lora(16, "all-linear")),
    "full-1e-4": Config("middle rate", 1e-4),
    "full-3e-5": Config("low rate", 3e-5),
    "lora4-3e-3": Config("LoRA", 3e-3, more=_lora(4, ["q_proj", "v_proj"])),
    "full-1e-3": Config("high rate", 1e-3),
    "frozen-3e-4": Config("frozen part", 3e-4, frozen="attention"),
    "long-1e-4": Config("long", 1e-4, num_steps=60),
}
TWO_SEEDS = {
    "full-3e-4": tuple(TASKS),
    "lora16-1e-3": tuple(TASKS),
    "full-1e-4": ("math", "spanish", "shakespeare", "contradictory"),
}
"""A third of the cells, for the noise ceiling."""


@dataclass(frozen=True)
class Cell:
    """One run of the grid."""

    task: str
    config: str
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.task}-{self.config}-{self.seed}"


def cells() -> Iterator[Cell]:
    """All runs, those of seed 0 first, so that a grid cut short is whole as far as it goes."""
    for config in CONFIGS:
        for task in TASKS:
            yield Cell(task, config, 0)
    for config, tasks in TWO_SEEDS.items():
        for task in tasks:
            yield Cell(task, config, 1)
