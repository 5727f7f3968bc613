"""Do the committed checks say what has to come out?

python -m evidence.certification.judge     # exits with 1 where one does not
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LEAST_SAVED = 0.4
"""The share of items that the sequential mode has to save where nothing was lost at all."""
WITH_CORE = {"core-itself": "pass", "core-gentle": "pass", "core-five-points": "fail"}
"""What the shipped suite has to say at its own tolerances."""
TOLERANCE_OF_MERGING = 1
"""Items of a capability on which merging may decide otherwise, by rounding."""


def read_results() -> dict[str, dict[str, Any]]:
    """Every check by its name."""
    return {p.stem: json.loads(p.read_text()) for p in sorted((HERE / "results").glob("*.json"))}


def saved(found: dict[str, Any]) -> float | None:
    """The share of items that were not scored; None where all had to be."""
    scored = [claim["sequential"] for claim in found["claims"]]
    if None in scored:
        return None
    num_scored, num_available = (
        sum(counts[key] for counts in scored) for key in ("num_scored", "num_available")
    )
    return 1 - float(num_scored) / float(num_available)


def faults(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What came out otherwise than it has to.

    Args:
        results: Check to its document.

    Yields:
        Sentences.
    """
    for name, found in results.items():
        verdicts = {claim["verdict"] for claim in found["claims"]}
        if name.startswith("itself") and verdicts != {"non_inferior"}:
            yield f"{name}: the base against itself is {found['verdict']}"
        if name.startswith("damaged") and "inferior" not in verdicts:
            yield f"{name}: a damaged model was not found"
        if found["verdict"] != WITH_CORE.get(name, found["verdict"]):
            yield f"{name}: the shipped suite says {found['verdict']}"
        if name.startswith("harmless") and "inferior" in verdicts:
            yield f"{name}: a harmless run was found inferior"
        share = saved(found)
        if name == "itself-sequential" and (share is None or share < LEAST_SAVED):
            yield f"{name}: {share} of the items were saved"
    if {"adapter", "merged"} <= results.keys():
        pairs = zip(results["adapter"]["claims"], results["merged"]["claims"], strict=True)
        for left, right in pairs:
            items = abs(left["tuned"] - right["tuned"]) * left["num_items"]
            if items > TOLERANCE_OF_MERGING + 1e-9:
                yield f"{left['capability']}: merging moved {items:.0f} items"


def main() -> None:
    """Print each check, and what is wrong."""
    results = read_results()
    for name, found in results.items():
        print(f"{name}: {found['verdict']}")
        for claim in found["claims"]:
            print(
                f"  {claim['capability']}: {claim['base']:.3f} to {claim['tuned']:.3f}, loss below "
                f"{claim['loss_limit']}, {claim['num_items']} items, {claim['verdict']}"
            )
            if (scored := claim["sequential"]) is not None:
                print(f"    {scored['num_scored']} of {scored['num_available']} items were scored")
        if (share := saved(found)) is not None:
            print(f"  saved {share:.0%} of the items")
        for probe in found["recovery"] or ():
            print(
                f"  recovery of {probe['capability']}: {probe['base']} to {probe['tuned']} "
                f"({probe['finding']}; {probe['reason']})"
            )
    found_faults = list(faults(results))
    for fault in found_faults:
        print("FAULT", fault)
    sys.exit(1 if found_faults else 0)


if __name__ == "__main__":
    main()
