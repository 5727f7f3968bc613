"""What each arm forgot at one loss of the target, and how that compares with a random quarter.

    python -m evidence.protection.judge           # writes result.json
    python -m evidence.protection.judge --check   # exit code 1 if it would change

Forgetting of a capability is max(0, loss), where loss is its mean over items from the base in its own
unit; of a run, the mean of that over the ten capabilities. Arms of one task and seed are compared at the
lowest target loss that all of them reach, each by linear interpolation between its scored steps.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import scipy.stats

HERE = Path(__file__).parent
RIVALS = ("random", "bottom", "attention", "nothing")

Run = dict[str, Any]


def main() -> None:
    """Write, or check, the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    runs = [json.loads(path.read_text()) for path in sorted((HERE / "runs").glob("*.json"))]
    text = json.dumps(judge(runs), indent=1) + "\n"
    if check:
        sys.exit((HERE / "result.json").read_text() != text)
    (HERE / "result.json").write_text(text)
    print(text)


def judge(runs: Sequence[Run]) -> dict[str, Any]:
    """Every arm at matched target loss, and the ratios of the map's arm to the others.

    Args:
        runs: Of any tasks and seeds; those that lack the map or the random arm are left out.

    Returns:
        `matched`, a row a task and seed; `ratios`, per task and over all, map / rival of the mean
        forgetting over seeds, with the t interval of the log ratio over pairs of runs.
    """
    rows = []
    for task, seed in sorted({(run["task"], run["seed"]) for run in runs}):
        arms = {r["arm"]: r for r in runs if (r["task"], r["seed"]) == (task, seed)}
        if {"map", "random"} <= set(arms):
            rows.append({"task": task, "seed": seed, **matched(arms)})
    tasks = sorted({row["task"] for row in rows})
    return {
        "ratios": {
            **{task: _ratios([row for row in rows if row["task"] == task]) for task in tasks},
            "all": _ratios(rows),
        },
        "matched": rows,
    }


def matched(arms: Mapping[str, Run]) -> dict[str, Any]:
    """The arms of one task and seed at the lowest target loss that all reach.

    Args:
        arms: By name.

    Returns:
        That loss (tuned - base), and each arm's step, forgetting and capabilities there.
    """
    curves = {arm: _means(run["item_losses"]["target"]) for arm, run in arms.items()}
    level = max(min(curve.values()) for curve in curves.values())
    return {
        "target_change_nats": round(level, 4),
        "arms": {arm: _at(run, curves[arm], level) for arm, run in arms.items()},
    }


def _at(run: Run, target: Mapping[int, float], level: float) -> dict[str, Any]:
    """One arm where its target first reaches the level, between two scored steps."""
    steps = list(target)
    after = next(n for n, step in enumerate(steps) if target[step] <= level)
    if after == 0:
        # Reached before the first scored step: what it forgot there is the most that it had.
        first, second, share = steps[0], steps[0], 1.0
    else:
        first, second = steps[after - 1], steps[after]
        share = (level - target[first]) / (target[second] - target[first])
    losses = {}
    for name, items in run["item_losses"].items():
        if name != "target":
            means = _means(items)
            losses[name] = (1 - share) * means[first] + share * means[second]
    forgotten = {name: max(0.0, loss) for name, loss in losses.items()}
    return {
        "step": round((1 - share) * first + share * second, 1),
        "target_change_nats": round((1 - share) * target[first] + share * target[second], 4),
        "forgetting_nats": round(float(numpy.mean(list(forgotten.values()))), 4),
        "worst_nats": round(max(forgotten.values()), 4),
        "mean_loss_nats": round(float(numpy.mean(list(losses.values()))), 4),
        "share_frozen": run["share_frozen"],
        "losses_nats": {name: round(loss, 4) for name, loss in losses.items()},
    }


def _means(by_step: Mapping[str, Sequence[float]]) -> dict[int, float]:
    return {int(step): float(numpy.mean(items)) for step, items in by_step.items()}


def _ratios(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = {}
    for rival in RIVALS:
        pairs = [
            (row["arms"]["map"]["forgetting_nats"], row["arms"][rival]["forgetting_nats"])
            for row in rows
            if rival in row["arms"]
        ]
        if not pairs:
            continue
        ours, theirs = numpy.array(pairs).T
        found[f"map / {rival}"] = {
            "ratio_of_means": round(float(ours.mean() / theirs.mean()), 3),
            "by_pair": [round(float(ratio), 3) for ratio in ours / theirs],
            **_interval(ours, theirs),
        }
    return found


def _interval(ours: numpy.ndarray, theirs: numpy.ndarray) -> dict[str, Any]:
    """The geometric mean of the ratios, with a 90 % interval where there are pairs enough."""
    if len(ours) < 2 or (ours <= 0).any() or (theirs <= 0).any():
        return {}
    logs = numpy.log(ours / theirs)
    half = scipy.stats.t.ppf(0.95, len(logs) - 1) * logs.std(ddof=1) / len(logs) ** 0.5
    low, middle, high = numpy.exp(logs.mean() + half * numpy.array([-1, 0, 1]))
    return {
        "geometric_mean": round(float(middle), 3),
        "interval_90": [round(float(low), 3), round(float(high), 3)],
    }


if __name__ == "__main__":
    main()
