"""The tasks and the methods of the held-out comparison (`held_out.py` says what is compared and how).

Fixed before a run was made; the two fresh tasks before a run on them was made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from driftline.analyses.items import Halves, split_items
from driftline.analyses.planning import SCALES, PlanData, PlanRuler, hold_out
from driftline.capabilities import Suite, read_suite
from driftline.models import LanguageModel, TrainingConfig, TrainingData

from ..tasks import LORA, task_config, task_data

EARLIER = {"math": ("ft_gsm8k_train", (0, 400)), "code": ("ft_gpteacher_codegen", (0, 300))}
"""The first two tasks. The search was changed after they had been judged."""
FRESH = {"scenes": ("probe_hellaswag_val", (0, 200)), "novels": ("probe_lambada_openai", (0, 330))}
"""The two tasks of the second comparison, in files that no other run, default or test has used."""
TASKS = {**EARLIER, **FRESH}
KEPT = ("grammar_pairs", "induction", "commonsense_pairs", "english_text")
NUM_ITEMS, TOLERANCES = 80, 4.0
NUM_STEPS, BATCH, MAX_LENGTH, NUM_EXAMPLES = 40, 4, 64, 800
ALPHA, SEED = 0.05, 0
RATES = (3e-5, 5e-5, 8e-5, 1.3e-4, 2e-4, 3e-4)
FEW_RATES = (3e-5, 1e-4, 3e-4)
PLAIN_RATE = 1e-4


@dataclass(frozen=True)
class Draw:
    """One run of a method: what its config and levers have beside the plain ones."""

    config: Mapping[str, Any]
    levers: Mapping[str, Any]


def _over_strengths(lever: str, strengths: tuple[float, ...]) -> tuple[Draw, ...]:
    return tuple(
        Draw({"learning_rate": rate}, {lever: strength})
        for rate in FEW_RATES
        for strength in strengths
    )


METHODS = {
    "full": tuple(Draw({"learning_rate": rate}, {}) for rate in RATES),
    "lora": tuple(
        Draw({**LORA, "lora_target_modules": "all-linear", "learning_rate": 10 * rate}, {})
        for rate in RATES
    ),
    "l2_sp": _over_strengths("l2_to_base", (30.0, 100.0)),
    "kl_to_base": _over_strengths("kl_to_base", (0.1, 0.5)),
    "replay_self": _over_strengths("replay_share", (0.05, 0.1)),
}


@dataclass(frozen=True)
class Task:
    """One task: what is trained on, and what is looked at."""

    name: str
    opened: LanguageModel
    data: TrainingData
    """All rows; a plan parts them by itself, in the same way."""
    parts: PlanData
    suite: Suite
    halves: tuple[Halves, ...]

    @property
    def choosing(self) -> PlanRuler:
        """Reads looks on the items that choose, corrected for the looks of a sweep."""
        return PlanRuler(
            tuple(halves.search for halves in self.halves),
            self.parts.target.search,
            ALPHA,
            num_candidates=len(SCALES) * len(RATES),
        )

    def config(self, name: str, changes: Mapping[str, Any]) -> TrainingConfig:
        """The config of a run."""
        shape = {
            "max_steps": NUM_STEPS,
            "per_device_train_batch_size": BATCH,
            "max_length": MAX_LENGTH,
            "warmup_steps": NUM_STEPS // 10,
            "seed": SEED,
            "data_seed": SEED,
        }
        return task_config(f"{self.name} {name}", {**shape, **changes})


def read_task(name: str, opened: LanguageModel, folder: Path, work: Path) -> Task:
    """Read a task's data, part it, and draw the items.

    Args:
        name: A key of `TASKS`.
        opened: The base.
        folder: Where the data files are.
        work: Where the sample goes.

    Returns:
        The task.
    """
    file, characters = TASKS[name]
    data = task_data(file, folder, work, characters=characters, num_examples=NUM_EXAMPLES)
    core = {c.name: c for c in read_suite("core").capabilities}
    kept = tuple(
        replace(
            core[c].sample(NUM_ITEMS, seed=SEED),
            tolerance=TOLERANCES * core[c].tolerance,
            required=True,
        )
        for c in KEPT
    )
    halves = tuple(split_items(c, num_search=NUM_ITEMS // 2, seed=SEED) for c in kept)
    parts = hold_out(data, seed=SEED, opened=opened)
    return Task(name, opened, data, parts, Suite("four of core", kept), halves)
