"""What each arm forgot at one loss of the target, and how that compares with a random quarter.

    python -m evidence.protection.judge           # writes result.json
    python -m evidence.protection.judge --check   # exit code 1 if it would change

Forgetting of a capability is max(0, loss), where loss is its mean over items from the base in its own
unit; of a run, the mean of that over the ten capabilities. The map's arm and another of the same task and
seed are compared at the lowest target loss that both reach, by linear interpolation between scored steps.
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
DEVELOPMENT_SEED = 0
"""What counts as fragile was chosen on its runs."""
MIN_SEEDS = 3

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
    """The map's arm against every other, pair by pair, at the target loss that both reach.

    Args:
        runs: Of any tasks and seeds.

    Returns:
        `ratios`, map / rival, by task and over all, over the seeds that nothing was chosen on and over
        every seed; and `pairs`, a row a task, seed and rival.
    """
    arms = {(run["task"], run["seed"], run["arm"]): run for run in runs}
    pairs = [
        _pair(arms[task, seed, "map"], rival)
        for (task, seed, arm), rival in sorted(arms.items())
        if arm != "map" and (task, seed, "map") in arms
    ]
    fresh = [pair for pair in pairs if pair["seed"] != DEVELOPMENT_SEED]
    return {
        "ratios_on_fresh_seeds": _by_task(fresh),
        "ratios_on_every_seed": _by_task(pairs),
        "pairs": pairs,
    }


def _pair(ours: Run, theirs: Run) -> dict[str, Any]:
    curves = [_means(run["item_losses"]["target"]) for run in (ours, theirs)]
    level = max(min(curve.values()) for curve in curves)
    at = [_at(run, curve, level) for run, curve in zip((ours, theirs), curves, strict=True)]
    forgotten = [each["forgetting_nats"] if each else None for each in at]
    ratio = None
    if None not in forgotten and forgotten[1]:
        ratio = round(forgotten[0] / forgotten[1], 3)
    return {
        "task": ours["task"],
        "seed": ours["seed"],
        "rival": theirs["arm"],
        "target_change_nats": round(level, 4),
        "ratio": ratio,
        "reason": None if ratio else "one of them was there before its first scored step",
        "map": at[0],
        "theirs": at[1],
    }


def _at(run: Run, target: Mapping[int, float], level: float) -> dict[str, Any] | None:
    """One arm where its target first reaches the level, between two scored steps."""
    steps = list(target)
    after = next(n for n, step in enumerate(steps) if target[step] <= level)
    if after == 0:
        return None
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
        "forgetting_nats": round(float(numpy.mean(list(forgotten.values()))), 4),
        "worst_nats": round(max(forgotten.values()), 4),
        "share_frozen": run["share_frozen"],
        "losses_nats": {name: round(loss, 4) for name, loss in losses.items()},
    }


def _means(by_step: Mapping[str, Sequence[float]]) -> dict[int, float]:
    return {int(step): float(numpy.mean(items)) for step, items in by_step.items()}


def _by_task(pairs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Ratios by task, and over both: pairs of two tasks are no sample of one kind."""
    found = {}
    for task in sorted({pair["task"] for pair in pairs}):
        own = [pair for pair in pairs if pair["task"] == task]
        found[task] = {rival: _ratio(own, rival) for rival in RIVALS if _known(own, rival)}
    found["all"] = {
        rival: {"geometric_mean": _mean(_known(pairs, rival)), "by_pair": _known(pairs, rival)}
        for rival in RIVALS
        if _known(pairs, rival)
    }
    return found


def _ratio(pairs: Sequence[dict[str, Any]], rival: str) -> dict[str, Any]:
    """The geometric mean of the ratios, with a 90 % t interval where there are three seeds."""
    ratios = _known(pairs, rival)
    found: dict[str, Any] = {
        "geometric_mean": _mean(ratios),
        "by_seed": ratios,
        "interval_90": None,
    }
    if len(ratios) >= MIN_SEEDS:
        logs = numpy.log(ratios)
        half = scipy.stats.t.ppf(0.95, len(logs) - 1) * logs.std(ddof=1) / len(logs) ** 0.5
        ends = numpy.exp(logs.mean() + half * numpy.array([-1, 1]))
        found["interval_90"] = [round(float(end), 3) for end in ends]
    return found


def _known(pairs: Sequence[dict[str, Any]], rival: str) -> list[float]:
    return [pair["ratio"] for pair in pairs if pair["rival"] == rival and pair["ratio"]]


def _mean(ratios: Sequence[float]) -> float:
    return round(float(numpy.exp(numpy.mean(numpy.log(ratios)))), 3)


if __name__ == "__main__":
    main()
