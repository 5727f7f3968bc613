"""What the commands that score a suite share: reading it, and working in a run folder."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from driftline.capabilities import Suite
    from driftline.engine import RunFolder

    from ._progress import ProgressPrinter


def read_suites(names: Sequence[str], printer: "ProgressPrinter") -> "tuple[Suite, ...]":
    """Read the suites, before anything heavy is loaded: a typo costs no wait.

    Args:
        names: As the user named them.
        printer: Says what is waited for.

    Returns:
        The suites.

    Raises:
        SuiteError: One of them is not right.
    """
    from driftline.capabilities import read_suite

    printer.note("reading the suites")
    suites = tuple(read_suite(name) for name in names)
    printer.note("loading PyTorch and transformers")
    return suites


@contextlib.contextmanager
def shown(printer: "ProgressPrinter", folder: "RunFolder") -> Iterator[None]:
    """Show the progress of the work in a run folder, and how it goes on if it is stopped.

    Args:
        printer: Shows it.
        folder: Where the work is kept.

    Yields:
        Nothing.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C; what was stored stays.
    """
    try:
        with printer:
            yield
    except KeyboardInterrupt:
        printer.note(f"stopped; the same command goes on from {folder.path}")
        raise


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
