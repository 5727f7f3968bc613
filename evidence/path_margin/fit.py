"""Fit the path calibration on finished runs, and judge it on runs that it has not seen.

python -m evidence.path_margin.fit          # writes result.json and the calibration
python -m evidence.path_margin.fit --check  # exit code 1 if they would change
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from driftline.analyses import Exponent, PathCalibration, PathLosses, predicted_losses
from driftline.capabilities import read_suite
from driftline.errors import RunError
from driftline.stats import conformal_quantile, first_crossing

HERE = Path(__file__).parent
CALIBRATION = HERE.parents[1] / "src" / "driftline" / "analyses/margins/path_calibration.json"
PROBE = (3, 6, 9, 12)
NUM_STEPS = 60
LEVEL = 0.9
LARGEST_NATS = 1.5
"""Rises beyond it count as this much: how far a ruined capability is ruined is not the question."""
SMALLEST_NATS = 0.05
"""Smaller losses say nothing about a ratio."""
FACTOR = 1.5
RATE_PAIRS = (
    ("gsm8k-full-1e-4", "gsm8k-full-3e-4"),
    ("tatoeba-full-1e-4", "tatoeba-full-3e-4"),
)

Run = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One capability of one finished run."""

    run: str
    capability: str
    tolerance: float
    rates: tuple[float, ...]
    steps: tuple[int, ...]
    """At which the run was scored."""
    losses: numpy.ndarray

    @property
    def seen(self) -> numpy.ndarray:
        """What the probe sees of it."""
        return self.losses[: len(PROBE)]

    @property
    def critical(self) -> float | None:
        """The step at which it really passed its tolerance."""
        return first_crossing(numpy.array(self.steps, dtype=float), self.losses, self.tolerance)

    @property
    def is_open(self) -> bool:
        """Whether the probe ends before the tolerance is passed."""
        return self.critical is None or self.critical > PROBE[-1]

    @property
    def is_late(self) -> bool:
        """Whether it is passed after the probe."""
        return self.critical is not None and self.critical > PROBE[-1]

    @property
    def errors(self) -> numpy.ndarray:
        """Of the predicted rise after the probe, at each later scored step."""
        later = [step for step in self.steps if step > PROBE[-1]]
        curve = predicted_losses(self.rates, PROBE, self.seen)
        rise = numpy.array([curve[step - PROBE[-1]] for step in later]) - self.seen[-1]
        real = self.losses[len(PROBE) :] - self.seen[-1]
        found: numpy.ndarray = numpy.clip(real, -LARGEST_NATS, LARGEST_NATS) - rise
        return found


def main() -> None:
    """Write, or check, the calibration and the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    runs = [json.loads(path.read_text()) for path in sorted((HERE / "runs").glob("*.json"))]
    written = {
        CALIBRATION: calibrate(runs).to_json(),
        HERE / "result.json": json.dumps(judge(runs), indent=1) + "\n",
    }
    if check:
        sys.exit(any(path.read_text() != text for path, text in written.items()))
    for path, text in written.items():
        path.write_text(text)
    result = json.loads(written[HERE / "result.json"])
    print(json.dumps({k: v for k, v in result.items() if k != "cells"}, indent=1))


def cells(runs: Sequence[Run]) -> Iterator[Cell]:
    """One cell a capability and run."""
    tolerances = {c.name: c.tolerance for c in read_suite("core-0.1").capabilities}
    for run in runs:
        true = run["trajectories"]["1"]
        for name, by_step in true["item_losses"].items():
            if name in tolerances:
                steps = tuple(int(step) for step in by_step)
                losses = numpy.array([numpy.mean(values) for values in by_step.values()])
                yield Cell(run["run"], name, tolerances[name], _rates(true), steps, losses)


def _rates(trajectory: dict[str, Any]) -> tuple[float, ...]:
    """Of every step: the evidence's runs have a linear warm-up and a cosine to 0."""
    config = trajectory["config"]
    peak, warmup = config["learning_rate"], config["warmup_steps"]
    after = NUM_STEPS - warmup
    rates = tuple(
        peak * (s / warmup if s < warmup else (1 + math.cos(math.pi * (s - warmup) / after)) / 2)
        for s in range(NUM_STEPS)
    )
    for step, total in trajectory["summed_learning_rate"].items():
        assert math.isclose(sum(rates[: int(step)]), total, rel_tol=1e-6)
    return rates


def calibrate(runs: Sequence[Run]) -> PathCalibration:
    """The calibration that ships.

    Args:
        runs: Finished runs, all scored at the same steps.

    Returns:
        The document.
    """
    every = list(cells(runs))
    shares, scales, quantile = _band(every)
    rate = _exponent(_rate_exponents(runs))
    return PathCalibration(
        schema_="driftline/path-calibration/1",
        model=runs[0]["base"]["source"],
        model_digest=runs[0]["base"]["digest"],
        num_runs=len(runs),
        num_cells=sum(cell.is_open for cell in every),
        shares=tuple(round(share, 4) for share in shares),
        scales_nats=tuple(round(scale, 4) for scale in scales),
        quantile=round(quantile, 3),
        num_passing=sum(cell.is_late for cell in every),
        largest_loss_error_nats=round(_quantile([_largest_error(cell) for cell in every]), 3),
        rate_exponent=rate,
        steps_exponents={
            kind: _exponent(
                [rate.value - surplus for surplus in _surpluses(runs, lora=kind == "lora")]
            )
            for kind in ("full", "lora")
        },
        longest_num_steps=NUM_STEPS,
    )


Band = tuple[Sequence[float], Sequence[float], float]
"""Shares of the steps after the probe, a typical error at each, and how many of them to either side."""


def _band(every: Sequence[Cell]) -> Band:
    later = [step for step in every[0].steps if step > PROBE[-1]]
    shares = [0.0, *((step - PROBE[-1]) / (NUM_STEPS - PROBE[-1]) for step in later)]
    scales = [0.0, *numpy.median(numpy.abs([c.errors for c in every]), axis=0).tolist()]
    # Of those that pass: what never does is held by an open upper end, and would make bands narrow.
    return shares, scales, _quantile([_needed(c, shares, scales) for c in every if c.is_late])


def _needed(cell: Cell, shares: Sequence[float], scales: Sequence[float]) -> float:
    """How many scales to either side the bands must lie for their crossings to hold the real one.

    Returns:
        The nonconformity of nested sets (Gupta et al. 2022), to a hundredth.

    Raises:
        RunError: None up to 20 does.
    """
    for count in numpy.arange(0.0, 20.0, 0.01):
        if holds(_crossings(cell, shares, scales, float(count)), cell.critical):
            return float(count)
    raise RunError(f"{cell.run}, {cell.capability}: no band holds the real crossing")


def _crossings(
    cell: Cell, shares: Sequence[float], scales: Sequence[float], quantile: float
) -> tuple[float | None, float | None, float | None]:
    probe, losses = PROBE[-1], predicted_losses(cell.rates, PROBE, cell.seen)
    steps = numpy.arange(probe, NUM_STEPS + 1, dtype=float)
    halves = quantile * numpy.interp((steps - probe) / (NUM_STEPS - probe), shares, scales)
    measured = numpy.stack([cell.seen] * 3)  # the real crossing is that of the same items
    predicted = numpy.stack([losses, losses - halves, losses + halves])[:, 1:]
    path = PathLosses.joined(PROBE, measured, range(probe + 1, NUM_STEPS + 1), predicted)
    found = path.crossing(cell.tolerance)
    return found.value, found.low, found.high


def holds(found: tuple[float | None, float | None, float | None], real: float | None) -> bool:
    """Whether an interval of critical steps holds the real one; None is beyond the run."""
    _, low, high = (math.inf if end is None else end for end in found)
    value = math.inf if real is None else real
    return low - 1e-9 <= value <= high + 1e-9


def _largest_error(cell: Cell) -> float:
    curve = predicted_losses(cell.rates, PROBE, cell.seen)
    real = float(cell.losses[len(PROBE) - 1 :].max())
    last = float(cell.seen[-1])
    return abs(min(real - last, LARGEST_NATS) - (float(curve.max()) - last))


def _rate_exponents(runs: Sequence[Run]) -> list[float]:
    """Of the largest loss of each capability, between two runs that differ in learning rate."""
    found = []
    for slow, fast in RATE_PAIRS:
        pair = [next(run for run in runs if run["run"] == name) for name in (slow, fast)]
        rates = [run["trajectories"]["1"]["config"]["learning_rate"] for run in pair]
        losses = [_largest_losses(run, "1") for run in pair]
        found += _log_ratios(losses[0], losses[1], rates[1] / rates[0])
    return found


def _surpluses(runs: Sequence[Run], *, lora: bool) -> list[float]:
    """Rate exponent minus steps exponent, from replicas: a times the rate, an a-th of the steps."""
    return [
        exponent
        for run in runs
        for acceleration in ("5", "10")
        if bool(run["trajectories"]["1"]["config"].get("use_peft")) == lora
        for exponent in _log_ratios(
            _largest_losses(run, "1"), _largest_losses(run, acceleration), float(acceleration)
        )
    ]


def _largest_losses(run: Run, acceleration: str) -> dict[str, float]:
    """Of each capability, over what follows the first fifth."""
    found = {}
    for name, by_step in run["trajectories"][acceleration]["item_losses"].items():
        late = [v for step, v in by_step.items() if int(step) * int(acceleration) >= PROBE[-1]]
        if name != "target":
            found[name] = max(float(numpy.mean(values)) for values in late)
    return found


def _log_ratios(before: dict[str, float], after: dict[str, float], factor: float) -> list[float]:
    return [
        math.log(after[name] / before[name]) / math.log(factor)
        for name in before
        if min(before[name], after[name]) > SMALLEST_NATS
    ]


def _exponent(found: Sequence[float]) -> Exponent:
    low, value, high = numpy.quantile(found, [0.1, 0.5, 0.9])
    return Exponent(value=round(value, 3), low=round(low, 3), high=round(high, 3))


def _quantile(scores: Sequence[float]) -> float:
    """The conformal quantile, or the largest score where there are too few for it."""
    try:
        return conformal_quantile(numpy.array(scores), confidence_level=LEVEL)
    except RunError:
        return max(scores)


def judge(runs: Sequence[Run]) -> dict[str, Any]:
    """Every run by a calibration on the others.

    Args:
        runs: Finished runs.

    Returns:
        Figures over all cells, those of the capability that really passed first in each run, and rows.
    """
    rows = []
    for run in runs:
        others = [other for other in runs if other is not run]
        known = list(cells(others))
        band, error = _band(known), _quantile([_largest_error(cell) for cell in known])
        rows += [
            {**_row(cell, band), "largest_inside": _largest_error(cell) <= error}
            for cell in cells([run])
        ]
    firsts = [
        min(passed, key=lambda row: row["real_step"])
        for run in runs
        if (passed := [r for r in rows if r["run"] == run["run"] and r["real_step"] is not None])
    ]
    late = [row for row in rows if row["passed_after_the_probe"]]
    never = [row for row in rows if row["real_step"] is None]
    open_ = [*late, *never]
    return {
        "num_runs": len(runs),
        "first_to_pass": firsts,
        "first_inside": f"{sum(row['inside'] for row in firsts)} of {len(firsts)}",
        "first_within_factor": f"{sum(row['within_factor'] for row in firsts)} of {len(firsts)}",
        "first_passed_after_the_probe": sum(row["passed_after_the_probe"] for row in firsts),
        "num_cells": len(rows),
        "num_passed_within_the_probe": len(rows) - len(open_),
        "num_open_after_the_probe": len(open_),
        "of_these_inside": sum(row["inside"] for row in open_),
        "num_passed_after_the_probe": len(late),
        "of_the_passed_inside": sum(row["inside"] for row in late),
        "of_the_passed_within_factor": sum(row["within_factor"] for row in late),
        "num_never_passed": len(never),
        "of_the_never_called_passing": sum(row["step"] is not None for row in never),
        "of_the_never_cleared": sum(row["low"] is None for row in never),
        "largest_loss_inside": sum(row["largest_inside"] for row in rows),
        "num_rate_exponents": len(_rate_exponents(runs)),
        "num_steps_exponents": {
            kind: len(_surpluses(runs, lora=kind == "lora")) for kind in ("full", "lora")
        },
        "cells": rows,
    }


def _row(cell: Cell, band: Band) -> dict[str, Any]:
    found, real = _crossings(cell, *band), cell.critical
    step, low, high = (None if end is None else round(end, 1) for end in found)
    ratio = None if real is None or found[0] is None else max(found[0] / real, real / found[0])
    return {
        "run": cell.run,
        "capability": cell.capability,
        "real_step": None if real is None else round(real, 1),
        "step": step,
        "low": low,
        "high": high,
        "inside": holds(found, real),
        "within_factor": ratio is not None and ratio <= FACTOR,
        "passed_after_the_probe": real is not None and real > PROBE[-1],
    }


if __name__ == "__main__":
    main()
