"""The result store: what was scored is never scored again, also after a kill.

One SQLite file with a write-ahead log. A row is one capability at one point, under a key that is
the digest of all that the scores depend on. Rows that were scored together are written in one
transaction, which is on disk when it returns. SQLite does not notice a changed number, so each row
has a digest, in a table of its own that earlier versions pass over.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from ...errors import OutputError
from ...parsing import NotJsonError, json_value
from ...provenance import digest_value

_SCHEMA_VERSION = 1
_COLUMNS = ("key", "point", "capability", "num_tokens", "item_values")
_BUSY_SECONDS = 30
"""Longest wait for another process that writes to the same file."""


@dataclass(frozen=True)
class StoredScores:
    """One capability at one point, as it was scored."""

    values: Mapping[str, tuple[float | None, ...]]
    """Metric to one value an item. None is an undefined reading of anchors; no score is one."""
    num_tokens: int
    """Tokens that went through the model for it."""


class StoredRow(NamedTuple):
    """A row in words, for people."""

    point: str
    capability: str
    num_items: int
    num_tokens: int


class _Row(NamedTuple):
    """A row as it was put in, without its key."""

    point: str
    capability: str
    scores: StoredScores


class ResultStore:
    """Scores by key, in one SQLite file."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the file, or begin it.

        Args:
            path: The SQLite file.
            read_only: Write nothing; the file must exist.

        Raises:
            OutputError: It is not a store of this version, or it is damaged.
        """
        self._path = path
        try:
            self._connection = _connect(path, read_only=read_only)
        except sqlite3.OperationalError as error:
            raise OutputError(f"{path}: cannot be opened ({error}); use another --out") from error
        try:
            with damage_named(path):
                self._begin(read_only=read_only)
        except BaseException:
            self.close()
            raise

    def _begin(self, *, read_only: bool) -> None:
        """Check first, write then: a file of somebody else's stays as it is."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _SCHEMA_VERSION):
            raise OutputError(
                f"{self._path}: a result store of version {version}, and this Driftline writes "
                f"{_SCHEMA_VERSION}; use another --out"
            )
        tables = self._tables()
        columns = [row[1] for row in self._connection.execute("PRAGMA table_info(scores)")]
        if tables and tuple(columns) != _COLUMNS:
            raise OutputError(
                f"{self._path}: a database of something else (it holds {min(tables)}); "
                "use another --out"
            )
        (state,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if state != "ok":
            raise OutputError(_damaged(self._path, state.splitlines()[-1]))
        self._has_checks = "checks" in tables or not read_only
        if read_only:
            return
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A commit is on disk when it returns, also when the machine goes down.
        self._connection.execute("PRAGMA synchronous = FULL")
        with self.together():
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS scores (key TEXT PRIMARY KEY, point TEXT NOT NULL, "
                "capability TEXT NOT NULL, num_tokens INTEGER NOT NULL, item_values TEXT NOT NULL)"
            )
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS checks (key TEXT PRIMARY KEY, digest TEXT NOT NULL)"
            )
            self._connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    def get(
        self, key: str, *, num_items: int | None = None, metric: str | None = None
    ) -> StoredScores | None:
        """Return the scores under a key; None if there are none yet.

        Args:
            key: Digest of all that they depend on.
            num_items: Values that each metric must have; None for any number.
            metric: A metric that must be among them.

        Returns:
            The scores that were put in.

        Raises:
            OutputError: The file is damaged.
        """
        row = next(self._read("WHERE key = ?", key), None)
        if row is None:
            return None
        stored = row.scores
        if num_items is not None and any(len(v) != num_items for v in stored.values.values()):
            raise OutputError(_damaged(self._path, f"a row has not {num_items} items"))
        if metric is not None and metric not in stored.values:
            raise OutputError(_damaged(self._path, f"a row has no {metric}"))
        return stored

    def put(self, key: str, scores: StoredScores, *, point: str, capability: str) -> None:
        """Store scores; once this, or the `together` around it, returns, a kill does not lose them.

        Args:
            key: Digest of all that they depend on.
            scores: Scores to keep.
            point: The point's label, for people.
            capability: The capability's name, for people.
        """
        text = json.dumps(dict(scores.values), allow_nan=False)
        row = (key, point, capability, scores.num_tokens, text)
        if not self._connection.in_transaction:
            with self.together():
                self._insert(row)
        else:
            self._insert(row)

    def _insert(self, row: tuple[str, str, str, int, str]) -> None:
        """Insert a row with its digest, unless its key has one."""
        with damage_named(self._path):
            kept = self._connection.execute(
                "INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?, ?)", row
            )
            if kept.rowcount:
                self._connection.execute(
                    "INSERT OR REPLACE INTO checks VALUES (?, ?)", (row[0], digest_value([*row]))
                )

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Store all that is put in while the block runs, or none of it."""
        with damage_named(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        with damage_named(self._path):
            self._connection.commit()

    def rows(self) -> list[StoredRow]:
        """Return every row in words, in the order in which it was stored."""
        return [
            StoredRow(row.point, row.capability, _num_items(row.scores), row.scores.num_tokens)
            for row in self._read("ORDER BY rowid")
        ]

    def num_points(self) -> int:
        """Count the points that have scores, told apart by their labels."""
        with damage_named(self._path):
            query = "SELECT COUNT(DISTINCT point) FROM scores"
            (count,) = self._connection.execute(query).fetchone()
        return int(count)

    def __len__(self) -> int:
        """Count the stored scores."""
        with damage_named(self._path):
            (count,) = self._connection.execute("SELECT COUNT(*) FROM scores").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Return the open store."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the file."""
        self.close()

    def _tables(self) -> set[str]:
        return {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master")}

    def _read(self, where: str, *values: str) -> "Iterator[_Row]":
        """Read rows, each checked against its digest and for what it must hold.

        Raises:
            OutputError: One of them is damaged.
        """
        check = "(SELECT digest FROM checks WHERE checks.key = scores.key)"
        columns = f"{', '.join(_COLUMNS)}, {check if self._has_checks else 'NULL'}"
        with damage_named(self._path):
            result = self._connection.execute(
                f"SELECT {columns} FROM scores {where}",  # noqa: S608 - no text of others
                values,
            ).fetchall()
        for *row, digest in result:
            try:
                yield _checked_row(row, digest)
            except (NotJsonError, TypeError, ValueError) as error:
                raise OutputError(_damaged(self._path, str(error))) from error


@contextlib.contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Raise an error that names a broken or busy file.

    Args:
        path: The SQLite file.

    Yields:
        Nothing.

    Raises:
        OutputError: The file is no database, is damaged, or another process keeps writing to it.
        OperationalError: The disk is full or fails.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise OutputError(
                f"{path}: another process has been writing to it for {_BUSY_SECONDS} s; wait for "
                "it, or use another --out"
            ) from error
        if is_disk_fault(error):
            raise
        raise OutputError(
            f"{path}: cannot be used ({error}); make it readable and writable, or remove it, or use "
            "another --out"
        ) from error
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            raise OutputError(f"{path}: not a result store ({error}); use another --out") from error
        raise OutputError(_damaged(path, str(error))) from error


def is_disk_fault(error: sqlite3.OperationalError) -> bool:
    """Tell whether SQLite met a full or failing disk, rather than a file that it cannot use."""
    return "full" in str(error) or "disk I/O" in str(error)


def _checked_row(row: list[object], digest: object) -> _Row:
    """Check a row."""
    key, point, capability, num_tokens, text = row
    texts = (key, point, capability, text)
    if not all(isinstance(each, str) for each in texts) or not isinstance(num_tokens, int):
        raise ValueError("a row holds values of other types")
    # Rows of earlier versions have no digest.
    if digest is not None and digest != digest_value([*map(str, row[:3]), num_tokens, str(text)]):
        raise ValueError("a row is not as it was written")
    try:
        values = json_value(str(text))
    except NotJsonError as error:
        raise ValueError(f"a row is not JSON: {error}") from error
    if not isinstance(values, dict) or num_tokens < 0:
        raise ValueError("a row is not JSON of scores")
    scores = {metric: _numbers(numbers) for metric, numbers in values.items()}
    # Rows of anchors hold one value a layer and one in all; those of items are counted by `get`.
    if not scores or not all(scores.values()):
        raise ValueError("a row has not one value an item")
    return _Row(str(point), str(capability), StoredScores(scores, num_tokens))


def _numbers(values: object) -> tuple[float | None, ...]:
    if not isinstance(values, list):
        raise ValueError("a row is not JSON of scores")
    if any(isinstance(v, bool) or not isinstance(v, int | float | None) for v in values):
        raise ValueError("a row holds what is not a number")
    return tuple(None if value is None else float(value) for value in values)


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    how = "mode=rwc"
    if read_only:
        # Where there is no log, nobody has it open; read plainly, or SQLite would leave a log behind.
        has_log = path.with_name(f"{path.name}-wal").exists()
        how = "mode=ro" if has_log else "mode=ro&immutable=1"
    target = f"{path.absolute().as_uri()}?{how}"
    return sqlite3.connect(target, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)


def _damaged(path: Path, how: str) -> str:
    return (
        f"{path}: the result store is damaged ({how}); remove that file and run the same command "
        "again, which scores anew"
    )


def _num_items(scores: StoredScores) -> int:
    return max(map(len, scores.values.values()))
