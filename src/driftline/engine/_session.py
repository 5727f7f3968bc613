"""Open the run folder's store and an engine on it; every analysis starts here."""

import contextlib
from collections.abc import Iterator

from ..models import LanguageModel, ScoringOptions
from .evaluation import Engine, Meter
from .remote import RayOptions, open_engine
from .storage import ResultStore, RunFolder, disk_errors_named


@contextlib.contextmanager
def open_session(
    folder: RunFolder,
    opened: LanguageModel,
    options: ScoringOptions,
    meter: Meter,
    *,
    ray: RayOptions | None = None,
) -> Iterator[Engine]:
    """Open the store of a run folder and an engine on it, while the block runs.

    Args:
        folder: Holds the store, and the directions that travel to other processes.
        opened: The model.
        options: How scores are computed.
        meter: Told about progress.
        ray: Compute on Ray; None for this process.

    Yields:
        The engine; what it scores is in the store at once.

    Raises:
        ConfigError: Ray is not installed, no cluster answers, or it has not what is asked for.
        OutputError: The disk is full, or the folder cannot be written; the message names it.
        RunError: Ray cannot start on this machine.
    """
    with (
        disk_errors_named(folder.path),
        ResultStore(folder.store) as store,
        open_engine(opened, store, options, meter, directions=folder.directions, ray=ray) as engine,
    ):
        yield engine
