"""The document of `calibrate`: the number of finished runs that a calibration holds."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from ...results import Document


class Calibrated(Document):
    """A calibration that was put together, and where it was written."""

    schema_: Literal["driftline/calibrated/1"] = Field(
        default="driftline/calibrated/1", alias="schema"
    )
    verdict: None = None
    file: str
    """The calibration's file; it is gone where `out` was not given."""
    num_runs: int
    num_own: int


def calibrated_summary(document: Calibrated) -> str:
    """Return the text that the command prints."""
    path = Path(document.file)
    return (
        f"{path}: {document.num_runs} finished runs, {document.num_own} of them yours; "
        f"forecast from them with --calibration {path}\n"
    )
