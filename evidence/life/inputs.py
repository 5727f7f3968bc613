"""Make the inputs of a life: rows to learn, two suites without a common item, a config."""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TERMS = {
    "agreement": ("anaphor_agreement", "determiner_noun_agreement"),
    "structure": ("binding", "filler_gap_dependency"),
}
"""Capability -> terms of BLiMP, those that stories15M answers better than by chance."""
TOLERANCE = 0.05
"""Of the probability of the right sentence of a pair."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of the inputs, and the training config where models differ."""

    own_items: int
    """Minimal pairs of each capability in `own.yaml`."""
    other_items: int
    """Minimal pairs of each capability in `other.yaml`."""
    repair_items: int
    """Items of each capability that `repair` takes, for choosing and claims together."""
    steps: int
    learning_rate: float
    trials: int = 3
    rows: int = 2000
    unseen_rows: int = 200
    bf16: bool = True
    """Train in bfloat16, as TRL does by default."""


def write_inputs(data: Path, folder: Path, sizes: Sizes) -> None:
    """Write `pairs.jsonl`, `unseen.jsonl`, `own.yaml`, `other.yaml` and `sft.yaml`.

    Args:
        data: Folder with `ft_tatoeba_en_es.jsonl` and `probe_blimp.jsonl`.
        folder: Where the files are written; it exists.
        sizes: How many rows and items.
    """
    rows = list({row["en"]: row for row in _lines(data / "ft_tatoeba_en_es.jsonl")}.values())
    chosen = random.Random(0).sample(rows, sizes.rows + sizes.unseen_rows)
    _write_rows(folder / "pairs.jsonl", chosen[: sizes.rows])
    _write_rows(folder / "unseen.jsonl", chosen[sizes.rows :])
    own, other = [], []
    for name, pairs in _pairs(data / "probe_blimp.jsonl").items():
        items = random.Random(0).sample(pairs, sizes.own_items + sizes.other_items)
        own.append(_capability(name, items[: sizes.own_items]))
        other.append(_capability(name, items[sizes.own_items :]))
    _write_yaml(folder / "own.yaml", {"schema": "driftline/suite/1", "capabilities": own})
    _write_yaml(folder / "other.yaml", {"schema": "driftline/suite/1", "capabilities": other})
    _write_yaml(folder / "sft.yaml", config(sizes))


def config(sizes: Sizes) -> dict[str, Any]:
    """The training config, with TRL's field names."""
    return {
        "learning_rate": sizes.learning_rate,
        "max_steps": sizes.steps,
        "per_device_train_batch_size": 8,
        "lr_scheduler_type": "cosine",
        "warmup_steps": sizes.steps // 10,
        "max_length": 128,
        "activation_checkpointing": False,
        "seed": 0,
        **({} if sizes.bf16 else {"bf16": False}),
    }


def _pairs(path: Path) -> dict[str, list[dict[str, str]]]:
    """List BLiMP's distinct pairs by capability."""
    rows = {(row["good"], row["bad"]): row for row in _lines(path)}.values()
    return {name: [row for row in rows if row["term"] in terms] for name, terms in TERMS.items()}


def _capability(name: str, rows: list[dict[str, str]]) -> dict[str, Any]:
    items = [
        {"id": str(number), "good": row["good"], "bad": row["bad"]}
        for number, row in enumerate(rows)
    ]
    return {
        "name": name,
        "scorer": "minimal_pair",
        "metric": "probability",
        "tolerance": TOLERANCE,
        "items": items,
    }


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    examples = [
        {"prompt": f"English: {row['en']}\nSpanish:", "completion": f" {row['es']}"} for row in rows
    ]
    path.write_text("".join(json.dumps(example) + "\n" for example in examples), encoding="utf-8")


def _write_yaml(path: Path, values: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
