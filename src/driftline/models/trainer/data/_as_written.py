"""Texts as they stand in a file, where readers would make dates, numbers or nothing of them."""

import contextlib
import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import datasets
from pydantic import JsonValue

from ....errors import DataError
from ._file_kinds import first_bytes

Loaded: TypeAlias = datasets.Dataset | datasets.DatasetDict
_INDEX = "__index_level_0__"
"""The column in which `datasets` passes on what pandas took for an index."""
_EMPTY_ALONE = {"keep_default_na": False, "na_values": [""]}
"""By default pandas takes NA, None, null and more for cells that hold nothing."""


def load_as_written(
    source: str, where: str, files: Sequence[Path] = (), **options: object
) -> Loaded:
    """Load rows with `datasets.load_dataset`; every cell of CSV or TSV is a text as it stands.

    Args:
        source: Builder, folder or hub id.
        where: The source as it was named, for messages.
        files: Its files of CSV or TSV; none where they are packed or not at hand.
        options: Of `load_dataset`, which may read the files twice.

    Returns:
        The split that is asked for, or all.

    Raises:
        DatasetGenerationError: The reader of `datasets` failed.
        DataError: A line of CSV has more fields than the header, so that texts would be read shifted.
    """
    try:
        loaded = datasets.load_dataset(source, **options)
    except datasets.exceptions.DatasetGenerationError:
        _refuse_long_lines(files)
        raise
    rows = loaded if isinstance(loaded, datasets.Dataset) else next(iter(loaded.values()))
    if rows.info.builder_name != "csv":
        return loaded
    if _INDEX in rows.column_names:
        _refuse_long_lines(files)
        raise DataError(
            f"{where}: lines of its CSV have more fields than the header; write texts that hold a comma in "
            "double quotes"
        )
    texts = datasets.Features({name: datasets.Value("string") for name in rows.column_names})
    return datasets.load_dataset(source, features=texts, **_EMPTY_ALONE, **options)


def dates_as_written(rows: datasets.Dataset, path: Path, folder: str) -> datasets.Dataset:
    """Put texts back where the reader of JSON has made times of them, as of `2024-05-01`.

    Args:
        rows: As `datasets` reads them.
        path: The file of JSON Lines, or of one array.
        folder: Where rows are kept while the process lives.

    Returns:
        The rows; columns with a time anywhere inside are read again, the others are the same.
    """
    schema = rows.features.arrow_schema
    names = [name for name in rows.column_names if "timestamp[" in str(schema.field(name).type)]
    if not names:
        return rows
    again = datasets.Dataset.from_generator(
        _parts, gen_kwargs={"path": path, "names": names}, cache_dir=folder
    )
    others = rows.remove_columns(names)
    parts = [others, again] if others.column_names else [again]
    return datasets.concatenate_datasets(parts, axis=1).select_columns(rows.column_names)


def _parts(path: Path, names: Sequence[str]) -> Iterator[dict[str, JsonValue]]:
    """Yield some fields of each row of a file that has been read once already."""
    with path.open(encoding="utf-8-sig") as file:
        is_array = first_bytes(path) == b"["
        rows = json.load(file) if is_array else (json.loads(line) for line in file if line.strip())
        for row in rows:
            yield {name: row.get(name) for name in names}


def _refuse_long_lines(files: Sequence[Path]) -> None:
    """Refuse the first line of a file of CSV that has more fields than its header."""
    for file in files:
        mark, name = ("\t", "tab") if ".tsv" in file.suffixes else (",", "comma")
        # A text too long for `csv` cannot be counted; then what the reader said stands.
        with contextlib.suppress(csv.Error), file.open(encoding="utf-8-sig", newline="") as text:
            lines = csv.reader(text, delimiter=mark)
            width, start = len(next(lines, [])), lines.line_num + 1
            for fields in lines:
                if len(fields) > width:
                    raise DataError(
                        f"{file}: line {start} has {len(fields)} fields, and the header {width}; write a text "
                        f"that holds a {name} in double quotes, and no {name} at the end of a line"
                    )
                start = lines.line_num + 1
