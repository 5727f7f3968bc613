"""Write the calibration that ships, and the forecasters fitted to it.

    python -m evidence.realistic.calibrate          # writes both
    python -m evidence.realistic.calibrate --check  # exit code 1 if they would change

It holds the runs of this benchmark, in probabilities, and those of the toy regime, in margins; texts are in
nats per token in both. In probabilities nothing is fitted to the toy regime, where a step of two short examples is
noisier. Its runs of SmolLM2-135M are held aside there: they widen the spread for models that no fitted run is of, as long as
no model of this benchmark can be left out, because the others have fewer than four runs.
"""

import argparse
import math
import sys
from collections import Counter
from pathlib import Path

from driftline.analyses import FittedForecasters, ForecastCalibration, fit_all

from ..forgetting.calibrate import calibration as toy_calibration
from .finished import finished_run, in_probability, is_whole, read_records

FOLDER = Path(__file__).parents[2] / "src/driftline/analyses/forecasting"
CALIBRATION = FOLDER / "forecast_calibration.json"
FITS = FOLDER / "forecaster_fits.json"
_RELATIVE_ERROR = 1e-2
"""Other processors round otherwise, and an optimiser stops a little elsewhere."""


def main() -> None:
    """Write, or check, calibration and fits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check, made = parser.parse_args().check, calibration()
    text, found = made.to_json(), fit_all(made)
    if not check:
        CALIBRATION.write_text(text)
        FITS.write_text(found.to_json())
        return
    held = FittedForecasters.from_json(FITS.read_text(), origin=str(FITS))
    same = _same(found.model_dump(), held.model_dump())
    sys.exit(CALIBRATION.read_text() != text or not same)


def calibration() -> ForecastCalibration:
    """Put the runs of both regimes together.

    Returns:
        The table that forecasts are fitted to.
    """
    toy = toy_calibration()
    realistic = [finished_run(record) for record in read_records() if is_whole(record)]
    num_runs = Counter(run.probe.model for run in realistic)
    realistic.sort(key=lambda run: -num_runs[run.probe.model])
    return toy.model_copy(update={"runs": (*realistic, *in_probability(), *toy.runs)})


def _same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=_RELATIVE_ERROR, abs_tol=1e-3)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return a == b


if __name__ == "__main__":
    main()
