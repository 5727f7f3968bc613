"""Judge the plan against each tuned method on the held-out tasks, of both comparisons.

    python -m evidence.protocols.judge_held_out            # held_out.json from held_out/
    python -m evidence.protocols.judge_held_out --check    # is the committed one that?

How it is judged was written down in `held_out.py` before any run.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy

from .judge import hypervolume

HERE = Path(__file__).parent
RESULT = HERE / "held_out.json"
BAR = 1.10
NUM_DRAWS, LEVEL = 4000, 0.90
THRIFT = 0.1


def chosen_merit(record: dict[str, Any]) -> float:
    """The merit of a method's chosen look on the items that choose; 0 for the base."""
    look = record["chosen"]
    if look is None:
        return 0.0
    gain, worst = float(look["gain"]), float(look["worst"])
    return gain - THRIFT * max(0.0, gain) * max(0.0, worst)


def ratio(ours: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """The plan's gain over a method's on the rows that report, with an interval over rows."""
    pairs = numpy.array([ours["gains"], other["gains"]])
    draws = numpy.random.default_rng(0).integers(pairs.shape[1], size=(NUM_DRAWS, pairs.shape[1]))
    means = pairs[:, draws].mean(axis=2)
    ratios = means[0] / means[1]
    low, high = numpy.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = pairs[0].mean() / pairs[1].mean()
    return {"value": round(value, 3), "low": round(float(low), 3), "high": round(float(high), 3)}


def worst_loss(record: dict[str, Any]) -> float:
    """The largest mean loss on the items that report, in tolerances."""
    return round(max(float(numpy.mean(v)) for v in record["losses"].values()), 3)


def area(record: dict[str, Any]) -> float:
    """The area of the front on the items that choose, up to one tolerance."""
    return hypervolume([(look["gain"], look["worst"]) for look in record["looks"]], 1.0)


def judged(task: str) -> dict[str, Any]:
    """One task.

    Args:
        task: Its name.

    Returns:
        Numbers.
    """
    records = {
        path.stem.partition("-")[2]: json.loads(path.read_text())
        for path in sorted((HERE / "held_out").glob(f"{task}-*.json"))
    }
    plan = records.pop("plan")
    later = records.pop("plan_again", None)
    best = max(records, key=lambda name: chosen_merit(records[name]))
    fronts = {name: area(record) for name, record in records.items()}
    against = ratio(plan, records[best])
    row = {
        "num_rows": len(plan["gains"]),
        "num_items": {name: len(values) for name, values in plan["losses"].items()},
        "gain": {
            name: round(float(numpy.mean(r["gains"])), 3)
            for name, r in {"plan": plan, **records}.items()
        },
        "worst_loss": {name: worst_loss(r) for name, r in {"plan": plan, **records}.items()},
        "tokens": {name: round(r["tokens"]) for name, r in {"plan": plan, **records}.items()},
        "plan": {
            "verdict": plan["verdict"],
            "reasons": plan["reasons"],
            "trials": [state for _, _, state in plan["trials"]],
            "is_the_base": plan["chosen"] is None,
        },
        "best_single_method": best,
        "over_the_best": against,
        "over_each": {name: ratio(plan, record) for name, record in records.items()},
        "front_over_the_best": round(area(plan) / max(fronts.values()), 3),
        "claim": "shown"
        if against["low"] > BAR
        else "refuted"
        if against["high"] < BAR
        else "undecided",
    }
    if later is not None:
        row["with_the_whole_budget_for_the_search"] = {
            "gain": round(float(numpy.mean(later["gains"])), 3),
            "worst_loss": worst_loss(later),
            "tokens": round(later["tokens"]),
            "trials": [state for _, _, state in later["trials"]],
            "over_the_best": ratio(later, records[best]),
            "front_over_the_best": round(area(later) / max(fronts.values()), 3),
        }
    return row


def result() -> dict[str, Any]:
    """Every task of which the plan is there."""
    tasks = sorted(path.stem.partition("-")[0] for path in (HERE / "held_out").glob("*-plan.json"))
    return {task: judged(task) for task in tasks}


def main() -> None:
    """Write or check the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    text = json.dumps(result(), indent=1) + "\n"
    if not parser.parse_args().check:
        RESULT.write_text(text)
    elif RESULT.read_text() != text:
        sys.exit(
            f"{RESULT.name} is not what the records say; run python -m evidence.protocols.judge_held_out"
        )


if __name__ == "__main__":
    main()
