"""Layout of rows, as TRL reads them, and rows that it could not train on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import datasets
import numpy
import pyarrow
import pyarrow.compute
from numpy.typing import NDArray
from pydantic import JsonValue

from ....errors import DataError
from ._data_sources import LoadedRows, check_json_lines, line_of_row

Layout = Literal["messages", "prompt_completion", "text", "tokens"]

EXTRA_COLUMNS = ("tools", "chat_template_kwargs", "labels", "completion_mask", "assistant_masks")
"""Columns that TRL's tokenisation reads in addition to those of the layout."""
_BATCH = 1000
_GUESSES = (
    ("question", "answer"), ("instruction", "output"), ("instruction", "response"),
    ("query", "response"), ("problem", "solution"), ("input", "output"), ("prompt", "response"),
    ("prompt", "answer"), ("prompt", "chosen"), ("source", "target"), ("question", "response"),
    ("inputs", "targets"),
)  # fmt: skip


@dataclass(frozen=True)
class CheckedRows:
    """Rows that TRL can be given."""

    rows: datasets.Dataset
    layout: Layout
    fields: tuple[str, ...]
    """The columns that the layout consists of."""
    is_chat: bool
    notes: tuple[str, ...]


def check_rows(loaded: LoadedRows, rows: datasets.Dataset, text_field: str) -> CheckedRows:
    """Find the layout of rows by TRL's rules, leave empty rows out, and refuse what TRL refuses.

    Args:
        loaded: Source of the rows.
        rows: One split of it.
        text_field: The config's `dataset_text_field`.

    Returns:
        The rows that are trained on.

    Raises:
        DataError: No layout that TRL takes, or a row of another kind than the others; the message has
            its line or number.
    """
    check = _Check(loaded, rows)
    if not len(rows) or not rows.column_names:
        raise DataError(f"{loaded.where}: holds no examples; give one example a row")
    layout, fields = _layout(loaded, rows, text_field)
    kept = check.not_empty(fields, text_field)
    kinds = {field: check.kind(field, layout, kept) for field in fields if layout != "tokens"}
    if len(set(kinds.values())) > 1:
        raise DataError(
            f"{check.place(int(numpy.flatnonzero(kept)[0]))}: {' and '.join(kinds)} are not both texts "
            "or both chats"
        )
    if layout == "tokens":
        check.tokens()
    notes = check.notes(kept, [field for field in fields if kinds.get(field) == "text"])
    if not kept.all():
        rows = rows.select(numpy.flatnonzero(kept))
    return CheckedRows(rows, layout, fields, "chat" in kinds.values(), notes)


def _layout(
    loaded: LoadedRows, rows: datasets.Dataset, text_field: str
) -> tuple[Layout, tuple[str, ...]]:
    """Return the layout that TRL takes these columns for, in its order of preference."""
    columns, name = rows.column_names, loaded.where
    for column in ("image", "images"):
        if column in columns:
            raise DataError(
                f"{name}: column {column}: images are not supported; take rows of text alone, or leave "
                "the column out with --map"
            )
    if "input_ids" in columns:
        return "tokens", ("input_ids",)
    if "prompt" in columns:
        if "completion" in columns:
            return "prompt_completion", ("prompt", "completion")
        other = next((each for each in ("messages", text_field) if each in columns), None)
        mend = f"--map {other}={other}" if other else _suggestion(columns)
        raise DataError(
            f"{name}: has prompt but no completion, which TRL refuses (KeyError: 'completion'); name "
            f"the columns to train on with {mend}"
        )
    if "messages" in columns and not (
        text_field in columns and _begins_with_text(rows, text_field)
    ):
        return "messages", ("messages",)
    if "conversations" in columns:
        if _is_from_value(rows):
            return "messages", ("conversations",)
        raise DataError(
            f"{name}: conversations without from and value, which TRL refuses; add "
            "--map messages=conversations"
        )
    if text_field in columns:
        return "text", (text_field,)
    raise DataError(
        f"{name}: has {', '.join(sorted(columns))}; an example needs messages, prompt and completion, "
        f"or {text_field}: {_mend(columns, text_field)}"
    )


def _mend(columns: list[str], text_field: str) -> str:
    texts = [c for c in columns if c in ("content", "document", "body", "story", "code")]
    if texts and text_field == "text":
        return f"write dataset_text_field: {texts[0]} into the config"
    return f"add {_suggestion(columns)}"


def _suggestion(columns: list[str]) -> str:
    for ask, answer in _GUESSES:
        if ask in columns and answer in columns:
            context = "+input" if ask == "instruction" and "input" in columns else ""
            return f"--map prompt={ask}{context},completion={answer}"
    if "chosen" in columns:
        return "--map messages=chosen"
    return "--map prompt=COLUMN,completion=COLUMN"


def _begins_with_text(rows: datasets.Dataset, text_field: str) -> bool:
    """Return whether the first row with content is a text, which decides for TRL on all rows."""
    both = rows.select_columns(["messages", text_field])
    first = next((row for row in both if row["messages"] or row[text_field] is not None), None)
    return first is not None and not first["messages"]


def _is_from_value(rows: datasets.Dataset) -> bool:
    turns: Any = next(
        (row for row in rows.select_columns("conversations")["conversations"] if row), []
    )
    return bool(turns) and isinstance(turns[0], dict) and {"from", "value"} <= turns[0].keys()


class _Check:
    """Check of columns in Arrow; rows are decoded only if a column is of mixed kinds."""

    def __init__(self, loaded: LoadedRows, rows: datasets.Dataset) -> None:
        self._loaded, self._rows = loaded, rows

    def place(self, row: int) -> str:
        """Return a row's place in the source, for a message."""
        loaded = self._loaded
        return f"{loaded.where}: {line_of_row(loaded.lines_of, row)}"

    def not_empty(self, fields: tuple[str, ...], text_field: str) -> NDArray[numpy.bool_]:
        """Return a mask of the rows that have all fields; refuses rows of another layout."""
        kept = numpy.ones(len(self._rows), dtype=bool)
        for field in fields:
            kept &= ~self._is_null(field)
        if not kept.all():
            self._refuse_other_columns(fields, text_field, kept)
        if not kept.any():
            # A scalar, a list or a broken line leaves columns that hold nothing.
            if self._loaded.lines_of is not None:
                check_json_lines(self._loaded.lines_of)
            raise DataError(
                f"{self._loaded.where}: holds no examples, {' and '.join(fields)} are empty in every row"
            )
        return kept

    def _refuse_other_columns(
        self, fields: tuple[str, ...], text_field: str, kept: NDArray[numpy.bool_]
    ) -> None:
        """Refuse a row without the fields that has a column which no row with them has."""
        layouts = {"messages", "prompt", "completion", "conversations", text_field}
        for other in sorted({*self._rows.column_names} - {*fields}):
            filled = ~self._is_null(other)
            mixed = ~kept & filled
            if mixed.any() and (other in layouts or not (kept & filled).any()):
                raise DataError(
                    f"{self.place(int(mixed.argmax()))}: has {other} where the others have "
                    f"{' and '.join(fields)}; give one layout a file"
                )

    def kind(self, field: str, layout: Layout, kept: NDArray[numpy.bool_]) -> str:
        """Return `text` or `chat`; refuses a column, or the first row, of another kind."""
        feature = self._rows.features[field]
        wanted = (
            ("text",)
            if layout == "text"
            else ("chat",)
            if layout == "messages"
            else ("text", "chat")
        )
        said = {"text": "a text", "chat": "a list of {role, content}"}
        names = " or ".join(said[each] for each in wanted)
        kind = "text" if _is_text(feature) else "chat" if _is_plain_chat(feature) else None
        nulls_in_roles = kind == "chat" and self._has_null_role(field)
        if kind is not None and kind in wanted and not nulls_in_roles:
            return kind
        first = None
        for number, value in self._values(field):
            if not kept[number]:
                continue
            found = _kind_of(value)
            if found not in wanted:
                raise DataError(f"{self.place(number)}: {field} is not {names}")
            if first is not None and found != first:
                raise DataError(f"{self.place(number)}: mixes texts and chats with the rows before")
            first = found
        assert first is not None
        return first

    def tokens(self) -> None:
        """Refuse what is no token, and labels of another length than their tokens."""
        inner = getattr(self._rows.features["input_ids"], "feature", None)
        if not str(getattr(inner, "dtype", "")).startswith(("int", "uint")):
            raise DataError(
                f"{self._loaded.where}: input_ids are no lists of whole numbers; give token ids"
            )
        if "labels" not in self._rows.column_names:
            return
        sizes = [self._lengths(column) for column in ("input_ids", "labels")]
        unlike = sizes[0] != sizes[1]
        if unlike.any():
            row = int(unlike.argmax())
            raise DataError(
                f"{self.place(row)}: {int(sizes[0][row])} input_ids and {int(sizes[1][row])} labels; "
                "give one label for each token"
            )

    def notes(self, kept: NDArray[numpy.bool_], texts: list[str]) -> tuple[str, ...]:
        """Count the rows that are left out or have next to nothing to train on."""
        notes = []
        if num := int((~kept).sum()):
            first = self.place(int((~kept).argmax()))
            notes.append(f"{first}: {num} empty {'row' if num == 1 else 'rows'} skipped")
        blank = numpy.zeros(len(self._rows), dtype=bool)
        for field in texts:
            if field != "prompt":
                blank |= kept & (self._lengths(field) == 0)
        if num := int(blank.sum()):
            notes.append(
                f"{self.place(int(blank.argmax()))}: {num} {'row has' if num == 1 else 'rows have'} an "
                "empty text, of which TRL trains the end-of-text token alone"
            )
        return tuple(notes)

    def _columns(self, field: str) -> Iterator[pyarrow.Array]:
        rows = self._rows.select_columns(field).with_format("arrow")
        for batch in rows.iter(batch_size=_BATCH):
            yield from batch.column(field).chunks

    def _is_null(self, field: str) -> NDArray[numpy.bool_]:
        """Return a mask of the rows that hold nothing: null, or an empty list."""
        parts = []
        for chunk in self._columns(field):
            nothing = pyarrow.compute.is_null(chunk)
            if pyarrow.types.is_list(chunk.type) or pyarrow.types.is_large_list(chunk.type):
                none_in = pyarrow.compute.equal(pyarrow.compute.list_value_length(chunk), 0)
                nothing = pyarrow.compute.or_(nothing, pyarrow.compute.fill_null(none_in, True))
            parts.append(nothing.to_numpy(zero_copy_only=False))
        found = numpy.concatenate(parts).astype(bool)
        if not _is_stored_as_values(self._rows.features[field]):
            # Mixed kinds are stored as JSON text, in which a null or an empty list is a text too.
            for number, value in self._values(field):
                found[number] |= value is None or value == []
        return found

    def _lengths(self, field: str) -> NDArray[numpy.int64]:
        parts = []
        for chunk in self._columns(field):
            if pyarrow.types.is_string(chunk.type) or pyarrow.types.is_large_string(chunk.type):
                sizes = pyarrow.compute.binary_length(chunk)
            else:
                sizes = pyarrow.compute.list_value_length(chunk)
            parts.append(pyarrow.compute.fill_null(sizes, -1).to_numpy(zero_copy_only=False))
        return numpy.concatenate(parts)

    def _has_null_role(self, field: str) -> bool:
        for chunk in self._columns(field):
            turns = chunk.flatten()
            names = {each.name for each in turns.type}
            role = "role" if "role" in names else "from"
            if turns.null_count or turns.field(role).null_count:
                return True
        return False

    def _values(self, field: str) -> Iterator[tuple[int, JsonValue]]:
        number = 0
        for batch in self._rows.select_columns(field).iter(batch_size=_BATCH):
            for value in batch[field]:
                yield number, value
                number += 1


def _is_text(feature: object) -> bool:
    return isinstance(feature, datasets.Value) and feature.dtype in ("string", "large_string")


def _is_stored_as_values(feature: object) -> bool:
    return not isinstance(feature, datasets.Json)


def _is_plain_chat(feature: object) -> bool:
    """Return whether a type is a list of turns with a text as role; then no row needs a check."""
    inner = feature.feature if isinstance(feature, datasets.List | datasets.LargeList) else None
    if not isinstance(inner, dict):
        return False
    return _is_text(inner.get("role")) or (_is_text(inner.get("from")) and "value" in inner)


def _kind_of(value: JsonValue) -> str | None:
    if isinstance(value, str):
        return "text"
    if not isinstance(value, list) or not value:
        return None
    is_chat = all(
        isinstance(turn, dict) and isinstance(turn.get("role", turn.get("from")), str)
        for turn in value
    )
    return "chat" if is_chat else None
