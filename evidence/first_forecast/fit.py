"""Fit the shipped calibration on the finished runs, and judge it on runs that it has not seen.

python -m evidence.first_forecast.fit          # writes result.json and the calibration
python -m evidence.first_forecast.fit --check  # exit code 1 if they would change
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy
import scipy.stats

from driftline.analyses import (
    CalibrationCell,
    ForecastCalibration,
    LossForecast,
    fit_exponent,
    forecast_loss,
    held_out_errors,
)
from driftline.capabilities import read_suite
from driftline.errors import RunError

HERE = Path(__file__).parent
CALIBRATION = HERE.parents[1] / "src" / "driftline" / "analyses" / "forecast_calibration.json"
PROBE, END = "12", "60"
FLOORS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
LEVEL = 0.9

Run = dict[str, Any]


def main() -> None:
    """Write, or check, the calibration and the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    runs = [json.loads(path.read_text()) for path in sorted((HERE / "runs").glob("*.json"))]
    floor = choose_floor(runs)
    written = {
        CALIBRATION: calibrate(runs, floor).to_json(),
        HERE / "result.json": json.dumps(judge(runs), indent=1) + "\n",
    }
    if check:
        sys.exit(any(path.read_text() != text for path, text in written.items()))
    for path, text in written.items():
        path.write_text(text)
    print(written[HERE / "result.json"])


def cells(runs: list[Run], *, target: bool = False) -> list[CalibrationCell]:
    """One cell a capability and run; or the targets alone."""
    return [
        CalibrationCell(
            run["run"],
            entry["loss"][PROBE],
            entry["loss"][END],
            run["summed_learning_rate"][END] / run["summed_learning_rate"][PROBE],
        )
        for run in runs
        for entry in run["capabilities"]
        if (entry["capability"] == "target") == target
    ]


def choose_floor(runs: list[Run]) -> float:
    """The floor with the narrowest intervals on average at the wanted coverage.

    Args:
        runs: Finished runs.

    Returns:
        One of `FLOORS`.
    """
    every = cells(runs)

    def width(floor: float) -> float:
        made = [_forecast(cell, 0.0, floor, as_it_is(every, floor)) for cell in every]
        return float(numpy.mean([f.high - f.low for f in made]))

    return min(FLOORS, key=width)


def as_it_is(runs_cells: list[CalibrationCell], floor: float) -> tuple[float, ...]:
    """Relative errors of the probe's loss taken as it is, ascending; nothing is fitted.

    Args:
        runs_cells: Cells of finished runs.
        floor: As `choose_floor` chose it.

    Returns:
        One error a cell.
    """
    return tuple(
        sorted(abs(c.final_loss - c.probe_loss) / (abs(c.probe_loss) + floor) for c in runs_cells)
    )


def calibrate(runs: list[Run], floor: float) -> ForecastCalibration:
    """The calibration that ships.

    Args:
        runs: Finished runs.
        floor: As `choose_floor` chose it.

    Returns:
        The document.
    """
    every, targets = cells(runs), cells(runs, target=True)
    rates = [run["config"]["learning_rate"] for run in runs]
    return ForecastCalibration(
        schema_="driftline/forecast-calibration/1",
        model=runs[0]["base"]["source"],
        model_digest=runs[0]["base"]["digest"],
        num_runs=len(runs),
        num_cells=len(every),
        growth_exponent=0.0,  # a fitted one did worse on runs left out: `judge`
        floor_nats=floor,
        relative_errors=_rounded(as_it_is(every, floor)),
        target_growth_exponent=fit_exponent(targets, floor=floor),
        target_relative_errors=_rounded(held_out_errors(targets, floor=floor)),
        learning_rate_range=(min(rates), max(rates)),
    )


def judge(runs: list[Run]) -> dict[str, Any]:
    """How good the forecast is on runs of which its calibration, the floor too, has seen nothing.

    Args:
        runs: Finished runs.

    Returns:
        Figures over all capability x run cells, and a row a run.
    """
    tolerances = {c.name: c.tolerance for c in read_suite("core").capabilities}
    predicted: list[float] = []
    actual: list[float] = []
    grown: list[float] = []
    covered: list[bool] = []
    called: list[str] = []
    rows = []
    for run in runs:
        other_runs = [other for other in runs if other is not run]
        others, floor = cells(other_runs), choose_floor(other_runs)
        exponent = fit_exponent(others, floor=floor)
        own = cells([run])
        made = [_forecast(cell, 0.0, floor, as_it_is(others, floor)) for cell in own]
        predicted += [f.value for f in made]
        actual += [cell.final_loss for cell in own]
        grown += [cell.probe_loss * cell.clock_ratio**exponent for cell in own]
        inside = [f.low <= c.final_loss <= f.high for f, c in zip(made, own, strict=True)]
        covered += inside
        names = [c["capability"] for c in run["capabilities"] if c["capability"] != "target"]
        called += [
            _called(f, c.final_loss, tolerances[name])
            for f, c, name in zip(made, own, names, strict=True)
        ]
        rows.append(
            {**_worst(run, [f.value for f in made], tolerances), "num_covered": sum(inside)}
        )
    return {
        "num_runs": len(runs),
        "num_cells": len(actual),
        "forecast": _figures(predicted, actual),
        "rival_with_fitted_growth": _figures(grown, actual),
        "interval_level": LEVEL,
        "interval_coverage": round(float(numpy.mean(covered)), 3),
        "verdicts": {kind: called.count(kind) for kind in sorted(set(called))},
        "runs": rows,
    }


def _called(forecast: LossForecast, final_loss: float, tolerance: float) -> str:
    """What the forecast says of one capability, and what came."""
    came = "lost" if final_loss > tolerance else "retained"
    if forecast.high <= tolerance:
        return f"called retained, was {came}"
    return f"called {'lost' if forecast.low > tolerance else 'inconclusive'}, was {came}"


def _worst(run: Run, predicted: list[float], tolerances: dict[str, float]) -> dict[str, Any]:
    """The capability that the forecast names first, and the one that really fell furthest."""
    watched = [c for c in run["capabilities"] if c["capability"] != "target"]
    names = [str(c["capability"]) for c in watched]
    final = [c["loss"][END] for c in watched]

    def first(losses: list[float], *, relative: bool) -> str:
        scale = [tolerances[name] if relative else 1.0 for name in names]
        scaled = [loss / unit for loss, unit in zip(losses, scale, strict=True)]
        return names[int(numpy.argmax(scaled))]

    return {
        "run": run["run"],
        "named_worst_in_nats": first(predicted, relative=False),
        "really_worst_in_nats": first(final, relative=False),
        "loss_of_really_worst_nats": round(max(final), 3),
        "named_worst_in_tolerances": first(predicted, relative=True),
        "really_worst_in_tolerances": first(final, relative=True),
    }


def _forecast(
    cell: CalibrationCell, exponent: float, floor: float, errors: tuple[float, ...]
) -> LossForecast:
    try:
        return forecast_loss(
            cell.probe_loss,
            cell.clock_ratio,
            exponent=exponent,
            floor=floor,
            relative_errors=errors,
            confidence_level=LEVEL,
        )
    except RunError as error:
        raise SystemExit(f"too few runs to calibrate on: {error}") from error


def _figures(predicted: list[float], actual: list[float]) -> dict[str, float]:
    p, a = numpy.array(predicted), numpy.array(actual)
    residual = float(((p - a) ** 2).sum() / ((a - a.mean()) ** 2).sum())
    return {
        "r2": round(1 - residual, 3),
        "spearman": round(float(scipy.stats.spearmanr(p, a).statistic), 3),
        "mae_nats": round(float(numpy.abs(p - a).mean()), 3),
    }


def _rounded(numbers: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(number, 4) for number in numbers)


if __name__ == "__main__":
    main()
