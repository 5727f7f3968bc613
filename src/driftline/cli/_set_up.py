"""Where a run goes that was given no folder."""

import re
from collections.abc import Sequence
from pathlib import Path


def default_folder(command: str, sources: Sequence[str], suites: Sequence[str]) -> Path:
    """Where a run goes that was given no folder.

    Args:
        command: What was asked.
        sources: Of which models.
        suites: On which suites.

    Returns:
        A folder under `driftline-runs`, named by all of them.
    """
    models = (Path(name).name.removesuffix(".gguf") for name in sources)
    tested = (Path(name).name.removesuffix(".yaml") for name in suites)
    return Path("driftline-runs") / re.sub(r"[^\w.-]", "-", "-".join((command, *models, *tested)))
