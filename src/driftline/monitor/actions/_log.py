"""`monitor.jsonl`: measurements and actions of the monitor, one line per event, flushed to disk."""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from pydantic import JsonValue

from ...errors import OutputError
from ...parsing import NotJsonError, json_value, read_text
from ..handles import is_main

SCHEMA = "driftline/monitor-log/1"
Record = dict[str, JsonValue]


class MonitorLog:
    """Log to which events are appended; only the first process writes."""

    def __init__(self, path: Path) -> None:
        """Set the file."""
        self.path = path
        self._last_written = time.monotonic()

    @property
    def seconds_silent(self) -> float:
        """Seconds since the last event."""
        return time.monotonic() - self._last_written

    def write(self, event: str, *, step: int, **fields: JsonValue) -> None:
        """Write one event; it is on the disk when this returns.

        Args:
            step: After which optimiser step.
            **fields: What belongs to it; a number that is not finite must be given as None.

        Raises:
            OutputError: The file cannot be written.
        """
        self._last_written = time.monotonic()
        if not is_main():
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        record: Record = {"event": event, "step": step, "time": now, **fields}
        try:
            with self.path.open("a+b") as file:
                line = (json.dumps(record, allow_nan=False) + "\n").encode()
                file.write(line if _ends_whole(file) else b"\n" + line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from error


def read_log(path: Path) -> list[Record]:
    """Read the events of a run, without those that a kill or an action made void.

    A run that resumes from a checkpoint repeats its later steps, so events of later steps that
    stand before its `resumed` line are left out. So is a last line that a kill cut short, and a check of
    a step that was averted.

    Args:
        path: A `monitor.jsonl`.

    Returns:
        Events in order.

    Raises:
        OutputError: It cannot be read, or a line in the middle is no event.
    """
    kept: list[Record] = []
    for record in _records(path):
        if record["event"] == "resumed":
            taken = _step(record)
            kept = [earlier for earlier in kept if _step(earlier) <= taken]
        elif record["event"] == "averted":
            kept = [e for e in kept if (e["event"], e["step"]) != ("check", record["step"])]
        kept.append(record)
    return kept


def unfinished_check(path: Path) -> int | None:
    """Return the step of a check that never ended; None if there is none."""
    if not path.exists():
        return None
    begun = None
    for record in _records(path):
        if record["event"] == "check_begun":
            begun = _step(record)
        elif record["event"] in ("check", "check_failed", "check_unfinished"):
            begun = None
    return begun


def _ends_whole(file: BinaryIO) -> bool:
    """Return whether the file is empty or ends in a line break; leaves the position at its end."""
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _records(path: Path) -> Iterator[Record]:
    cut: int | None = None
    lines = read_text(path, OutputError).removesuffix("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        try:
            record = _event(json_value(line))
        except NotJsonError:
            cut = cut or number
            continue
        # A kill truncates the last line; a resumed run ends that line first.
        if cut is not None and record["event"] != "resumed":
            raise OutputError(
                f"{path}: line {cut} is not JSON of an event; the file was changed: move its folder "
                "away and train again"
            )
        cut = None
        yield record


def _event(record: JsonValue) -> Record:
    """Check what every event has."""
    if not isinstance(record, dict) or not isinstance(record.get("event"), str):
        raise NotJsonError("not an event")
    if type(record.get("step")) is not int:
        raise NotJsonError("an event without its step")
    return record


def _step(record: Record) -> int:
    step = record["step"]
    assert isinstance(step, int), "checked as it was read"
    return step
