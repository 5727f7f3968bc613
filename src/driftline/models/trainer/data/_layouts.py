"""The layout of rows, by the columns that TRL looks for, and the mend where there is none."""

from collections.abc import Mapping
from typing import Any, Literal

import datasets

from ....errors import DataError
from ._data_sources import LoadedRows

Layout = Literal["messages", "prompt_completion", "text", "tokens"]
_FOR_TEMPLATES = ("tools", "chat_template_kwargs")
"""Columns that chat templates read beside the messages."""
_GUESSES = (
    ("question", "answer"), ("instruction", "output"), ("instruction", "response"),
    ("query", "response"), ("problem", "solution"), ("input", "output"), ("prompt", "response"),
    ("prompt", "answer"), ("prompt", "chosen"), ("source", "target"), ("question", "response"),
    ("inputs", "targets"),
)  # fmt: skip
_CONTEXTS = ("input", "context")


def find_layout(
    loaded: LoadedRows, rows: datasets.Dataset, text_field: str
) -> tuple[Layout, tuple[str, ...]]:
    """Find the layout that TRL takes the columns for, in its order of preference.

    Args:
        loaded: Where the rows come from.
        rows: One split of it.
        text_field: The config's `dataset_text_field`.

    Returns:
        The layout, and the columns that it consists of.

    Raises:
        DataError: There is none; the message has the mend.
    """
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
        if is_from_value(rows):
            return "messages", ("conversations",)
        raise DataError(
            f"{name}: conversations without from and value, which TRL refuses; add "
            "--map messages=conversations"
        )
    if text_field in columns:
        return "text", (text_field,)
    raise DataError(
        f"{name}: has {', '.join(sorted(columns))}; an example needs messages, prompt and completion, "
        f"or {text_field}: {_mend(rows, text_field)}"
    )


def known_columns(rows: datasets.Dataset, text_field: str) -> Mapping[str, str]:
    """Find well-known columns of questions and answers in rows without a layout.

    Args:
        rows: One split of a source.
        text_field: The config's `dataset_text_field`.

    Returns:
        Column to train on -> column of the source. Empty where TRL takes the rows as they are, where
        the columns are not known, where two pairs of columns match, or where columns are not texts. A
        column that is null in every row counts as none.
    """
    columns = filled_columns(rows)
    taken = {
        "input_ids",
        "messages",
        "conversations",
        text_field,
        *_FOR_TEMPLATES,
        "image",
        "images",
    }
    if taken & {*columns} or {"prompt", "completion"} <= {*columns}:
        return {}
    pairs = [pair for pair in _GUESSES if {*pair} <= {*columns} and "chosen" not in pair]
    if {"instruction", "input", "output"} <= {*columns}:
        pairs = [pair for pair in pairs if pair != ("input", "output")]
    if len(pairs) != 1:
        return {}
    ask, answer = pairs[0]
    context = _contexts(ask, columns)
    if not all(is_text(rows.features[name]) for name in (ask, answer, *context)):
        return {}
    return {"prompt": "+".join([ask, *context]), "completion": answer}


def filled_columns(rows: datasets.Dataset) -> list[str]:
    """Return the columns that are not null in every row.

    Args:
        rows: One split of a source.

    Returns:
        Their names, in the order of the rows.
    """
    return [
        name
        for name, feature in rows.features.items()
        if not (isinstance(feature, datasets.Value) and feature.dtype == "null")
    ]


def _contexts(ask: str, columns: list[str]) -> list[str]:
    """Return the columns that belong to an instruction: Alpaca's input, Dolly's context."""
    return [name for name in _CONTEXTS if ask == "instruction" and name in columns][:1]


def _mend(rows: datasets.Dataset, text_field: str) -> str:
    columns = rows.column_names
    if len(columns) == 1 and (mark := next((m for m in ";|\t" if m in columns[0]), None)):
        kind = "give the file the suffix .tsv" if mark == "\t" else "save it with commas"
        return f"its columns are separated by {mark!r}; {kind}"
    more = "".join(f",{name}={name}" for name in _FOR_TEMPLATES if name in columns)
    for name, feature in rows.features.items():
        keys = _keys_of_parts(feature)
        if {"role", "content"} <= keys:
            return f"add --map messages={name}{more}"
        if {"from", "value"} <= keys:
            return f"add --map conversations={name}{more}"
        if keys & {"messages", "conversations", "prompt", text_field}:
            return f"the rows are inside {name}; save that list as a file of its own"
    texts = [c for c in columns if c in ("content", "document", "body", "story", "code")]
    if texts and text_field == "text":
        return f"write dataset_text_field: {texts[0]} into the config"
    return f"add {_suggestion(columns)}"


def _keys_of_parts(feature: object) -> set[str]:
    """Return the keys of a column whose values are lists of mappings; none for other columns."""
    parts = feature.feature if isinstance(feature, datasets.List | datasets.LargeList) else None
    return set(parts) if isinstance(parts, dict) else set()


def _suggestion(columns: list[str]) -> str:
    for ask, answer in _GUESSES:
        if ask in columns and answer in columns:
            return f"--map prompt={'+'.join([ask, *_contexts(ask, columns)])},completion={answer}"
    if "chosen" in columns:
        return "--map messages=chosen"
    return "--map prompt=COLUMN,completion=COLUMN"


def _begins_with_text(rows: datasets.Dataset, text_field: str) -> bool:
    """Tell whether the first row that holds anything is a text, by which TRL takes all rows."""
    both = rows.select_columns(["messages", text_field])
    first = next((row for row in both if row["messages"] or row[text_field] is not None), None)
    return first is not None and not first["messages"]


def is_from_value(rows: datasets.Dataset) -> bool:
    """Tell whether conversations are turns of from and value, which TRL makes into messages.

    Args:
        rows: With or without a column of that name.
    """
    if "conversations" not in rows.column_names:
        return False
    turns: Any = next(
        (row for row in rows.select_columns("conversations")["conversations"] if row), []
    )
    return bool(turns) and isinstance(turns[0], dict) and {"from", "value"} <= turns[0].keys()


def is_text(feature: object) -> bool:
    """Tell whether a column holds texts alone.

    Args:
        feature: The column's.

    Returns:
        False also where texts are among other kinds.
    """
    return isinstance(feature, datasets.Value) and feature.dtype in ("string", "large_string")
