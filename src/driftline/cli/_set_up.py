"""The run folder of a command that was given none."""

import re
from collections.abc import Sequence
from pathlib import Path


def default_folder(command: str, sources: Sequence[str], suites: Sequence[str]) -> Path:
    """Choose the folder of a run that was given none.

    Returns:
        A folder under `driftline-runs`, named by all of them.
    """
    models = (Path(name).name.removesuffix(".gguf") for name in sources)
    tested = (Path(name).name.removesuffix(".yaml") for name in suites)
    return Path("driftline-runs") / re.sub(r"[^\w.-]", "-", "-".join((command, *models, *tested)))
