"""The radius by search against the radius by a fine grid, on SmolLM2-135M.

    python -m evidence.radius.run [--work FOLDER]            # resumes; writes result.json
    python -m evidence.radius.run --assess [--work FOLDER]   # assess.json, against the grid of result.json

Two random directions and the straight line of the demo's probe; every capability of the shipped
suite, on as many items as an assessment takes. The grid is coarse everywhere, so that no earlier
crossing is missed, and has steps of 2 % around the crossing.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy

from driftline.analyses import Effort
from driftline.analyses.margins import FIRST_GUESS, LARGEST_NORM, SMALLEST_NORM
from driftline.analyses.probing import Line, LineScan, scan_lines
from driftline.capabilities import Capability, read_suite
from driftline.engine import LocalEngine, ResultStore
from driftline.models import (
    BASE,
    HeldDirection,
    LanguageModel,
    NoiseDirection,
    Trajectory,
    change_norms,
    numerics,
    open_model,
    plan_training,
    relative_norm,
)
from driftline.provenance import package_versions
from driftline.stats import ScaleGrid, first_crossing

from ..tasks import task_config, task_data

HERE = Path(__file__).parent
RATIO, ASSESS_RATIO = Effort().margin_ratio, Effort().assess_margin_ratio
"""As `margin` and `assess` have it."""
PROBE_STEP = 12


def main() -> None:
    """Scan, lay the grid, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/radius"))
    parser.add_argument("--assess", action="store_true", help="search as coarsely as assess does")
    arguments = parser.parse_args()
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    opened = open_model("smollm2-135m")
    ratio = ASSESS_RATIO if arguments.assess else RATIO
    scale_grid = ScaleGrid(ratio, SMALLEST_NORM, LARGEST_NORM)
    known = json.loads((HERE / "result.json").read_text()) if arguments.assess else None
    suite = read_suite("core-0.1")
    capabilities = tuple(c.sample(Effort().num_line_items, seed=0) for c in suite.capabilities)
    with ResultStore(work / "results.sqlite") as store:
        engine = LocalEngine(opened, store)
        rows = [
            row
            for line in lines(opened, work)
            for row in compare(engine, line, capabilities, scale_grid, known=known)
        ]
    found = [row for row in rows if row["relative_error"] is not None]
    errors = [row["relative_error"] for row in found]
    result = {
        "base": opened.provenance().model_dump(),
        "suite": suite.provenance().model_dump(),
        "numerics": numerics(opened, engine.options).model_dump(),
        "packages": package_versions(),
        "ladder_ratio": ratio,
        "num_curves": len(rows),
        "num_curves_that_pass": len(found),
        "mean_looks_a_curve": round(float(numpy.mean([row["looks"] for row in rows])), 2),
        "most_looks": max(row["looks"] for row in rows),
        "median_relative_error": round(float(numpy.median(errors)), 4),
        "share_within_5_percent": round(float(numpy.mean([e <= 0.05 for e in errors])), 3),
        "largest_relative_error": max(errors),
        "curves": rows,
    }
    (HERE / ("assess.json" if arguments.assess else "result.json")).write_text(
        json.dumps(result, indent=1) + "\n"
    )
    print(json.dumps({k: v for k, v in result.items() if k != "curves"}, indent=1))


def lines(opened: LanguageModel, work: Path) -> list[Line]:
    """Two random directions, and the change after the demo's probe."""
    data, config = task_data("demo", work, work), task_config("demo", {})
    plan = plan_training(opened, config, data)
    trajectory = Trajectory(opened, config, data, work / "directions", (PROBE_STEP,), plan)
    update = trajectory.direction(PROBE_STEP)
    norm = relative_norm(change_norms(opened, update).values())
    noise = [Line(f"noise {seed}", HeldDirection(NoiseDirection(seed))) for seed in (0, 1)]
    return [*noise, Line("update", HeldDirection(update), norm)]


def compare(
    engine: LocalEngine,
    line: Line,
    capabilities: tuple[Capability, ...],
    scale_grid: ScaleGrid,
    *,
    known: dict[str, Any] | None,
) -> list[dict[str, Any]]:
    """One line by search and by grid.

    Args:
        engine: Evaluates.
        line: Where.
        capabilities: What.
        scale_grid: Grid of the search.
        known: An earlier result whose grid is taken; None lays one.

    Returns:
        A row a capability.
    """
    base = engine.evaluate((BASE,), capabilities)
    guesses = dict.fromkeys((c.digest for c in capabilities), FIRST_GUESS)
    begun = time.monotonic()
    (scan,) = scan_lines(engine, [line], capabilities, scale_grid, base=base, guesses=guesses)
    seconds = time.monotonic() - begun
    wanted = (
        grid_radii(engine, line, scan, capabilities) if known is None else radii_in(known, line)
    )
    rows = []
    for capability in capabilities:
        curve = scan.curve(capability)
        square = first_crossing(
            curve.scales**2, curve.item_losses.mean(axis=1), capability.tolerance
        )
        own, grid = None if square is None else square**0.5, wanted[capability.name]
        error = None if own is None or grid is None else round(abs(own / grid - 1), 4)
        rows.append(
            {
                "line": line.label,
                "capability": capability.name,
                "looks": len(curve.scales),
                "by_search": own if own is None else round(own, 5),
                "by_grid": grid if grid is None else round(grid, 5),
                "relative_error": error,
                "seconds_of_the_line": round(seconds, 1),
            }
        )
    return rows


def grid_radii(
    engine: LocalEngine, line: Line, scan: LineScan, capabilities: tuple[Capability, ...]
) -> dict[str, float | None]:
    """Where each capability passes on a grid; None where it does not.

    Args:
        engine: Evaluates.
        line: Where.
        scan: Of the same line, which says where the grid is to be fine.
        capabilities: What.

    Returns:
        Name to relative norm.
    """
    norms = {c.digest: grid_norms(scan.crossing(c)) for c in capabilities}
    asked = sorted({norm for chosen in norms.values() for norm in chosen})
    grid = engine.evaluate_each(
        [(BASE, capabilities)]
        + [(line.point(n), [c for c in capabilities if n in norms[c.digest]]) for n in asked]
    )
    radii = {}
    for capability in capabilities:
        own = norms[capability.digest]
        fine = [grid.item_losses(line.point(n), capability, base=BASE).mean() for n in own]
        square = first_crossing(
            numpy.array(own) ** 2, numpy.array(fine, dtype=float), capability.tolerance
        )
        radii[capability.name] = None if square is None else square**0.5
    return radii


def radii_in(known: dict[str, Any], line: Line) -> dict[str, float | None]:
    """The same from an earlier result."""
    return {r["capability"]: r["by_grid"] for r in known["curves"] if r["line"] == line.label}


def grid_norms(crossing: float | None) -> list[float]:
    """A coarse grid over all norms, and a fine one, off the search grid, around a crossing.

    Args:
        crossing: Where the search found the tolerance passed; None where it did not.

    Returns:
        Norms, ascending.
    """
    coarse = numpy.geomspace(2e-3, 0.9, 22)
    fine: Any = () if crossing is None else crossing * 1.021 ** numpy.arange(-6.5, 2.0)
    return sorted({float(f"{norm:.5g}") for norm in (*coarse, *fine)})


if __name__ == "__main__":
    main()
