"""The loop that evidence shares: make the runs that are missing, one record a file."""

import json
import math
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from driftline.models import LanguageModel, open_model


def make_missing_runs(
    runs: Path,
    names: Iterable[str],
    make_run: Callable[[LanguageModel, str, Path], dict[str, Any]],
    work: Path,
) -> None:
    """Make the records that are not there, on SmolLM2-135M.

    Args:
        runs: Folder of the records.
        names: Name of each record, without its ending.
        make_run: Gives the record of the model, a name, and a folder for scratch, in which a killed run
            resumes.
        work: Scratch; each run has a folder in it, which is removed when the record is written.
    """
    missing = [name for name in names if not (runs / f"{name}.json").exists()]
    if not missing:
        return
    base = open_model("smollm2-135m")
    runs.mkdir(exist_ok=True)
    for name in missing:
        print(name, flush=True)
        record = make_run(base, name, work / name)
        (runs / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
        shutil.rmtree(work / name)


def agrees(committed: object, found: object, *, error: float) -> bool:
    """Tell whether two results say the same, small digits apart: other processors round otherwise.

    Args:
        committed: JSON values.
        found: The same, made anew.
        error: Absolute or relative difference of two numbers with a fraction that is allowed.

    Returns:
        False also where a key or an element is missing.
    """
    if isinstance(committed, dict) and isinstance(found, dict):
        return committed.keys() == found.keys() and all(
            agrees(value, found[key], error=error) for key, value in committed.items()
        )
    if isinstance(committed, list) and isinstance(found, list):
        return len(committed) == len(found) and all(
            agrees(a, b, error=error) for a, b in zip(committed, found, strict=True)
        )
    if isinstance(committed, float) and isinstance(found, int | float):
        return math.isclose(committed, found, rel_tol=error, abs_tol=error)
    return committed == found
