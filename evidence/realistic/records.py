"""Records of finished runs: one Parquet file a run, with the scores of every item.

Each row is one capability at one evaluation: `leg`, `step`, `capability`, `quantity` and `values`, a list
with one number an item in thousandths. Quantities: `margin` (log-likelihood of the right option minus
that of the best wrong one, within +-5 nats), `log_odds` (of the right option against all others) and
`nll` (nats per token). Whatever else is known of the run is JSON in the file's metadata.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import pyarrow
import pyarrow.parquet
from numpy import ndarray

_THOUSANDTHS = 1000.0
_LARGEST = 32.0
"""Numbers are clipped here, so that two bytes hold each."""
_SCHEMA = pyarrow.schema(
    [
        ("leg", pyarrow.dictionary(pyarrow.int8(), pyarrow.string())),
        ("step", pyarrow.int16()),
        ("capability", pyarrow.dictionary(pyarrow.int8(), pyarrow.string())),
        ("quantity", pyarrow.dictionary(pyarrow.int8(), pyarrow.string())),
        ("values", pyarrow.list_(pyarrow.int16())),
    ]
)


class Reading(NamedTuple):
    """One quantity of one capability at one evaluation."""

    leg: str
    step: int
    capability: str
    quantity: str
    values: ndarray
    """One number an item."""


class Record(NamedTuple):
    """A finished run."""

    facts: Mapping[str, Any]
    readings: tuple[Reading, ...]

    def values(self, leg: str, step: int, capability: str, quantity: str) -> ndarray:
        """The numbers of one reading.

        Args:
            leg: `run`, or a quick start's name.
            step: Of that leg.
            capability: Its name.
            quantity: `margin`, `log_odds` or `nll`.

        Returns:
            One number an item.

        Raises:
            KeyError: There is no such reading.
        """
        wanted = (leg, step, capability, quantity)
        for reading in self.readings:
            if reading[:4] == wanted:
                return reading.values
        raise KeyError(wanted)


def write_record(path: Path, facts: Mapping[str, Any], readings: Iterable[Reading]) -> None:
    """Write a run, whole or not at all.

    Args:
        path: The file.
        facts: Everything but the readings; JSON values.
        readings: The scores.
    """
    columns: list[list[Any]] = [[], [], [], [], []]
    for reading in readings:
        numbers = numpy.clip(reading.values, -_LARGEST, _LARGEST) * _THOUSANDTHS
        for column, value in zip(
            columns, (*reading[:4], numbers.round().astype("int16")), strict=True
        ):
            column.append(value)
    table = pyarrow.table(columns, schema=_SCHEMA.with_metadata({"facts": json.dumps(facts)}))
    partial = path.with_suffix(".partial")
    pyarrow.parquet.write_table(table, partial, compression="zstd", compression_level=15)
    partial.replace(path)


def read_record(path: Path) -> Record:
    """Read a run back.

    Args:
        path: The file.

    Returns:
        Facts and readings.
    """
    table = pyarrow.parquet.read_table(path)
    facts = json.loads(table.schema.metadata[b"facts"])
    readings = tuple(
        Reading(
            row["leg"],
            row["step"],
            row["capability"],
            row["quantity"],
            numpy.array(row["values"]) / _THOUSANDTHS,
        )
        for row in table.to_pylist()
    )
    return Record(facts, readings)
