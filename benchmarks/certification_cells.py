"""What the benchmarks of certification share: the cells, and a file that is filled in part by part."""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

NUM_ITEMS = (20, 50, 100, 200, 500, 1000, 2000)
DISCORDANCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
MARGINS = (0.01, 0.02, 0.05)
NUM_REPEATS = 10_000
ALPHA = 0.05
Cell = dict[str, float | int | str]
Cells = Iterator[tuple[str, Callable[[], Cell]]]


def fill_in(parts: dict[str, Callable[[], Cells]], description: str | None) -> None:
    """Compute the cells that are missing in a file, part by part.

    Args:
        parts: Name to cells.
        description: Of the command line.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--part", choices=parts, action="append")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    found = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    for part in chosen.part or parts:
        for name, compute in parts[part]():
            if name in found:
                continue
            found[name] = compute()
            chosen.out.write_text(json.dumps(found, indent=1) + "\n")
            print(name, found[name], flush=True)
