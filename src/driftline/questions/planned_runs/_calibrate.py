"""`calibrate`: refit the forecast to finished runs of one's own."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError
from .. import inputs
from ..answers import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence


def calibrate(
    runs: "Sequence[str | Path]",
    *,
    out: object = None,
    only_own: bool = False,
    force: bool = False,
) -> Answer:
    """Put a calibration together from your own past runs.

    Args:
        runs: Folders of finished runs, each with `forecast.json` (the `report.json` of `forecast`) and
            `certification.json` (of `certify`, base against tuned).
        out: The calibration's file; None only checks the runs.
        only_own: Leave the shipped runs out; needs four of one's own.
        force: Replace the file.

    Returns:
        The answer.

    Raises:
        DataError: No run is given, or one cannot be read.
    """
    path = inputs.path_of(out, "--out")
    if path is not None:
        inputs.check_free(path, force=force)
    folders = [Path(run) for run in ([runs] if isinstance(runs, str | Path) else runs)]
    if not folders:
        raise DataError("no finished run is named; give its folder with --run")
    # Heavy, and not needed for --help.
    from driftline.analyses import calibrate as put_together
    from driftline.analyses import finished_run, shipped_calibration
    from driftline.parsing import read_text
    from driftline.results import Assessment, Certification

    from ..documents import Calibrated

    shipped = shipped_calibration()
    own = []
    for folder in folders:
        forecast = Assessment.from_json(
            read_text(folder / "forecast.json", DataError), origin=f"{folder}/forecast.json"
        )
        outcome = Certification.from_json(
            read_text(folder / "certification.json", DataError),
            origin=f"{folder}/certification.json",
        )
        own.append(finished_run(folder.resolve().name, forecast, outcome))
    made = put_together(own, None if only_own else shipped, collapse_bound=shipped.collapse_bound)
    with tempfile.TemporaryDirectory() as kept:
        target = Path(kept) / "calibration.json" if path is None else path
        inputs.write_file(target, made.to_json().encode(), force=force)
    document = Calibrated(file=str(target), num_runs=len(made.runs), num_own=len(own))
    return Answer(document)
