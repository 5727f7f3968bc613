"""A training set as TRL takes it: JSON Lines with messages, prompt and completion, or text."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from ..errors import DataError, OutputError
from ..parsing import parse_json, read_bytes
from ..provenance import digest_bytes
from ..results import SourceProvenance

Layout = Literal["messages", "prompt_completion", "text"]

_FIELDS: tuple[tuple[Layout, tuple[str, ...]], ...] = (
    ("messages", ("messages",)),
    ("prompt_completion", ("prompt", "completion")),
    ("text", ("text",)),
)


@dataclass(frozen=True)
class TrainingData:
    """The examples of one file, in its order."""

    name: str
    layout: Layout
    examples: tuple[dict[str, JsonValue], ...]
    digest: str

    def provenance(self) -> SourceProvenance:
        """What stands in a document about this file."""
        return SourceProvenance(name=self.name, digest=self.digest, num_records=len(self.examples))


def read_training_data(path: Path) -> TrainingData:
    """Read a training set and check every line.

    Args:
        path: A JSON Lines file; every line has the same layout, other fields are left out.

    Returns:
        The examples.

    Raises:
        DataError: No such file, an empty file, or a line that is empty, not JSON, or of another
            layout; the message has the line's number.
    """
    content = read_bytes(path, DataError)
    try:
        # Not splitlines: a JSON string may hold U+2028 and the like as they are.
        lines = content.decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from None
    if lines == [""]:
        raise DataError(f"{path}: holds no examples; give JSON Lines, one example a line")
    examples = []
    layout: Layout | None = None
    for number, line in enumerate(lines, start=1):
        record = _parse(line, f"{path}: line {number}")
        found = _layout(record, f"{path}: line {number}")
        if layout is not None and found != layout:
            raise DataError(f"{path}: line {number}: has {found} where the lines before {layout}")
        layout = found
        examples.append({field: record[field] for field in dict(_FIELDS)[found]})
        if _is_chat(examples[-1]) != _is_chat(examples[0]):
            raise DataError(f"{path}: line {number}: mixes texts and chats with the lines before")
    assert layout is not None
    return TrainingData(path.name, layout, tuple(examples), digest_bytes(content))


def write_training_data(data: TrainingData, path: Path) -> None:
    """Write a training set, so that `read_training_data` and TRL take it.

    Args:
        data: The examples.
        path: Where to; it appears whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(json_lines(data.examples))
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None


def json_lines(examples: Sequence[dict[str, JsonValue]]) -> bytes:
    """Examples as the content of a file.

    Args:
        examples: The examples.

    Returns:
        JSON Lines in UTF-8.
    """
    lines = [json.dumps(example, ensure_ascii=False) + "\n" for example in examples]
    return "".join(lines).encode()


def _parse(line: str, where: str) -> dict[str, JsonValue]:
    if not line.strip():
        raise DataError(f"{where}: empty; remove the line")
    record = parse_json(line, where, DataError)
    if not isinstance(record, dict):
        raise DataError(f"{where}: not a JSON object; write one example a line")
    return record


def _layout(record: dict[str, JsonValue], where: str) -> Layout:
    for layout, fields in _FIELDS:
        if all(field in record for field in fields):
            for field in fields:
                _check_field(field, record[field], where)
            if len({type(record[field]) for field in fields}) > 1:
                raise DataError(f"{where}: {' and '.join(fields)} are not both texts or both chats")
            return layout
    raise DataError(
        f"{where}: has {', '.join(sorted(record)) or 'no field'}; an example needs messages, "
        "prompt and completion, or text"
    )


def _is_chat(example: dict[str, JsonValue]) -> bool:
    return any(isinstance(value, list) for value in example.values())


def _check_field(field: str, value: JsonValue, where: str) -> None:
    if isinstance(value, str) and field != "messages":
        if field != "prompt" and not value:
            raise DataError(f"{where}: {field} is empty; nothing can be learnt from it")
        return
    is_turns = isinstance(value, list) and all(
        isinstance(turn, dict)
        and isinstance(turn.get("role"), str)
        and isinstance(turn.get("content"), str)
        for turn in value
    )
    if not is_turns or not value or field == "text":
        turns = "a list of {role, content}"
        wanted = {"text": "a text", "messages": turns}.get(field, f"a text or {turns}")
        raise DataError(f"{where}: {field} is not {wanted}")
