"""Processor seconds of a look ahead beside those of a step: copy of the weights, arithmetic, and glance.

    python -m benchmarks.look_ahead_cost --model build/models/minimind2-small --out benchmarks/results/look_ahead_cost.json

One thread, float32, steps of 4 rows of 128 tokens; medians of three after a first round. Copies go to the disk of
the system's folder for temporary files.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers

from driftline.monitor.signals import NextStep, standing_after

ROWS, ROW, ROUNDS = 4, 128, 4


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def main() -> None:
    """Time each part in turn, and write the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    model = transformers.AutoModelForCausalLM.from_pretrained(wanted.model).float()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    ids = torch.randint(0, 1000, (ROWS, ROW), generator=torch.Generator().manual_seed(0))
    weights = dict(model.named_parameters())

    def backward() -> None:
        model(input_ids=ids, labels=ids).loss.backward()

    def look() -> None:
        coming = NextStep.of(optimizer)
        assert isinstance(coming, NextStep)
        with standing_after(coming, weights, Path(tempfile.gettempdir())):
            pass

    @torch.no_grad()
    def glance() -> None:
        model(input_ids=ids[:, :48])

    parts = {"backward": backward, "look": look, "glance": glance, "optimizer": optimizer.step}
    spent: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(ROUNDS):
        optimizer.zero_grad()
        for name, call in parts.items():
            spent[name].append(_seconds(call))
    found = {
        "model": Path(wanted.model).name,
        "weights": sum(weight.numel() for weight in weights.values()),
        "step_tokens": ROWS * ROW,
        "processor_seconds": {n: round(statistics.median(s[1:]), 4) for n, s in spent.items()},
    }
    print(json.dumps(found, indent=1))
    wanted.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
