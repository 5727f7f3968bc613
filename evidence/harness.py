"""The loop that evidence shares: make the runs that are missing, one record a file."""

import json
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
