"""Write the calibration that ships, from the benchmark's runs.

python -m evidence.forgetting.calibrate          # writes the calibration
python -m evidence.forgetting.calibrate --check  # exit code 1 if it would change
"""

import argparse
import sys
from pathlib import Path

from driftline.analyses import ForecastCalibration

from .grid import COLLAPSE_NATS
from .table import read_runs

ANALYSES = Path(__file__).parents[2] / "src" / "driftline" / "analyses"
SHIPPED = ANALYSES / "forecasting" / "forecast_calibration.json"
MODELS = ("smollm2-135m", "stories15m", "minimind2-small")


def main() -> None:
    """Write, or check, the calibration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    text = calibration().to_json()
    if parser.parse_args().check:
        sys.exit(SHIPPED.read_text() != text)
    SHIPPED.write_text(text)


def calibration(models: tuple[str, ...] = MODELS) -> ForecastCalibration:
    """The benchmark's runs of some models.

    Args:
        models: Folders under `runs/`.

    Returns:
        The table that forecasts are fitted to.
    """
    return ForecastCalibration(
        schema_="driftline/forecast-calibration/2",
        runs=tuple(run.finished for model in models for run in read_runs(model)),
        collapse_bound=COLLAPSE_NATS,
    )


if __name__ == "__main__":
    main()
