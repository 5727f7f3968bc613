"""The training data and configs that the evidence shares: real files, sampled with a fixed seed."""

import json
import random
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


def task_data(
    name: str,
    folder: Path,
    work: Path,
    *,
    characters: tuple[int, int] | None = None,
    shuffled: bool = False,
    num_examples: int = NUM_EXAMPLES,
) -> TrainingData:
    """The demo's data, or a seeded sample of one file in TRL's layout.

    Args:
        name: `demo`, or a file in the folder without its ending.
        folder: Where the files are.
        work: Where the sample is written.
        characters: Examples whose texts together are this long alone, both ends included.
        shuffled: Give every prompt the completion of the one before it, so that none fits.
        num_examples: Of the sample.

    Returns:
        The data, named by the digest of the sample.
    """
    if name == "demo":
        return read_training_data(DEMO / "data.jsonl")
    with (folder / f"{name}.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    if characters is not None:
        low, high = characters
        rows = [r for r in rows if low <= sum(len(t) for t in _example(r).values()) <= high]
    chosen = random.Random(0).sample(rows, min(num_examples, len(rows)))
    examples = [_example(row) for row in chosen]
    if shuffled:
        completions = [example["completion"] for example in examples]
        for example, other in zip(examples, completions[-1:] + completions[:-1], strict=True):
            example["completion"] = other
    work.mkdir(parents=True, exist_ok=True)
    path = work / f"{name}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(example) + "\n" for example in examples)
    return read_training_data(path)


def _example(row: dict[str, Any]) -> dict[str, str]:
    if "text" in row:
        return {"text": row["text"]}
    if "ctx" in row:
        return {"prompt": row["ctx"], "completion": " " + row["choices"][row["answer"]]}
    if "continuation" in row:
        return {"text": f"{row['context']} {row['continuation']}"}
    if "question" in row:
        return {"prompt": row["question"], "completion": "\n" + row["answer"]}
    if "en" in row:
        return {"prompt": f"English: {row['en']}\nSpanish:", "completion": " " + row["es"]}
    if "instances" in row:
        row = {"instruction": row["instruction"], **row["instances"][0]}
    prompt = "\n".join(part for part in (row["instruction"], row.get("input", "")) if part)
    return {"prompt": prompt, "completion": "\n" + (row.get("response") or row["output"])}
