"""The result store: what was scored is never scored again, also after a kill.

One SQLite file. A row is one capability at one point, under a key that is the digest of all that
the scores depend on. Rows that were scored together are written in one transaction.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import OutputError

_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class StoredScores:
    """One capability at one point, as it was scored."""

    values: dict[str, tuple[float, ...]]
    """Metric to one value an item."""
    num_tokens: int
    """Tokens that went through the model for it."""


class ResultStore:
    """Scores by key, in one SQLite file."""

    def __init__(self, path: Path) -> None:
        """Open the file, or begin it.

        Args:
            path: The SQLite file.

        Raises:
            OutputError: It is not a store of this version.
        """
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.DatabaseError as error:
            self.close()
            raise OutputError(f"{path}: not a result store ({error}); use another --out") from error
        if version not in (0, _SCHEMA_VERSION):
            self.close()
            raise OutputError(
                f"{path}: a result store of version {version}, and this Driftline writes "
                f"{_SCHEMA_VERSION}; use another --out"
            )
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS scores (key TEXT PRIMARY KEY, point TEXT NOT NULL, "
            "capability TEXT NOT NULL, num_tokens INTEGER NOT NULL, item_values TEXT NOT NULL)"
        )
        self._connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    def get(self, key: str) -> StoredScores | None:
        """The scores under a key; None where there are none yet."""
        row = self._connection.execute(
            "SELECT num_tokens, item_values FROM scores WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        values = {metric: tuple(scores) for metric, scores in json.loads(row[1]).items()}
        return StoredScores(values, row[0])

    def put(self, key: str, scores: StoredScores, *, point: str, capability: str) -> None:
        """Keep scores; once this, or the `together` around it, returns, a kill does not lose them.

        Args:
            key: Digest of all that they depend on.
            scores: What to keep.
            point: The point's label, for people.
            capability: The capability's name, for people.
        """
        text = json.dumps(scores.values, allow_nan=False)
        self._connection.execute(
            "INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?, ?)",
            (key, point, capability, scores.num_tokens, text),
        )

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Keep all that is put in while the block runs, or none of it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    def __len__(self) -> int:
        """How many scores are kept."""
        (count,) = self._connection.execute("SELECT COUNT(*) FROM scores").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
