"""The training data and configs that the evidence shares: real files, sampled with a fixed seed."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from driftline.models import (
    TrainingConfig,
    TrainingData,
    read_training_config,
    read_training_data,
)

DEMO = Path(__file__).parents[1] / "src" / "driftline" / "demo"
NUM_EXAMPLES = 400

LORA: dict[str, Any] = {"use_peft": True, "lora_r": 16, "lora_alpha": 32}


def task_config(name: str, changes: dict[str, Any]) -> TrainingConfig:
    """The demo's config, 60 steps of 4 examples, with changes.

    Args:
        name: For messages.
        changes: Key to value.

    Returns:
        The config.
    """
    base = read_training_config(DEMO / "config.yaml")
    return TrainingConfig(name, {**base.values, **changes}, base.digest)


def task_data(name: str, folder: Path, work: Path) -> TrainingData:
    """The demo's data, or a seeded sample of one file in TRL's layout.

    Args:
        name: `demo`, or a file in the folder without its ending.
        folder: Where the files are.
        work: Where the sample is written.

    Returns:
        The data, named by the digest of the sample.
    """
    if name == "demo":
        return read_training_data(DEMO / "data.jsonl")
    with (folder / f"{name}.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    chosen = random.Random(0).sample(rows, NUM_EXAMPLES)
    work.mkdir(parents=True, exist_ok=True)
    path = work / f"{name}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(example) + "\n" for example in _examples(chosen))
    return read_training_data(path)


def _examples(rows: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    for row in rows:
        if "text" in row:
            yield {"text": row["text"]}
        elif "question" in row:
            yield {"prompt": row["question"], "completion": "\n" + row["answer"]}
        elif "en" in row:
            yield {"prompt": f"English: {row['en']}\nSpanish:", "completion": " " + row["es"]}
        else:
            prompt = "\n".join(part for part in (row["instruction"], row.get("input", "")) if part)
            yield {"prompt": prompt, "completion": "\n" + (row.get("response") or row["output"])}
