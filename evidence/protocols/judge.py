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
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from .methods import METHODS, SCALES

HERE = Path(__file__).parent
MATCH = 0.01
"""Nats by which the target may differ."""
LEAST_LOSS = 0.1
"""Tolerances; where a method loses less, there is nothing to lose half of."""
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


def bound(half: dict[str, Any]) -> float:
    """The largest one-sided upper bound of a loss, in tolerances."""
    return float(max(loss["bound"] for loss in half["losses"].values()))


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
    """The places of a method, over all its rates, a fiftieth of a leg apart."""
    return [
        mixed(low, high, share)
        for record in records
        for low, high in legs(record, is_stopped_early=is_stopped_early)
        for share in (numpy.linspace(0, 1, 51) if low is not high else (1.0,))
    ]


def at_gain(found: Sequence[Place], gain: float) -> Place:
    """Where a method loses least among the places that gain so much, or all that it can."""
    wanted = min(gain, max(place.gain for place in found))
    return min((p for p in found if p.gain >= wanted - MATCH), key=lambda place: place.worst)


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


def judged(plans: str) -> dict[str, Any]:
    """Every plan of one model against every method, task by task and seed by seed.

    Args:
        plans: A folder in `plans/`: the model's name, as in `runs/`, and after an @ which search.

    Returns:
        Numbers.
    """
    runs: dict[tuple[str, int, str], list[dict[str, Any]]] = defaultdict(list)
    for path in sorted((HERE / "runs" / plans.partition("@")[0]).glob("*.json")):
        record = json.loads(path.read_text())
        runs[record["task"], record["seed"], record["method"]].append(record)
        if record["method"] == "full":
            runs[record["task"], record["seed"], "early_stopping"].append(record)
    rows = []
    for path in sorted((HERE / "plans" / plans).glob("*.json")):
        plan = json.loads(path.read_text())
        task, seed = plan["task"], plan["seed"]
        # A sweep or a search that was broken off is none.
        methods = {m: found for m in METHODS if is_whole(found := runs[task, seed, m], m)}
        rows.append(plan_row(plan, methods))
    return {"plans": rows, "summary": summary(rows)}


def is_whole(records: Sequence[dict[str, Any]], method: str) -> bool:
    """Whether a method was run at all its rates, and something came of one."""
    num_rates = len(METHODS["full" if method == "early_stopping" else method].rates)
    return len(records) == num_rates and any(record["looks"] for record in records)


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
    fronts["plan"] = plan_front(document["looks"])
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
        "is_retained_on_unseen_items": {
            "by_mean": worst(looks["plan"]["report"]) <= 1,
            "by_bound": bound(looks["plan"]["report"]) <= 1,
        },
    }


def plan_front(looks: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    """Gain and worst loss of a plan's looks, with the straight lines that methods have too.

    Between two looks the worst loss is at most what the line says, since each capability has its own.

    Args:
        looks: Of the document.

    Returns:
        Points: the looks, and a fiftieth of the way apart between two scales of one trial.
    """
    points = [(look["target_gain"], look["worst_loss"]) for look in looks]
    scaled: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
    for look in looks:
        if look["trial"] is not None and not look["parts"]:
            scaled[look["trial"]].append((look["scale"], look["target_gain"], look["worst_loss"]))
    for own in scaled.values():
        for low, high in itertools.pairwise([(0.0, 0.0, 0.0), *sorted(own)]):
            points += [
                tuple((1 - share) * a + share * b for a, b in zip(low[1:], high[1:], strict=True))
                for share in numpy.linspace(0, 1, 51)
            ]
    return points


def against(look: dict[str, Any], found: dict[str, list[Place]]) -> dict[str, Any]:
    """One point against what each method loses where it gains as much.

    A method that never gains so much is met at the most that it gains: there our update is scaled down,
    and loses no more than the same share of what the whole loses.

    Args:
        look: The point, read on both halves.
        found: Places by method.

    Returns:
        Its own figures, and each method's beside what we lose where it is met.
    """
    gain = look["choose"]["gain"]
    ours = worst(look["report"])
    methods = {}
    for name, places_of_it in found.items():
        place = at_gain(places_of_it, gain)
        gets_there = place.gain >= gain - MATCH
        methods[name] = {
            "gets_there": gets_there,
            "gain": round(place.reported_gain, 4),
            "worst": round(place.reported_worst, 4),
            "worst_where_chosen": round(place.worst, 4),
            "ours": round(ours if gets_there else ours * place.gain / gain, 4),
        }
    return {
        "gain": round(look["report"]["gain"], 4),
        "worst": round(ours, 4),
        "worst_where_chosen": round(worst(look["choose"]), 4),
        "methods": methods,
    }


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts over all plans against the bars.

    Args:
        rows: Of `plan_row`.

    Returns:
        How many lose at most half of what a method loses, of those plans where it loses something; how many
        no more; the ratios; how much larger the front is than the best method's; how many are retained, and
        how many would be under each method at the same gain.
    """
    found = [row for row in rows if row["at_matched_gain"]]
    pairs = [row["at_matched_gain"] for row in found]
    # A method that was not run in every seed is compared in the rows alone.
    run = [m for m in METHODS if pairs and all(m in pair["methods"] for pair in pairs)]
    return {
        "num_plans": len(rows),
        "num_with_a_protocol": len(found),
        "num_compared": {name: sum(loses(pair, name) for pair in pairs) for name in run},
        "at_most_half_of": {
            name: sum(is_at_most(pair, name, 0.5) for pair in pairs if loses(pair, name))
            for name in run
        },
        "at_most_half_of_lora_and_full": sum(
            all(loses(pair, m) and is_at_most(pair, m, 0.5) for m in ("lora", "full"))
            for pair in pairs
        ),
        "no_worse_than": {name: sum(is_at_most(pair, name, 1.0) for pair in pairs) for name in run},
        "no_worse_than_the_best_method": sum(
            all(is_at_most(pair, m, 1.0) for m in pair["methods"]) for pair in pairs
        ),
        "ratio_by_task": {
            task: {name: over_seeds(found, task, name) for name in run}
            for task in sorted({row["task"] for row in rows})
        },
        "front_over_the_best_method": {
            f"{most:g}": {
                f"{row['task']}-{row['seed']}": over_best(row["hypervolume"][f"{most:g}"])
                for row in rows
            }
            for most in MOST_LOSSES
        },
        "retained_on_unseen_items": {
            how: sum(row["is_retained_on_unseen_items"][how] for row in found)
            for how in ("by_mean", "by_bound")
        },
        "retained_by_mean_under_methods": {
            name: sum(pair["methods"][name]["worst"] <= 1 for pair in pairs) for name in run
        },
        "verdicts": dict(Counter(row["verdict"] for row in rows)),
    }


def over_seeds(rows: Sequence[dict[str, Any]], task: str, method: str) -> dict[str, Any]:
    """Worst losses of the plans of one task over a method's, seed by seed and of the means over seeds.

    Args:
        rows: With a protocol.
        task: Which.
        method: Which.

    Returns:
        Both, None where the method loses nothing; and in how many seeds it gains as much.
    """
    others = [row["at_matched_gain"]["methods"][method] for row in rows if row["task"] == task]
    ours, theirs = (sum(max(0.0, o[name]) for o in others) for name in ("ours", "worst"))
    return {
        "by_seed": [ratio(other) for other in others],
        "of_means": round(ours / theirs, 3) if theirs > 0 else None,
        "gets_there": sum(other["gets_there"] for other in others),
    }


def over_best(areas: dict[str, float]) -> float | None:
    """The plan's area over the largest of any method; None where there is none."""
    best = max((areas[method] for method in METHODS if method in areas), default=0.0)
    return round(areas["plan"] / best, 4) if best > 0 else None


def ratio(other: dict[str, Any]) -> float | None:
    """Our worst loss over a method's where both gain as much; None where it loses nothing."""
    return round(max(0.0, other["ours"]) / other["worst"], 3) if other["worst"] > 0 else None


def loses(pair: dict[str, Any], method: str) -> bool:
    """Whether a method loses enough to be compared with."""
    return bool(pair["methods"][method]["worst"] >= LEAST_LOSS)


def is_at_most(pair: dict[str, Any], method: str, share: float) -> bool:
    """Whether we lose at most so much of what a method loses."""
    other = pair["methods"][method]
    return bool(max(0.0, other["ours"]) <= share * max(0.0, other["worst"]))


def main() -> None:
    """Write or check the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    folders = sorted(path.name for path in (HERE / "plans").iterdir())
    text = json.dumps({plans: judged(plans) for plans in folders}, indent=1) + "\n"
    path = HERE / "result.json"
    if not parser.parse_args().check:
        path.write_text(text)
    elif path.read_text() != text:
        sys.exit(f"{path.name} is not what the records say; run python -m evidence.protocols.judge")


if __name__ == "__main__":
    main()
