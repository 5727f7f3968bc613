"""Judge the runs under the monitor that looks ahead: was the alarm in time, and was a healthy run accused?

python -m evidence.monitor.judge_ahead            # writes ahead/result.json
python -m evidence.monitor.judge_ahead --check    # or fails where it would be another
"""

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "ahead"
RESULT = FOLDER / "result.json"


def damaged(run: dict[str, Any]) -> dict[str, Any]:
    """One damaged run.

    Args:
        run: Its record.

    Returns:
        The first alarm, where the weights stood as it was raised, and the step that cost twice the
        tolerance; without looking ahead the alarm would have come with that loss.
    """
    worst = {int(step): loss for step, (_, loss) in run["worst_in_tolerances"].items()}
    first = min(run["alarms"], key=lambda alarm: alarm["step"], default=None)
    twice = min((step for step, loss in worst.items() if loss >= 2), default=None)
    steps = [0.0, *(worst[step] for step in sorted(worst))]
    stood = None if first is None else first["step"] - first["before_step"]
    return {
        "first_alarm": None if first is None else first["step"],
        "before_step": None if first is None else first["before_step"],
        "worst_in_tolerances_then": None if stood is None else worst.get(stood, 0.0),
        "worst_in_tolerances_after_the_step": None if first is None else worst.get(first["step"]),
        "twice_tolerance": twice,
        "worst_in_tolerances_at_end": worst[max(worst)],
        "largest_single_step": round(max(b - a for a, b in pairwise(steps)), 4),
        "is_alarm_before_twice": stood is not None and (twice is None or stood < twice),
        "named": sorted({alarm["detector"] for alarm in run["alarms"]}),
        "is_right_named": any(alarm["detector"] in run["expected"] for alarm in run["alarms"]),
    }


def of_model(records: list[dict[str, Any]]) -> dict[str, Any]:
    """All runs of one model.

    Args:
        records: Of `ahead`.

    Returns:
        The judgement.
    """
    found = {each["run"]: damaged(each) for each in records if each["fault"] != "none"}
    meant = {each["run"]: each for each in records if each["fault"] == "none"}
    ends = {name: list(run["worst_in_tolerances"].values())[-1] for name, run in meant.items()}
    # What is meant to be harmless may do harm all the same; that is no false alarm.
    healthy = {name: run for name, run in meant.items() if ends[name][1] <= 1}
    real = [each for each in found.values() if each["twice_tolerance"] is not None]
    return {
        "model": records[0]["model"],
        "watched": list(records[0]["tolerances"]),
        "damaged_runs": len(found),
        "lost_twice_the_tolerance": len(real),
        "alarm_before_twice": sum(each["is_alarm_before_twice"] for each in real),
        "alarm_before_the_step": sum(bool(each["before_step"]) for each in real),
        "without_looking_ahead": sum(
            each["worst_in_tolerances_after_the_step"] is not None
            and each["worst_in_tolerances_after_the_step"] < 2
            for each in real
        ),
        "right_named": sum(each["is_right_named"] for each in found.values()),
        "healthy_runs": len(healthy),
        "healthy_accused": {
            name: [(a["step"], a["detector"], a["capabilities"]) for a in run["alarms"]]
            for name, run in healthy.items()
            if run["alarms"]
        },
        "healthy_worst_in_tolerances_at_the_end": {name: ends[name][1] for name in healthy},
        "meant_healthy_and_beyond_at_the_end": {
            name: {
                "worst": ends[name][0],
                "in_tolerances": ends[name][1],
                "first_alarm": min((a["step"] for a in run["alarms"]), default=None),
            }
            for name, run in meant.items()
            if name not in healthy
        },
        "checks_a_healthy_run": [len(run["checks"]) for run in healthy.values()],
        "damaged": found,
    }


def main() -> None:
    """Judge every model that was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with result.json")
    wanted = parser.parse_args()
    found = []
    for folder in sorted(path for path in FOLDER.iterdir() if path.is_dir()):
        records = [
            json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))
        ]
        found += [of_model(records)] if records else []
    text = json.dumps(found, indent=1) + "\n"
    if wanted.check:
        if RESULT.read_text(encoding="utf-8") != text:
            sys.exit(
                f"{RESULT}: is not what the runs give; run python -m evidence.monitor.judge_ahead"
            )
        return
    RESULT.write_text(text, encoding="utf-8")
    for each in found:
        print(json.dumps(each, indent=1))


if __name__ == "__main__":
    main()
