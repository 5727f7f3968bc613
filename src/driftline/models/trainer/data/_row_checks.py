"""Layout of rows, as TRL reads them, and rows that it could not train on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import datasets
import numpy
import pyarrow
import pyarrow.compute
from numpy.typing import NDArray
from pydantic import JsonValue

from ....errors import DataError
from ....parsing import parse_json
from ._data_sources import LoadedRows, check_json_lines, line_of_row
from ._layouts import Layout, find_layout, is_text

EXTRA_COLUMNS = ("tools", "chat_template_kwargs", "labels", "completion_mask", "assistant_masks")
"""Columns that TRL's tokenisation reads in addition to those of the layout."""
_OF_TOKENS = ("labels", "completion_mask", "assistant_masks")
"""Columns with one number for each token."""
_TOLD_BY = ("completion", "chosen", "rejected", "messages")
"""Columns by any one of which TRL tells whether rows are chats."""
_BATCH = 1000


@dataclass(frozen=True)
class CheckedRows:
    """Rows that TRL can be given."""

    rows: datasets.Dataset
    layout: Layout
    fields: tuple[str, ...]
    """The columns that the layout consists of."""
    is_chat: bool
    notes: tuple[str, ...]
    numbers: Sequence[int] | None
    """The row of the source, from 0, of each row; None where all are kept."""


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
    layout, fields = find_layout(loaded, rows, text_field)
    kept = check.not_empty(fields, text_field)
    kinds = {field: check.kind(field, layout, kept) for field in fields if layout != "tokens"}
    if len(set(kinds.values())) > 1:
        raise DataError(
            f"{check.place(int(numpy.flatnonzero(kept)[0]))}: {' and '.join(kinds)} are not both texts "
            "or both chats"
        )
    check.label_columns(fields)
    check.other_layouts(fields, is_chat="chat" in kinds.values())
    if layout == "tokens":
        check.tokens(kept)
    if "chat" in kinds.values():
        check.template_columns(kept)
    notes = check.notes(kept, [field for field in fields if kinds.get(field) == "text"])
    numbers = None if kept.all() else [int(row) for row in numpy.flatnonzero(kept)]
    if numbers is not None:
        rows = rows.select(numbers)
    return CheckedRows(rows, layout, fields, "chat" in kinds.values(), notes, numbers)


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
        requested = (
            ("text",)
            if layout == "text"
            else ("chat",)
            if layout == "messages"
            else ("text", "chat")
        )
        role, content = ("from", "value") if field == "conversations" else ("role", "content")
        said = {"text": "a text", "chat": f"a list of {{{role}, {content}}}"}
        names = " or ".join(said[each] for each in requested)
        kind = "text" if is_text(feature) else "chat" if _is_plain_chat(feature, role) else None
        told = (
            feature.feature[content] if kind == "chat" and content in feature.feature else feature
        )
        if str(getattr(told, "dtype", "")).startswith(("timestamp", "date", "time")):
            raise DataError(
                f"{self._loaded.where}: {field} holds times where texts are trained on; write them as texts "
                "(of JSON only a single file keeps dates as texts, if it is not packed)"
            )
        nulls_in_roles = kind == "chat" and self._has_null_role(field, role)
        if kind is not None and kind in requested and not nulls_in_roles:
            return kind
        first = None
        for number, value in self._values(field):
            if not kept[number]:
                continue
            result = _kind_of(value, role)
            if result not in requested:
                raise DataError(
                    f"{self.place(number)}: {field} is not {names}{_mend(value, field)}"
                )
            if first is not None and result != first:
                raise DataError(f"{self.place(number)}: mixes texts and chats with the rows before")
            first = result
        assert first is not None
        return first

    def template_columns(self, kept: NDArray[numpy.bool_]) -> None:
        """Refuse what the chat template cannot be given, which TRL says without a column's name."""
        if "chat_template_kwargs" in self._rows.column_names:
            for number, value in self._values("chat_template_kwargs"):
                if kept[number] and not isinstance(value, dict):
                    raise DataError(
                        f"{self.place(number)}: chat_template_kwargs is not a mapping; write {{}} where "
                        "there are none"
                    )
        if "tools" in self._rows.column_names and is_text(self._rows.features["tools"]):
            for number, value in self._values("tools"):
                if kept[number] and isinstance(value, str):
                    parse_json(value.encode(), f"{self.place(number)}: tools", DataError)

    def tokens(self, kept: NDArray[numpy.bool_]) -> None:
        """Refuse what is no token, and labels or masks of another length than their tokens."""
        inner = getattr(self._rows.features["input_ids"], "feature", None)
        if not str(getattr(inner, "dtype", "")).startswith(("int", "uint")):
            raise DataError(
                f"{self._loaded.where}: input_ids are no lists of whole numbers; give token ids"
            )
        num_tokens = self._lengths("input_ids")
        for name in (each for each in _OF_TOKENS if each in self._rows.column_names):
            if (nothing := self._is_null(name) & kept).any():
                raise DataError(
                    f"{self.place(int(nothing.argmax()))}: {name} are empty; give one number for each token"
                )
            # TRL cuts the tokens' labels to the shortest of these, so some would have no loss.
            sizes = self._lengths(name)
            unlike = kept & (sizes != num_tokens)
            if unlike.any():
                row = int(unlike.argmax())
                raise DataError(
                    f"{self.place(row)}: {int(num_tokens[row])} input_ids and {int(sizes[row])} {name}; "
                    "give one number for each token"
                )

    def label_columns(self, fields: tuple[str, ...]) -> None:
        """Refuse columns that TRL takes for labels or masks of tokens, and that are neither."""
        for name in (each for each in _OF_TOKENS if each in self._rows.column_names):
            inner = getattr(self._rows.features[name], "feature", None)
            dtype = str(getattr(inner, "dtype", ""))
            if not dtype.startswith(("int", "uint", *(("bool",) if name != "labels" else ()))):
                mend = _map_of(fields)
                raise DataError(
                    f"{self._loaded.where}: {name} are no lists of whole numbers, and TRL takes that "
                    f"column for one number a token; write such lists, or leave it out with {mend}"
                )
            number = 0
            for chunk in self._columns(name):
                if chunk.flatten().null_count:
                    missing = pyarrow.compute.is_null(chunk.flatten())
                    parents = pyarrow.compute.list_parent_indices(chunk)
                    row = parents[pyarrow.compute.index(missing, True).as_py()].as_py()
                    none = "-100 where no loss is taken" if name == "labels" else "0 or 1"
                    raise DataError(f"{self.place(number + row)}: {name} hold a null; write {none}")
                number += len(chunk)

    def other_layouts(self, fields: tuple[str, ...], *, is_chat: bool) -> None:
        """Refuse columns of another layout, by which TRL could tell chats from texts wrongly."""
        for name in _TOLD_BY:
            if name in fields or name not in self._rows.column_names or "input_ids" in fields:
                continue
            if self._is_chat(name) != is_chat:
                raise DataError(
                    f"{self._loaded.where}: has {name} beside {' and '.join(fields)}, one of texts and the "
                    f"other of chats, which TRL refuses; leave {name} out with {_map_of(fields)}"
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
        result = numpy.concatenate(parts).astype(bool)
        if not _is_stored_as_values(self._rows.features[field]):
            # Mixed kinds are stored as JSON text, in which a null or an empty list is a text too.
            for number, value in self._values(field):
                result[number] |= value is None or value == []
        return result

    def _lengths(self, field: str) -> NDArray[numpy.int64]:
        """Count the characters of each text, or the parts of each list; -1 where there is neither."""
        if not _is_stored_as_values(self._rows.features[field]):
            values = (value for _, value in self._values(field))
            return numpy.array([len(v) if isinstance(v, str | list) else -1 for v in values])
        parts = []
        for chunk in self._columns(field):
            if pyarrow.types.is_string(chunk.type) or pyarrow.types.is_large_string(chunk.type):
                sizes = pyarrow.compute.binary_length(chunk)
            elif pyarrow.types.is_string_view(chunk.type):
                sizes = pyarrow.compute.binary_length(chunk.cast(pyarrow.large_string()))
            else:
                sizes = pyarrow.compute.list_value_length(chunk)
            parts.append(pyarrow.compute.fill_null(sizes, -1).to_numpy(zero_copy_only=False))
        return numpy.concatenate(parts)

    def _is_chat(self, field: str) -> bool:
        """Tell whether a column holds chats; one of mixed kinds by its first value."""
        feature = self._rows.features[field]
        if _is_stored_as_values(feature):
            return _is_plain_chat(feature, "role")
        return _kind_of(next((v for _, v in self._values(field) if v), None), "role") == "chat"

    def _has_null_role(self, field: str, role: str) -> bool:
        for chunk in self._columns(field):
            turns = chunk.flatten()
            if turns.null_count or turns.field(role).null_count:
                return True
        return False

    def _values(self, field: str) -> Iterator[tuple[int, JsonValue]]:
        number = 0
        for batch in self._rows.select_columns(field).iter(batch_size=_BATCH):
            for value in batch[field]:
                yield number, value
                number += 1


def _map_of(fields: tuple[str, ...]) -> str:
    """Return the option that takes the columns of a layout and no others."""
    return "--map " + ",".join(f"{field}={field}" for field in fields)


def _is_stored_as_values(feature: object) -> bool:
    return not isinstance(feature, datasets.Json)


def _is_plain_chat(feature: object, role: str) -> bool:
    """Return whether a type is a list of turns with a text as role; then no row needs a check."""
    inner = feature.feature if isinstance(feature, datasets.List | datasets.LargeList) else None
    if not isinstance(inner, dict):
        return False
    return is_text(inner.get(role))


def _mend(value: JsonValue, field: str) -> str:
    """Name the mend for a value that is nearly a chat; empty for other values."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        return "; it is JSON written as a text, so write it as a list (JSON Lines keeps lists)"
    if isinstance(value, list) and all(isinstance(t, dict) and "from" in t for t in value):
        return f"; add --map conversations={field}"
    return ""


def _kind_of(value: JsonValue, role: str) -> str | None:
    if isinstance(value, str):
        return "text"
    if not isinstance(value, list) or not value:
        return None
    is_chat = all(isinstance(turn, dict) and isinstance(turn.get(role), str) for turn in value)
    return "chat" if is_chat else None
