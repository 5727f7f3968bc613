"""How much of a lost capability repair gives back, and at which cost, on items that chose nothing.

    python -m evidence.repair.run --data FOLDER --models FOLDER   # makes the records that are missing
    python -m evidence.repair.judge                               # result.json from the records
    python -m evidence.repair.judge --check                       # is the committed one that?

Each case is a real base that real fine-tuning has damaged (`damage.py`), repaired twice: with at most
5 % of the target's gain to give up, and with the tolerances alone as the limit. One JSON a repair in
`runs/`. Data are named by digest and read from the folder, never copied here.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from driftline.analyses import RepairRequest, repair
from driftline.engine import RunFolder
from driftline.models import open_model

from .damage import CASES, damaged_model, suite

HERE = Path(__file__).parent
COSTS = {"cost-5": 0.05, "tolerances": None}
"""Share of the target's gain that may be given up; None for no limit."""
NUM_SEARCH = 32


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with ft_, lm_ and probe_ files"
    )
    parser.add_argument("--models", type=Path, default=Path("build/models"))
    parser.add_argument("--work", type=Path, default=Path("build/repair"))
    parser.add_argument("--only", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--costs", nargs="*", choices=COSTS, default=list(COSTS))
    arguments = parser.parse_args()
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
        The document of the repair, with what it is of.
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
    # Names of files without the place where they lay.
    text = found.to_json()
    for place in (arguments.work, arguments.models):
        text = text.replace(f"{place}/", "")
    return {"case": name, "limit": cost, "repair": json.loads(text)}


if __name__ == "__main__":
    main()
