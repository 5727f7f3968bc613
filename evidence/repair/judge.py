"""Judge the repairs against the bar, by unseen items alone.

python -m evidence.repair.judge            # result.json from runs/
python -m evidence.repair.judge --check    # is the committed one that?
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from driftline.results import Repair

HERE = Path(__file__).parent
ENOUGH, MOST_COST = 0.6, 0.05
"""The bar: share given back, and share of the target's gain given up."""


def main() -> None:
    """Write or check the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    text = json.dumps(judged(), indent=1) + "\n"
    path = HERE / "result.json"
    if not parser.parse_args().check:
        path.write_text(text)
    elif path.read_text() != text:
        sys.exit(f"{path.name} is not what the runs say; run python -m evidence.repair.judge")


def judged() -> dict[str, Any]:
    """What the records say, case by case, against the bar.

    Returns:
        Numbers of unseen items alone.
    """
    rows = []
    for path in sorted((HERE / "runs").glob("*.json")):
        record = json.loads(path.read_text())
        found = Repair.from_json(json.dumps(record["repair"]), origin=path.name)
        recovery, target = found.recovery, found.target
        assert target is not None
        back, share = recovery.given_back, target.gain_share
        rows.append(
            {
                "case": record["case"],
                "limit": record["limit"],
                "lost": list(recovery.lost),
                "given_back": back,
                "gain_given_up": None if share is None else 1 - share,
                "meets_bar": back is not None
                and share is not None
                and back >= ENOUGH
                and 1 - share <= MOST_COST,
                "family": found.chosen.family,
                "label": found.chosen.label,
                "output": found.output and found.output.kind,
                "verdict": found.verdict,
                "families": {
                    f.family: {"gain_share": f.best.gain_share, "damage": f.best.damage}
                    for f in found.families
                },
                "seconds": found.cost.wall_seconds,
            }
        )
    return {"bar": {"given_back": ENOUGH, "gain_given_up": MOST_COST}, "repairs": rows}


if __name__ == "__main__":
    main()
