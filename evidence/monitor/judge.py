"""Judge the measured runs: was the right failure named, in time, and where did a roll-back lead?

python -m evidence.monitor.judge            # writes result.json
python -m evidence.monitor.judge --check    # or fails where it would be another
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
RESULT = FOLDER / "result.json"
ALPHA = 0.05
"""Of the monitor's default settings, with which all runs were made."""


def judged(run: dict[str, Any], back: dict[str, Any] | None, needed: float) -> dict[str, Any]:
    """One damaged run.

    Args:
        run: With the action `log` and `act_on="measured"`.
        back: The same with `roll_back`; None where it was not made.
        needed: Log evidence at which `act_on="evidence"` would have spoken of a capability.

    Returns:
        Steps of the first alarm and of the first check at which the worst required capability had
        lost twice its tolerance; whether the alarm came before it, and whether one of the expected
        detectors spoke; what a roll-back led to.
    """
    checks, first = run["checks"], min((a["step"] for a in run["alarms"]), default=None)
    twice = min((c["step"] for c in checks if c["worst_in_tolerances"] >= 2), default=None)
    named = {a["detector"]: a["step"] for a in reversed(run["alarms"])}
    done = None if back is None else back["roll_back"]
    at_alarm = next((c for c in checks if c["step"] == first), None)
    return {
        "first_alarm": first,
        "worst_in_tolerances_then": at_alarm and round(at_alarm["worst_in_tolerances"], 2),
        "twice_tolerance": twice,
        "is_alarm_before_twice": first is not None and (twice is None or first < twice),
        "by_evidence": by_evidence(run, needed),
        "worst_in_tolerances_at_end": round(checks[-1]["worst_in_tolerances"], 2),
        "named": named,
        "expected": run["expected"],
        "is_right_named": any(name in run["expected"] for name in named),
        "rolled_back_to": None if done is None else done.get("to_step"),
        "beyond_after_roll_back": None if done is None else done.get("required_beyond_tolerance"),
    }


def by_evidence(run: dict[str, Any], needed: float) -> int | None:
    """The first alarm of the same run with `act_on="evidence"`.

    Args:
        run: Any run.
        needed: Log evidence.

    Returns:
        Its step; None where there was none.
    """
    others = [a["step"] for a in run["alarms"] if a["detector"] != "selective_capability_loss"]
    proven = [c["step"] for c in run["checks"] if max(c["log_evidence"].values()) >= needed]
    return min(others + proven, default=None)


def of_model(measured: dict[str, Any]) -> dict[str, Any]:
    """All runs of one model.

    Args:
        measured: What `measure` wrote.

    Returns:
        The judgement.
    """
    runs = measured["runs"]
    required = [name for name in measured["items"] if name not in measured["watched_only"]]
    needed = math.log(len(required) / ALPHA)
    damaged = {
        name.removesuffix("/log"): judged(run, runs.get(name.replace("/log", "/roll_back")), needed)
        for name, run in runs.items()
        if run["fault"] != "none" and name.endswith("/log")
    }
    meant = {name.removesuffix("/log"): run for name, run in runs.items() if run["fault"] == "none"}
    # What is meant to be harmless may do harm all the same; that is no false alarm.
    healthy = {n: run for n, run in meant.items() if run["checks"][-1]["worst_in_tolerances"] <= 1}
    ruinous = {name: run for name, run in damaged.items() if runs[f"{name}/log"]["fault"] == "ruin"}
    damaged = {name: run for name, run in damaged.items() if name not in ruinous}
    backs = [each["beyond_after_roll_back"] for each in damaged.values()]
    return {
        "model": measured["model"],
        "required": required,
        "damaged_runs": len(damaged),
        "alarm_before_twice": sum(each["is_alarm_before_twice"] for each in damaged.values()),
        "right_named": sum(each["is_right_named"] for each in damaged.values()),
        "alarm_by_evidence": sum(each["by_evidence"] is not None for each in damaged.values()),
        "rolled_back": sum(back is not None for back in backs),
        "all_within_after_roll_back": sum(back == [] for back in backs),
        "healthy_runs": len(healthy),
        "healthy_accused_measured": {
            name: [(a["step"], a["detector"], a["capabilities"]) for a in run["alarms"]]
            for name, run in healthy.items()
            if run["alarms"]
        },
        "healthy_accused_by_evidence": [
            name for name, run in healthy.items() if by_evidence(run, needed) is not None
        ],
        "healthy_worst_in_tolerances": {
            name: round(max(c["worst_in_tolerances"] for c in run["checks"]), 2)
            for name, run in healthy.items()
        },
        "meant_healthy_and_beyond_at_the_end": {
            name: {
                "worst": run["checks"][-1]["worst"],
                "in_tolerances": round(run["checks"][-1]["worst_in_tolerances"], 2),
                "first_alarm": min((a["step"] for a in run["alarms"]), default=None),
            }
            for name, run in meant.items()
            if name not in healthy
        },
        "largest_signal_of_healthy_runs": {
            key: _largest([c[key] for run in healthy.values() for c in run["checks"]])
            for key in ("curvature", "unpredictability", "kl_suite_nats", "representation_drift")
        },
        "largest_signal_of_damaged_runs": {
            name: {
                key: _largest([c[key] for c in runs[f"{name}/log"]["checks"]])
                for key in (
                    "curvature",
                    "unpredictability",
                    "kl_suite_nats",
                    "representation_drift",
                )
            }
            for name in (*damaged, *ruinous)
        },
        "checks_a_healthy_run": _mean([len(run["checks"]) for run in healthy.values()]),
        "damaged": damaged,
        "ruined_by_the_first_step": ruinous,
    }


def _largest(values: list[float | None]) -> float | None:
    return max((round(value, 3) for value in values if value is not None), default=None)


def _mean(numbers: list[int]) -> float | None:
    return round(sum(numbers) / len(numbers), 2) if numbers else None


def main() -> None:
    """Judge every model that was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with result.json")
    wanted = parser.parse_args()
    paths = sorted(path for path in FOLDER.glob("*.json") if path != RESULT)
    found = [of_model(json.loads(path.read_text(encoding="utf-8"))) for path in paths]
    text = json.dumps(found, indent=1) + "\n"
    if wanted.check:
        if RESULT.read_text(encoding="utf-8") != text:
            sys.exit(f"{RESULT}: is not what the runs give; run python -m evidence.monitor.judge")
        return
    RESULT.write_text(text, encoding="utf-8")
    for each in found:
        print(json.dumps(each, indent=1))


if __name__ == "__main__":
    main()
