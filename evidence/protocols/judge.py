"""Judge plans against the field: at matched target gain, and by the front that each method reaches.

    python -m evidence.protocols.judge            # result.json from runs/ and plans/
    python -m evidence.protocols.judge --check    # is the committed one that?

Every method may be scaled as a whole (WiSE-FT) and along depth (LiNeS), at any scale between those that were
looked at, by a straight line between them. Where it is looked at is chosen on the items that choose; what
is compared is said by the items that report.
"""

import argparse
import itertools
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from .field import METHODS, SCALES

HERE = Path(__file__).parent
MATCH = 0.01
"""Nats by which the target may differ."""
MOST_LOSSES = (1.0, 4.0)
"""Tolerances; the front is measured up to each."""


class Place(NamedTuple):
    """One place that a method can come to, on the items that choose and on those that report."""

    gain: float
    worst: float
    """Mean loss of the worst capability, in its tolerances."""
    reported_gain: float
    reported_worst: float


def worst(half: dict[str, Any]) -> float:
    """The largest mean loss in tolerances."""
    return float(max(loss["mean"] for loss in half["losses"].values()))


def mixed(low: dict[str, Any], high: dict[str, Any], share: float) -> Place:
    """A place between two looks, by a straight line in gain and in every loss."""

    def half(name: str) -> tuple[float, float]:
        losses = [
            (1 - share) * low[name]["losses"][c]["mean"] + share * loss["mean"]
            for c, loss in high[name]["losses"].items()
        ]
        gain = (1 - share) * low[name]["gain"] + share * high[name]["gain"]
        return float(gain), float(max(losses))

    gain, loss = half("choose")
    return Place(gain, loss, *half("report"))


def base_like(look: dict[str, Any]) -> dict[str, Any]:
    """The base in the shape of a look: nothing gained, nothing lost."""
    return {
        half: {
            "gain": 0.0,
            "losses": {c: {"mean": 0.0} for c in look[half]["losses"]},
        }
        for half in ("choose", "report")
    }


def legs(
    record: dict[str, Any], *, is_stopped_early: bool
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of looks between which a method can be anywhere."""
    looks = record["looks"]
    if not looks:
        return
    path = [base_like(looks["scale 1"]), *(looks[f"scale {s:g}"] for s in sorted(SCALES))]
    yield from itertools.pairwise(path)
    for name, look in looks.items():
        if name.startswith("depth") or (is_stopped_early and name.startswith("step")):
            yield look, look


def places(records: Sequence[dict[str, Any]], *, is_stopped_early: bool = False) -> list[Place]:
    """The places of a method, over all its rates, a hundredth of a leg apart."""
    return [
        mixed(low, high, share)
        for record in records
        for low, high in legs(record, is_stopped_early=is_stopped_early)
        for share in (numpy.linspace(0, 1, 51) if low is not high else (1.0,))
    ]


def at_gain(found: Sequence[Place], gain: float) -> Place | None:
    """Where a method loses least among the places that gain so much; None where it never does."""
    enough = [place for place in found if place.gain >= gain - MATCH]
    return min(enough, key=lambda place: place.worst, default=None)


def hypervolume(front: Sequence[tuple[float, float]], most: float) -> float:
    """Area between what is reached and a largest loss, on the items that choose.

    Args:
        front: Gain and worst loss of every place.
        most: That loss, in tolerances.

    Returns:
        In nats x tolerances. A worst loss below 0 counts as 0.
    """
    area, reach, at = 0.0, 0.0, 0.0
    for loss, gain in sorted((max(0.0, loss), gain) for gain, loss in front):
        if loss >= most:
            break
        area += reach * (loss - at)
        reach, at = max(reach, gain), loss
    return area + reach * (most - at)


def judged(model: str) -> dict[str, Any]:
    """Every plan of one model against every method, task by task and seed by seed.

    Args:
        model: A folder in `runs/` and `plans/`.

    Returns:
        Numbers.
    """
    runs: dict[tuple[str, int, str], list[dict[str, Any]]] = defaultdict(list)
    for path in sorted((HERE / "runs" / model).glob("*.json")):
        record = json.loads(path.read_text())
        runs[record["task"], record["seed"], record["method"]].append(record)
        if record["method"] == "full":
            runs[record["task"], record["seed"], "early_stopping"].append(record)
    rows = []
    for path in sorted((HERE / "plans" / model).glob("*.json")):
        plan = json.loads(path.read_text())
        task, seed = plan["task"], plan["seed"]
        methods = {m: runs[task, seed, m] for m in METHODS if runs[task, seed, m]}
        rows.append(plan_row(plan, methods))
    return {"plans": rows, "summary": summary(rows)}


def plan_row(plan: dict[str, Any], methods: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """One plan against every method.

    Args:
        plan: A record of `plans.py`.
        methods: Of the same task and seed.

    Returns:
        Numbers.
    """
    document, looks = plan["plan"], plan["looks"]
    found = {
        name: places(records, is_stopped_early=name == "early_stopping")
        for name, records in methods.items()
    }
    fronts = {name: [(p.gain, p.worst) for p in ps] for name, ps in found.items()}
    fronts["plan"] = [(look["target_gain"], look["worst_loss"]) for look in document["looks"]]
    row = {
        "task": plan["task"],
        "seed": plan["seed"],
        "verdict": document["verdict"],
        "settings": {
            s["lever"]: s["value"] for s in (document["protocol"] or {}).get("settings", ())
        },
        "tokens_trained": sum(trial["tokens_trained"] for trial in document["trials"]),
        "tokens_trained_by_methods": {
            name: sum(record.get("tokens_trained", 0) for record in records)
            for name, records in methods.items()
        },
        "num_runs": {name: len(records) for name, records in methods.items()},
        "hypervolume": {
            f"{most:g}": {
                name: round(hypervolume(front, most), 4) for name, front in fronts.items()
            }
            for most in MOST_LOSSES
        },
        "at_matched_gain": None,
    }
    if looks is None:
        return row
    return {
        **row,
        "at_matched_gain": against(looks["plan"], found),
        "before_its_update_was_scaled": against(looks["whole"], found),
        "is_retained_on_unseen_items": worst(looks["plan"]["report"]) <= 1,
    }


def against(look: dict[str, Any], found: dict[str, list[Place]]) -> dict[str, Any]:
    """One point against what each method loses where it gains as much.

    Args:
        look: The point, read on both halves.
        found: Places by method.

    Returns:
        Its own figures, and each method's, None where it never gains so much.
    """
    gain = look["choose"]["gain"]
    others = {name: at_gain(ps, gain) for name, ps in found.items()}
    return {
        "gain": round(look["report"]["gain"], 4),
        "worst": round(worst(look["report"]), 4),
        "worst_where_chosen": round(worst(look["choose"]), 4),
        "methods": {
            name: place
            and {
                "gain": round(place.reported_gain, 4),
                "worst": round(place.reported_worst, 4),
                "worst_where_chosen": round(place.worst, 4),
            }
            for name, place in others.items()
        },
    }


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts over all plans against the bars.

    Args:
        rows: Of `plan_row`.

    Returns:
        How many lose at most half of what tuned LoRA and tuned full fine-tuning lose, how many no more
        than the best single method, the ratios, how much larger the front is than the best method's, and
        how many are retained.
    """
    found = [row for row in rows if row["at_matched_gain"]]
    pairs = [row["at_matched_gain"] for row in found]
    return {
        "num_plans": len(rows),
        "num_with_a_protocol": len(found),
        "at_most_half_of": {
            name: sum(is_at_most(pair, name, 0.5) for pair in pairs) for name in METHODS
        },
        "at_most_half_of_lora_and_full": sum(
            all(is_at_most(pair, m, 0.5) for m in ("lora", "full")) for pair in pairs
        ),
        "no_worse_than": {
            name: sum(is_at_most(pair, name, 1.0) for pair in pairs) for name in METHODS
        },
        "no_worse_than_the_best_method": sum(
            all(is_at_most(pair, m, 1.0) for m in pair["methods"]) for pair in pairs
        ),
        "ratio_by_task": {
            task: {m: over_seeds(found, task, m) for m in METHODS}
            for task in sorted({row["task"] for row in rows})
        },
        "front_over_the_best_method": {
            f"{most:g}": {
                f"{row['task']}-{row['seed']}": over_best(row["hypervolume"][f"{most:g}"])
                for row in rows
            }
            for most in MOST_LOSSES
        },
        "retained_on_unseen_items": sum(row["is_retained_on_unseen_items"] for row in found),
    }


def over_seeds(rows: Sequence[dict[str, Any]], task: str, method: str) -> dict[str, Any]:
    """Worst losses of the plans of one task over a method's, seed by seed and of the means over seeds.

    Args:
        rows: With a protocol.
        task: Which.
        method: Which.

    Returns:
        Both; the second is None where the method misses the gain in some seed.
    """
    pairs = [row["at_matched_gain"] for row in rows if row["task"] == task]
    others = [pair["methods"].get(method) for pair in pairs]
    ours = sum(max(0.0, pair["worst"]) for pair in pairs)
    theirs = None if None in others else sum(max(0.0, other["worst"]) for other in others if other)
    return {
        "by_seed": [ratio(pair, method) for pair in pairs],
        "of_means": round(ours / theirs, 3) if theirs else None,
    }


def over_best(areas: dict[str, float]) -> float | None:
    """The plan's area over the largest of any method; None where there is none."""
    best = max((areas[method] for method in METHODS if method in areas), default=0.0)
    return round(areas["plan"] / best, 4) if best > 0 else None


def ratio(pair: dict[str, Any], method: str) -> float | None:
    """Our worst loss over a method's at the same gain; None where it does not get there or loses nothing."""
    other = pair["methods"].get(method)
    if other is None or other["worst"] <= 0:
        return None
    return round(float(max(0.0, pair["worst"]) / other["worst"]), 3)


def is_at_most(pair: dict[str, Any], method: str, share: float) -> bool:
    """Whether we lose at most so much of what a method loses; one that never gains as much is beaten."""
    other = pair["methods"].get(method)
    return other is None or max(0.0, pair["worst"]) <= share * max(0.0, other["worst"])


def main() -> None:
    """Write or check the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    models = sorted(path.name for path in (HERE / "plans").iterdir())
    text = json.dumps({model: judged(model) for model in models}, indent=1) + "\n"
    path = HERE / "result.json"
    if not parser.parse_args().check:
        path.write_text(text)
    elif path.read_text() != text:
        sys.exit(f"{path.name} is not what the records say; run python -m evidence.protocols.judge")


if __name__ == "__main__":
    main()
