"""Small local tasks of lm-eval, written to a folder as a user has them: YAML and JSON Lines."""

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

ACC = [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]
NORM = [{"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True}]

QUESTIONS = [
    {"q": f"What is {i} + {i}?", "options": [f"{2 * i + k}" for k in order], "gold": order.index(0)}
    for i, order in enumerate([(0, 1, 2), (3, 0), (7, 2, 0), (0, 9), (1, 0, 30), (0, 100)] * 2)
]


def write(folder: Path, name: str, records: list[dict], **fields: object) -> Path:
    """A task in a folder: `name.yaml`, its records in `name.jsonl`; fields that are ... are left out."""
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    config: Mapping[str, object] = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}, "cache_dir": str(folder / "cache")},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "Q: {{q}}\nA:",
        "doc_to_choice": "options",
        "doc_to_target": "gold",
        "metric_list": ACC,
        "metadata": {"version": 1.0},
        **fields,
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in config.items() if v is not ...}))
    return path
