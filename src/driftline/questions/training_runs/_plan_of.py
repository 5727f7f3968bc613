"""The plan that chose a protocol, found beside it."""

import json
from os import PathLike, fspath
from pathlib import Path


def plan_of(protocol: object) -> str | None:
    """Find the run folder of the plan that wrote a protocol.

    Args:
        protocol: As `train` takes it.

    Returns:
        The folder, as it was named; None where no plan that says which items chose lies beside the protocol.
    """
    if not isinstance(protocol, str | PathLike):
        return None
    path = Path(fspath(protocol))
    try:
        document = json.loads((path.parent / "report.json").read_text(encoding="utf-8"))
        is_plan = document["schema"] == "driftline/plan/1" and bool(
            document["provenance"]["chosen_on"]
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return str(path.parent) if is_plan and path.name == "protocol.yaml" else None
