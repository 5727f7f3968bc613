"""Check of a run folder for work that a later start could use, or that must not be replaced."""

import contextlib
import sqlite3
from pathlib import Path


def holds_work(folder: Path, ignored: frozenset[str], store: str) -> bool:
    """Tell whether a run folder holds anything that a later start could use.

    Args:
        ignored: Names that do not count: bookkeeping, and what was there before.
        store: Name of the result store, which counts where it holds scores.

    Returns:
        False where there is only bookkeeping, a store without scores, or empty folders.
    """
    for entry in folder.iterdir():
        if entry.name in ignored:
            continue
        if entry.name == store:
            if not _is_empty_store(entry):
                return True
        elif not entry.is_dir() or any(not path.is_dir() for path in entry.rglob("*")):
            return True
    return False


def _is_empty_store(path: Path) -> bool:
    """Tell whether a store holds no score, so that nothing is lost without it.

    Args:
        path: The store's file.

    Returns:
        True if it is empty; a file that cannot be read as a store is not.
    """
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as store:
            tables = {name for (name,) in store.execute("SELECT name FROM sqlite_master")}
            return not any(
                store.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()  # noqa: S608 - a fixed name
                for table in ("scores", "checks")
                if table in tables
            )
    except sqlite3.Error:
        return False
