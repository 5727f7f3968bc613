"""The damaged models: real bases, fine-tuned on real data at rates that cost them something."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driftline.capabilities import Capability, MinimalPair, Passage, Suite, read_suite
from driftline.models import (
    LanguageModel,
    Levers,
    TrainingData,
    plan_training,
    read_training_data,
)
from driftline.models.trainer import probe_trainer

from ..tasks import task_config, task_data

LORA: dict[str, Any] = {
    "use_peft": True,
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_target_modules": "all-linear",
}
NUM_HELD_OUT = 160
"""Examples of the task that are not trained on; the target is measured on them."""


@dataclass(frozen=True)
class Case:
    """One damaged model: a base, data, and what differs from the demo's config of 60 steps."""

    model: str
    file: str
    characters: tuple[int, int]
    more: dict[str, Any] = field(default_factory=dict)


CASES = {
    "stories-shakespeare-lora": Case(
        "stories15m", "lm_tinyshakespeare", (60, 140), {**LORA, "learning_rate": 1e-3}
    ),
    "stories-spanish-mild": Case(
        "stories15m", "ft_tatoeba_en_es", (30, 140), {"learning_rate": 2e-4}
    ),
    "stories-medical": Case(
        "stories15m", "ft_medquad_medical_qa", (0, 240), {"learning_rate": 3e-4}
    ),
    "minimind-spanish": Case(
        "minimind2-small", "ft_tatoeba_en_es", (30, 140), {"learning_rate": 3e-4}
    ),
    "minimind-shakespeare-lora": Case(
        "minimind2-small", "lm_tinyshakespeare", (60, 140), {**LORA, "learning_rate": 2e-3}
    ),
    "stories-spanish": Case("stories15m", "ft_tatoeba_en_es", (30, 140), {"learning_rate": 1e-3}),
}  # fmt: skip
"""The last one is a collapse: english_text loses 4 nats per token."""
SHIPPED = ("grammar_pairs", "induction", "commonsense_pairs", "english_text")
"""What models of this size can do something of."""


def damaged_model(
    opened: LanguageModel, name: str, folder: Path, work: Path
) -> tuple[Path, TrainingData]:
    """Train one case, unless it is there already.

    Args:
        opened: Its base.
        name: A key of `CASES`.
        folder: Where the data files are.
        work: Where the model goes.

    Returns:
        The folder of the tuned model or adapter, and the examples that were held out.
    """
    case = CASES[name]
    drawn = task_data(case.file, folder, work, characters=case.characters)
    parts = {"held-out": drawn.examples[:NUM_HELD_OUT], "train": drawn.examples[NUM_HELD_OUT:]}
    data = {}
    for part, examples in parts.items():
        path = work / f"{part}.jsonl"
        path.write_text("".join(json.dumps(e) + "\n" for e in examples), encoding="utf-8")
        data[part] = read_training_data(path)
    tuned = work / "tuned"
    if not tuned.exists():
        config = task_config(name, case.more)
        num_steps = plan_training(opened, config, data["train"]).num_steps
        with probe_trainer(
            opened, config, data["train"], levers=Levers(), num_steps=num_steps
        ) as trainer:
            trainer.train()
            trainer.save_model(str(work / "tuned.partial"))
        (work / "tuned.partial").replace(tuned)
    return tuned, data["held-out"]


def suite(folder: Path) -> Suite:
    """A part of the shipped suite and two public sets.

    Args:
        folder: Where the public sets are.

    Returns:
        The suite; every capability is required.
    """
    shipped = {c.name: c for c in read_suite("core-0.1").capabilities}
    kept = tuple(shipped[name] for name in SHIPPED)
    return Suite("small models", (*kept, *_public(folder)))


def _public(folder: Path) -> Iterator[Capability]:
    pairs = _sample(folder / "probe_blimp.jsonl", 200)
    yield Capability(
        "blimp", "minimal_pair", "margin_nats", 0.25,
        tuple(
            MinimalPair(id=str(n), good=row["good"], bad=row["bad"], group=row["uid"])
            for n, row in enumerate(pairs)
        ),
    )  # fmt: skip
    texts = [r for r in _sample(folder / "lm_wikitext2_train.jsonl", 400) if len(r["text"]) > 200]
    yield Capability(
        "wikitext", "perplexity", "nll_nats", 0.1,
        tuple(Passage(id=str(n), text=row["text"][:120]) for n, row in enumerate(texts[:80])),
    )  # fmt: skip


def _sample(path: Path, num: int) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return random.Random(0).sample(rows, num)
