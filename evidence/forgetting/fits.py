"""Fit every forecaster to the calibration that ships, so that no forecast has to.

python -m evidence.forgetting.fits          # writes the fits
python -m evidence.forgetting.fits --check  # exit code 1 if a fit anew gives others
"""

import argparse
import math
import sys
from pathlib import Path

from driftline.analyses import FittedForecasters, fit_all, shipped_calibration

ANALYSES = Path(__file__).parents[2] / "src" / "driftline" / "analyses"
SHIPPED = ANALYSES / "forecasting" / "forecaster_fits.json"
_RELATIVE_ERROR = 1e-3
"""Other processors round otherwise, and an optimiser stops a little elsewhere."""


def main() -> None:
    """Write, or check, the fits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    found = fit_all(shipped_calibration())
    if not parser.parse_args().check:
        SHIPPED.write_text(found.to_json())
        return
    held = FittedForecasters.from_json(SHIPPED.read_text(), origin=str(SHIPPED))
    sys.exit(not agree(found, held))


def agree(found: FittedForecasters, held: FittedForecasters) -> bool:
    """Compare two sets of fits.

    Args:
        found: One.
        held: The other.

    Returns:
        True where they are of one calibration and every number agrees to a thousandth.
    """
    if found.calibration_digest != held.calibration_digest or len(found.fits) != len(held.fits):
        return False
    return all(
        _same(a.model_dump(), b.model_dump()) for a, b in zip(found.fits, held.fits, strict=True)
    )


def _same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=_RELATIVE_ERROR, abs_tol=1e-9)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return a == b


if __name__ == "__main__":
    main()
