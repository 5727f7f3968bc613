"""Draw the benchmark's figures for the page, from result and runs.

python -m evidence.forgetting.plots           # writes docs/images/forecast-*.svg
python -m evidence.forgetting.plots --check   # exit code 1 if a picture is not what the results say
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import altair
import vl_convert

from .judge import ENTRIES, RESULT, SPLITS, held_out
from .table import read_runs

IMAGES = Path(__file__).parents[2] / "docs" / "images"
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
COSTS = (0.05, 0.1, 0.2, 0.3)


def main() -> None:
    """Write, or check, every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    is_check, stale = parser.parse_args().check, []
    result = json.loads(RESULT.read_text())
    charts = {
        "forecast-predicted": predicted_against_real(),
        "forecast-coverage": coverage_by_level(result),
        "forecast-cost": error_against_cost(result),
    }
    for name, chart in charts.items():
        svg = vl_convert.vegalite_to_svg(chart.to_json()) + "\n"
        path = IMAGES / f"{name}.svg"
        if not path.exists() or not is_same_picture(path.read_text(encoding="utf-8"), svg):
            stale.append(path.name)
            if not is_check:
                path.write_text(svg, encoding="utf-8")
    if is_check and stale:
        sys.exit(f"{', '.join(stale)}: stale; run python -m evidence.forgetting.plots")


def is_same_picture(kept: str, made: str) -> bool:
    """Compare pictures whose points come from fits, which processors round differently.

    Args:
        kept: The committed SVG.
        made: The SVG of the results.

    Returns:
        True if texts and shapes are equal, and all coordinates within a pixel.
    """
    if _NUMBER.sub("#", kept) != _NUMBER.sub("#", made):
        return False
    pairs = zip(_NUMBER.findall(kept), _NUMBER.findall(made), strict=True)
    return all(abs(float(a) - float(b)) <= 1.0 for a, b in pairs)


def predicted_against_real() -> altair.LayerChart:
    """Every cell, held out by task, at a fifth of the run."""
    runs = read_runs("smollm2-135m")
    regions = {run.finished.run: run.region for run in runs}
    entry = next(e for e in ENTRIES if e.name == "driftline 0.2")
    cells = held_out(runs, entry, next(iter(SPLITS)))
    rows = [
        {"predicted": float(p), "real": float(a), "configs": regions[run]}
        for p, a, run in zip(cells.predicted, cells.clipped, cells.runs, strict=True)
    ]
    points = altair.Chart(altair.InlineData(values=rows)).mark_circle(size=28, opacity=0.65)
    found = points.encode(
        x=altair.X("predicted:Q", title="forecast loss (nats)"),
        y=altair.Y("real:Q", title="loss that came (nats)"),
        color=altair.Color("configs:N", title="configs"),
    ).properties(width=380, height=320)
    line = altair.Chart(altair.InlineData(values=[{"v": -1}, {"v": 3}])).mark_line(
        color="gray", strokeDash=[4, 4]
    )
    layered: altair.LayerChart = line.encode(x="v:Q", y="v:Q") + found
    return layered


def coverage_by_level(result: dict[str, Any]) -> altair.LayerChart:
    """The share of cells inside intervals of several levels."""
    rows = [
        {"level": float(level), "coverage": share, "held out by": split}
        for split, levels in result["coverage_by_level"].items()
        for level, share in levels.items()
    ]
    chart = altair.Chart(altair.InlineData(values=rows)).mark_line(point=True)
    found = chart.encode(
        x=altair.X("level:Q", title="level", scale=altair.Scale(domain=[0.5, 1.0])),
        y=altair.Y("coverage:Q", title="share inside", scale=altair.Scale(domain=[0.4, 1.0])),
        color="held out by:N",
    ).properties(width=380, height=260)
    line = altair.Chart(altair.InlineData(values=[{"v": 0.5}, {"v": 1.0}])).mark_line(
        color="gray", strokeDash=[4, 4]
    )
    layered: altair.LayerChart = line.encode(x="v:Q", y="v:Q") + found
    return layered


def error_against_cost(result: dict[str, Any]) -> altair.Chart:
    """Mean absolute error at each cost, ours and the truncated run's."""
    rows = [
        {
            "cost": cost,
            "mae": figures[f"{method} {cost}"]["mae_nats"],
            "series": f"{method}, by {split}",
        }
        for split, figures in result["held_out"].items()
        for method in ("driftline", "truncated")
        for cost in COSTS
        if f"{method} {cost}" in figures
    ]
    chart = altair.Chart(altair.InlineData(values=rows)).mark_line(point=True)
    found: altair.Chart = chart.encode(
        x=altair.X("cost:Q", title="share of the run's steps"),
        y=altair.Y("mae:Q", title="mean absolute error (nats)"),
        color=altair.Color("series:N", title=None),
    ).properties(width=380, height=260)
    return found


if __name__ == "__main__":
    main()
