"""How much of a lost capability repair gives back, and at which cost, on items that chose nothing.

    python -m evidence.repair.run --data FOLDER --models FOLDER   # makes the records that are missing
    python -m evidence.repair.run --judge                         # result.json from the records
    python -m evidence.repair.run --check                         # is the committed one that?

Each case is a real base that real fine-tuning has damaged (`damage.py`), repaired twice: with at most
5 % of the target's gain to give up, and with the tolerances alone as the limit. One JSON a repair in
`runs/`. Data are named by digest and read from the folder, never copied here.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from driftline.analyses import RepairRequest, repair
from driftline.engine import RunFolder
from driftline.models import open_model
from driftline.results import Repair

from .damage import CASES, damaged_model, suite

HERE = Path(__file__).parent
COSTS = {"cost-5": 0.05, "tolerances": None}
"""Share of the target's gain that may be given up; None for no limit."""
ENOUGH, MOST_COST = 0.6, 0.05
"""The bar: share given back, and share of the target's gain given up."""
NUM_SEARCH = 16


def main() -> None:
    """Make what is missing, or judge what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with ft_, lm_ and probe_ files")
    parser.add_argument("--models", type=Path, default=Path("build/models"))
    parser.add_argument("--work", type=Path, default=Path("build/repair"))
    parser.add_argument("--only", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--costs", nargs="*", choices=COSTS, default=list(COSTS))
    parser.add_argument("--judge", action="store_true")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.judge or arguments.check:
        text = json.dumps(judged(), indent=1) + "\n"
        if arguments.judge:
            (HERE / "result.json").write_text(text)
        elif (HERE / "result.json").read_text() != text:
            sys.exit("evidence/repair/result.json is not what the records say; run with --judge")
        return
    if arguments.data is None:
        parser.error("--data is needed to make records")
    (HERE / "runs").mkdir(exist_ok=True)
    for name in arguments.only:
        for cost in arguments.costs:
            path = HERE / "runs" / f"{name}-{cost}.json"
            if not path.exists():
                print(time.strftime("%H:%M:%S"), path.stem, flush=True)
                record = make_record(name, cost, arguments)
                path.write_text(json.dumps(record, indent=1) + "\n")


def make_record(name: str, cost: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Damage one model, unless that was done, and repair it.

    Args:
        name: A key of `CASES`.
        cost: A key of `COSTS`.
        arguments: Where things are.

    Returns:
        The document of the repair, without what only people who run it need.
    """
    case, work = CASES[name], arguments.work / name
    opened = open_model(str(arguments.models / case.model))
    work.mkdir(parents=True, exist_ok=True)
    tuned, held_out = damaged_model(opened, name, arguments.data, work)
    request = RepairRequest(
        opened,
        str(tuned),
        (suite(arguments.data),),
        data=held_out,
        max_cost=COSTS[cost],
        num_search_items=NUM_SEARCH,
    )
    out = work / "out"
    with RunFolder.open(out, name, outputs=(), force=False) as folder:
        found = repair(request, folder)
    return {"case": name, "cost": cost, **json.loads(found.to_json())}


def judged() -> dict[str, Any]:
    """What the records say, case by case, against the bar.

    Returns:
        Numbers of unseen items alone.
    """
    rows = []
    for path in sorted((HERE / "runs").glob("*.json")):
        record = json.loads(path.read_text())
        case, cost = record.pop("case"), record.pop("cost")
        found = Repair.from_json(json.dumps(record), origin=path.name)
        recovery, target = found.recovery, found.target
        assert target is not None
        back, share = recovery.given_back, target.gain_share
        rows.append(
            {
                "case": case,
                "cost": cost,
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
