"""A training set as TRL takes it: chats, prompts with completions, texts, or rows of tokens."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import overload

import datasets
from pydantic import JsonValue
from trl import maybe_convert_to_chatml

from ....errors import ConfigError, DataError, OutputError
from ....provenance import digest_value
from ....results import SourceProvenance
from ..config import TrainingConfig
from ._data_sources import (
    LoadedRows,
    RowSource,
    line_of_row,
    load_named,
    load_source,
    quiet_datasets,
)
from ._layouts import Layout, filled_columns, known_columns
from ._row_checks import EXTRA_COLUMNS, check_rows

Example = dict[str, JsonValue]


@dataclass(frozen=True)
class TrainingData:
    """The examples of one source, in its order."""

    name: str
    layout: Layout
    examples: Sequence[Example]
    digest: str
    is_chat: bool = False
    """True if messages, or prompts and completions, are turns with a role."""
    text_field: str = "text"
    """The column of texts."""
    notes: tuple[str, ...] = ()
    """Rows that were left out, and columns that were renamed, one sentence each."""
    loaded: LoadedRows | None = field(default=None, compare=False, repr=False)
    """All splits of the source, as they stand there."""
    columns: tuple[tuple[str, str], ...] = ()
    """New names of renamed columns."""
    numbers: Sequence[int] | None = field(default=None, compare=False, repr=False)
    """The row of the source, from 0, of each example; None where no row was left out."""
    prepared: dict[str, tuple[object, datasets.Dataset]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    """The rows as the trainer has tokenised them, by config."""

    def provenance(self) -> SourceProvenance:
        """Return the description of this file for documents."""
        return SourceProvenance(name=self.name, digest=self.digest, num_records=len(self.examples))

    def place(self, index: int) -> str:
        """Return the place of an example in the source, for a message.

        Args:
            index: From 0.

        Returns:
            Such as `data.jsonl: line 3`.
        """
        if self.loaded is None:
            return f"{self.name}: row {index + 1}"
        row = index if self.numbers is None else int(self.numbers[index])
        return f"{self.loaded.where}: {line_of_row(self.loaded.lines_of, row)}"

    def rows(self) -> datasets.Dataset:
        """Return the rows for a trainer, with all columns."""
        if isinstance(self.examples, _Rows):
            return self.examples.rows
        return datasets.Dataset.from_list(list(self.examples))

    def select(self, indices: Sequence[int], *, name: str) -> "TrainingData":
        """Return some of the rows, in the order of the indices.

        Args:
            indices: From 0.
            name: Name of the set.

        Returns:
            The rows, with a digest of their own.
        """
        examples: Sequence[Example]
        if isinstance(self.examples, _Rows):
            with quiet_datasets():
                examples = _Rows(self.examples.rows.select(indices), self.examples.fields)
        else:
            examples = tuple(self.examples[index] for index in indices)
        numbers = [index if self.numbers is None else self.numbers[index] for index in indices]
        digest = digest_value(list(examples))
        return replace(self, name=name, examples=examples, digest=digest, numbers=numbers)

    def split(self, name: str) -> "TrainingData | None":
        """Return another split of the same source, such as the one to evaluate on.

        Args:
            name: The split's.

        Returns:
            Its rows; None where the source has no such split.

        Raises:
            DataError: Its rows cannot be used.
        """
        if self.loaded is None or name not in self.loaded.splits:
            return None
        return _checked(self.loaded, name, self.text_field, dict(self.columns))


class _Rows(Sequence[Example]):
    """Rows of a data set, decoded one by one, with the columns that are trained on."""

    def __init__(self, rows: datasets.Dataset, fields: tuple[str, ...]) -> None:
        self.rows, self.fields = rows, fields
        self._view = rows.select_columns(list(fields))

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        return _as_example(self._view[index])

    def __iter__(self) -> Iterator[Example]:
        return (_as_example(row) for row in self._view)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash((len(self), self.fields))


def read_training_data(
    source: RowSource,
    *,
    config: TrainingConfig | None = None,
    columns: Mapping[str, str] | None = None,
) -> TrainingData:
    """Read a training set and check its rows.

    Args:
        source: A file, a folder, a hub id, or rows in memory: see `load_source`.
        config: Its `dataset_text_field` and `dataset_train_split` count.
        columns: Column to train on -> column of the source, or several joined by `+`; others are left
            out. By default columns are taken as they are called; where TRL would refuse them, well-known
            columns of questions and answers are renamed, with a note.

    Returns:
        The examples; rows are read from disk as they are needed.

    Raises:
        DataError: No such source, no example, or a row that TRL would refuse; the message names it.
    """
    return _of_loaded(load_source(source, config), config, columns)


def read_named_data(
    config: TrainingConfig, *, columns: Mapping[str, str] | None = None
) -> TrainingData | None:
    """Read the training set that the config itself names.

    Args:
        config: With `dataset_name` or `datasets`.
        columns: As in `read_training_data`.

    Returns:
        The examples; None where the config names no data.

    Raises:
        DataError: As in `read_training_data`.
    """
    loaded = load_named(config)
    return None if loaded is None else _of_loaded(loaded, config, columns)


def read_columns(text: str | None) -> dict[str, str] | None:
    """Read how columns are to be called, such as `prompt=question,completion=answer`.

    >>> read_columns("prompt=instruction+input,completion=output")
    {'prompt': 'instruction+input', 'completion': 'output'}

    Args:
        text: As it stands on the command line.

    Returns:
        Column to train on -> column of the source; None for no text.

    Raises:
        ConfigError: It does not read so.
    """
    if text is None:
        return None
    columns: dict[str, str] = {}
    for part in text.split(","):
        requested, equals, given = (each.strip() for each in part.partition("="))
        if not equals or not requested or not given or requested in columns:
            raise ConfigError(
                f"--map: {part.strip()!r}: write NAME=COLUMN for each, such as "
                "prompt=question,completion=answer"
            )
        columns[requested] = given
    return columns


def write_training_data(data: TrainingData, path: Path) -> None:
    """Write a training set, so that `read_training_data` and TRL take it.

    Args:
        data: The examples.
        path: Output file; written atomically.

    Raises:
        OutputError: It cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            for example in data.examples:
                file.write(json_lines([example]))
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None


def json_lines(examples: Sequence[Example]) -> bytes:
    """Return examples as the content of a JSON Lines file."""
    lines = [json.dumps(example, ensure_ascii=False) + "\n" for example in examples]
    return "".join(lines).encode()


def _of_loaded(
    loaded: LoadedRows, config: TrainingConfig | None, columns: Mapping[str, str] | None
) -> TrainingData:
    values = {} if config is None else config.values
    named, text_field = values.get("dataset_train_split"), values.get("dataset_text_field")
    split = str(named or "train")
    if split not in loaded.splits and named is None and len(loaded.splits) == 1:
        split = next(iter(loaded.splits))
    if split not in loaded.splits:
        raise DataError(
            f"{loaded.where}: has no split {split}; write dataset_train_split: with one of "
            f"{', '.join(sorted(loaded.splits))} into the config"
        )
    if columns or text_field:
        return _checked(loaded, split, str(text_field or "text"), dict(columns or {}))
    known = dict(known_columns(loaded.splits[split], "text"))
    data = _checked(loaded, split, "text", known)
    if known:
        return replace(data, notes=(*data.notes, _read_as(known, loaded.splits[split])))
    return replace(data, notes=(*data.notes, *_unused_mask(data, values)))


def _unused_mask(data: TrainingData, values: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Say that a mask of the tokens to train on is there and has no effect."""
    names = data.rows().column_names
    is_read = values.get("completion_only_loss") is True or "labels" in names
    if data.layout != "tokens" or "completion_mask" not in names or is_read:
        return ()
    return (
        "completion_mask: without effect, TRL reads it with completion_only_loss: true alone, so all tokens "
        "are trained on",
    )


def _read_as(columns: Mapping[str, str], rows: datasets.Dataset) -> str:
    """Say which columns are trained on, which are not, and how to name others."""
    given = ",".join(f"{requested}={name}" for requested, name in columns.items())
    named = {*EXTRA_COLUMNS, *(name for each in columns.values() for name in each.split("+"))}
    unused = [name for name in filled_columns(rows) if name not in named]
    left_out = f", without {', '.join(unused)}" if unused else ""
    return f"columns read as --map {given}{left_out}; name others with --map"


def _checked(
    loaded: LoadedRows, split: str, text_field: str, columns: dict[str, str]
) -> TrainingData:
    with quiet_datasets():
        rows = _renamed(loaded, loaded.splits[split], columns)
        checked = check_rows(loaded, rows, text_field)
        extra = (name for name in EXTRA_COLUMNS if name in rows.column_names)
        fields = (*checked.fields, *extra)
        examples = _Rows(checked.rows, fields)
    digest = loaded.digest
    if columns or split != "train":
        digest = digest_value([digest, split, dict(columns)])
    return TrainingData(
        loaded.name,
        checked.layout,
        examples,
        digest,
        is_chat=checked.is_chat,
        text_field=text_field,
        notes=(*checked.notes, *_left_out(loaded.splits[split], columns)),
        loaded=loaded,
        columns=tuple(sorted(columns.items())),
        numbers=checked.numbers,
    )


def _left_out(rows: datasets.Dataset, columns: Mapping[str, str]) -> tuple[str, ...]:
    """Say which columns that TRL would train by are left out, because no name was given to them."""
    named = {name for given in columns.values() for name in given.split("+")} | set(columns)
    out = [name for name in EXTRA_COLUMNS if name in rows.column_names and name not in named]
    if not columns or not out:
        return ()
    mend = ",".join(f"{name}={name}" for name in out)
    return (f"--map leaves out {', '.join(out)}, which TRL reads; add {mend} to keep them",)


def _renamed(
    loaded: LoadedRows, rows: datasets.Dataset, columns: Mapping[str, str]
) -> datasets.Dataset:
    """Return the rows with the named columns alone, renamed or joined."""
    if not columns:
        return rows
    parts = {requested: given.split("+") for requested, given in columns.items()}
    for name in (name for names in parts.values() for name in names):
        if name not in rows.column_names:
            raise DataError(
                f"{loaded.where}: --map: has no column {name}; it has {', '.join(rows.column_names)}"
            )
    sources = [name for names in parts.values() for name in names]
    if len(sources) == len(parts) == len(set(sources)):
        names = {given: requested for requested, given in columns.items() if given != requested}
        # In the order of the source, so that swapped names do not meet.
        return (
            rows.select_columns(sources).rename_columns(names)
            if names
            else rows.select_columns(sources)
        )
    return rows.map(_joiner(loaded, parts), with_indices=True, remove_columns=rows.column_names)


def _joiner(
    loaded: LoadedRows, parts: Mapping[str, list[str]]
) -> Callable[[Example, int], Example]:
    def text_of(row: Example, number: int, names: list[str]) -> str | None:
        """Join what a row has; nothing where it has none of the columns."""
        for name in names:
            if isinstance(row[name], list | dict):
                raise DataError(
                    f"{loaded.where}: {line_of_row(loaded.lines_of, number)}: --map: {name} is a list or a "
                    "mapping, and only texts and numbers can be joined; name another column"
                )
        values = [row[name] for name in names if row[name] is not None]
        return "\n".join(str(value) for value in values if value != "") if values else None

    def joined(row: Example, number: int) -> Example:
        return {
            requested: row[names[0]] if len(names) == 1 else text_of(row, number, names)
            for requested, names in parts.items()
        }

    return joined


def _as_example(row: Example) -> Example:
    """Return a row as TRL reads it, without values that Arrow fills in for missing fields."""
    row = {key: _without_nulls(value) for key, value in row.items() if value is not None}
    return maybe_convert_to_chatml(row) if "conversations" in row else row


def _without_nulls(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list) and value and isinstance(value[0], dict | list):
        return [_without_nulls(each) for each in value]
    return value
