"""Judge the measured runs: was the right failure named, in time, and where did a roll-back lead?

python -m evidence.monitor.judge evidence/monitor/stories15m.json
"""

import argparse
import json
from pathlib import Path
from typing import Any


def judged(run: dict[str, Any], back: dict[str, Any] | None) -> dict[str, Any]:
    """One damaged run.

    Args:
        run: With the action `log`.
        back: The same with `roll_back`; None where it was not made.

    Returns:
        Steps of the first alarm, of the first measured breach that was warned of, and of the first
        check at which the worst required capability had lost twice its tolerance; whether one of
        the expected detectors raised an alarm; what a roll-back led to.
    """
    alarms, checks = run["alarms"], run["checks"]
    warned = [c["step"] for c in checks if c["worst_in_tolerances"] > 1]
    twice = [c["step"] for c in checks if c["worst_in_tolerances"] >= 2]
    first = min((a["step"] for a in alarms), default=None)
    named = sorted({a["detector"] for a in alarms})
    done = back["roll_back"] if back is not None else None
    return {
        "first_alarm": first,
        "first_measured_breach": min(warned, default=None),
        "twice_tolerance": min(twice, default=None),
        "worst_in_tolerances_at_end": checks[-1]["worst_in_tolerances"] if checks else None,
        "named": named,
        "expected": run["expected"],
        "is_right_named": any(name in run["expected"] for name in named),
        "is_alarm_before_twice": first is not None and first < min(twice, default=first + 1),
        "is_alarm_by_twice": first is not None and first <= min(twice, default=first),
        "is_breach_seen_before_twice": bool(warned)
        and min(warned) < min(twice, default=min(warned) + 1),
        "rolled_back_to": None if done is None else done.get("to_step"),
        "beyond_after_roll_back": None if done is None else done.get("required_beyond_tolerance"),
    }


def main() -> None:
    """Print and write the judgement beside the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measured", type=Path)
    wanted = parser.parse_args()
    runs = json.loads(wanted.measured.read_text(encoding="utf-8"))["runs"]
    damaged = {
        name.removesuffix("/log"): judged(run, runs.get(name.replace("/log", "/roll_back")))
        for name, run in runs.items()
        if run["fault"] != "none" and name.endswith("/log")
    }
    healthy = {name: run for name, run in runs.items() if run["fault"] == "none"}
    accused = {
        name.removesuffix("/log"): [
            (a["step"], a["detector"], a["capabilities"]) for a in run["alarms"]
        ]
        for name, run in healthy.items()
        if run["alarms"]
    }
    document = {
        "damaged": damaged,
        "healthy": {
            "runs": len(healthy),
            "accused": accused,
            "largest_worst_in_tolerances": max(
                (c["worst_in_tolerances"] for run in healthy.values() for c in run["checks"]),
                default=None,
            ),
        },
    }
    out = wanted.measured.with_name(wanted.measured.stem + "_judged.json")
    out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for name, found in damaged.items():
        print(name, found)
    print("healthy:", len(healthy), "accused:", accused)


if __name__ == "__main__":
    main()
