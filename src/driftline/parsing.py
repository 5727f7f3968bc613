"""One reader of JSON and YAML for every file that a user can hand over.

Parsers differ in what they let pass, and fail in their own ways on what they do not. Here every
fault is one exception: text that is not UTF-8, nesting without end, numbers that no double holds,
duplicate keys (readers disagree on which counts), half a surrogate pair.
"""

import json
import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from .errors import DriftlineError

if TYPE_CHECKING:
    # At run time it would load pydantic for a plain --help.
    from pydantic import JsonValue

_POINTER = b"version https://git-lfs"
MAX_DEPTH = 100
"""Deeper nesting is refused: what works on the values afterwards is recursive."""
_MAX_NODES = 1_000_000
"""Values that the aliases of a YAML document may stand for."""
_MAX_DIGITS = 308
"""Most digits of an integer: a longer one may exceed the range of a double."""
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_BOM = "\ufeff"


class NotJsonError(ValueError):
    """A text is not JSON that can be used; the message says why, without naming the file."""


class _RepeatedKeyError(Exception):
    """A mapping has a key twice."""


class _UniqueKeyLoader(yaml.SafeLoader):
    """The safe loader, without the silent last word of a repeated key."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 (a name; the stubs say otherwise)
        """Check the keys as written, before `<<` adds those of another mapping."""
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in lines:
                raise _RepeatedKeyError(
                    f"line {line}: duplicate key {key.value} (first defined on line {lines[name]}); "
                    "keep one"
                )
            lines[name] = line
        return node


def read_bytes(path: Path, error: type[DriftlineError], *, mend: str = "check the path") -> bytes:
    """Read a file whole.

    Args:
        path: The file.
        error: Raised exception.
        mend: Suggested fix for a file that cannot be read.

    Returns:
        Its content.

    Raises:
        error: It cannot be read, or the name is none that the file system takes.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as fault:
        # ValueError: a name with a NUL byte, or with characters that the file system cannot spell.
        if isinstance(fault, IsADirectoryError):
            raise error(f"{path}: is a folder; name a file in it") from None
        raise error(f"{path}: cannot be read ({_reason(fault)}); {mend}") from None


def read_text(
    path: Path,
    error: type[DriftlineError],
    *,
    fault: str = "cannot be read",
    mend: str = "check the path",
) -> str:
    """Read a text file; a byte order mark before it is left out.

    Args:
        path: The file.
        error: Raised exception.
        fault: Start of the message, before the reason.
        mend: Suggested fix for a file that cannot be read.

    Returns:
        Its text.

    Raises:
        error: It cannot be read, or is not UTF-8.
    """
    try:
        return _decoded(path.read_bytes())
    except NotJsonError as reason:
        raise error(f"{path}: {fault} ({reason}); save it as UTF-8") from None
    except (OSError, ValueError) as reason:
        raise error(f"{path}: {fault} ({_reason(reason)}); {mend}") from None


def parse_json(
    content: bytes | str,
    where: str | Path,
    error: type[DriftlineError],
    *,
    finite: bool = True,
    mend: str = "",
) -> "JsonValue":
    r"""Read a JSON text.

    >>> parse_json('{"a": [1, 2.5]}', "x.json", DriftlineError)
    {'a': [1, 2.5]}
    >>> parse_json('{"a": 1, "a": 2}', "x.json", DriftlineError)
    Traceback (most recent call last):
    driftline.errors.DriftlineError: x.json: not JSON (duplicate key "a")

    Args:
        content: As it stands in the file: UTF-8, with or without a byte order mark.
        where: Start of each message.
        error: Raised exception.
        finite: Refuse NaN and infinity. Logs and model configs hold them, as Python writes them.
        mend: Suggested fix, printed after the fault.

    Returns:
        The value.

    Raises:
        error: It is not JSON, or holds what no reader can use.
    """
    try:
        return json_value(content, finite=finite)
    except NotJsonError as fault:
        end = f"; {mend}" if mend else ""
        raise error(f"{where}: not JSON ({fault}){end}") from None


def json_value(
    content: bytes | str,
    *,
    finite: bool = True,
    parse_int: Callable[[str], int | float] = int,
) -> "JsonValue":
    """Read a JSON text, for callers that have their own words for a fault.

    Args:
        content: As for `parse_json`.
        finite: As for `parse_json`.
        parse_int: Turns the digits of an integer into a number.

    Returns:
        The value.

    Raises:
        NotJsonError: It is not JSON, or holds what no reader can use.
    """
    text = _decoded(content) if isinstance(content, bytes) else content.removeprefix(_BOM)

    try:
        value: JsonValue = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_integer_reader(parse_int),
            parse_float=partial(_real, finite=finite),
            parse_constant=partial(_real, finite=finite),
        )
    except json.JSONDecodeError as fault:
        line = f"line {fault.lineno}, " if "\n" in text else ""
        raise NotJsonError(
            f"{fault.msg.removesuffix(' at')} at {line}column {fault.colno}"
        ) from None
    except RecursionError:
        raise NotJsonError(_too_deep()) from None
    # Each test of the text is cheap, and spares most texts the walk over their values.
    brackets = text.count("[") + text.count("{")
    if brackets > MAX_DEPTH or _SURROGATE_ESCAPE.search(text):
        _check_values(value)
    return value


def parse_yaml(content: bytes, where: str | Path, error: type[DriftlineError]) -> "JsonValue":
    r"""Read a YAML document of plain values.

    >>> parse_yaml(b"alpha: 0.05", "policy.yaml", DriftlineError)
    {'alpha': 0.05}
    >>> parse_yaml(b"alpha: 0.05\nalpha: 0.5", "policy.yaml", DriftlineError)
    Traceback (most recent call last):
    driftline.errors.DriftlineError: policy.yaml: line 2: duplicate key alpha (first defined on line 1); keep one

    Args:
        content: As it stands in the file.
        where: Start of each message.
        error: Raised exception.

    Returns:
        The values.

    Raises:
        error: It is not YAML, or a mapping in it has a key twice, or it holds what no
            reader can use.
    """
    loader = None
    try:
        loader = _UniqueKeyLoader(_decoded(content))
        value: JsonValue = loader.get_single_data()
        _check_values(value)
    except _RepeatedKeyError as fault:
        raise error(f"{where}: {fault}") from None
    except RecursionError:
        raise error(f"{where}: not YAML ({_too_deep()})") from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as fault:
        # Beside YAML's own: bytes that are not text, an impossible date, and what PyYAML runs into
        # where a tag promises another kind of value than follows.
        raise error(f"{where}: not YAML ({_yaml_fault(fault)})") from None
    finally:
        if loader is not None:
            loader.dispose()
    return value


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8").removeprefix(_BOM)
    except UnicodeDecodeError as fault:
        raise NotJsonError(f"not UTF-8: {fault.reason} at byte {fault.start}") from None


def _integer_reader(convert: Callable[[str], int | float]) -> Callable[[str], int | float]:
    def read(digits: str) -> int | float:
        if len(digits.lstrip("-")) > _MAX_DIGITS:
            raise NotJsonError(f"an integer of {len(digits)} digits, beyond the range of a double")
        return convert(digits)

    return read


def _real(text: str, *, finite: bool) -> float:
    """Read a number with a fraction or an exponent, or one of Python's names for what is none."""
    number = float(text)
    if finite and not math.isfinite(number):
        fault = (
            "is not a number of JSON"
            if text.lstrip("-").isalpha()
            else "is beyond the range of a double"
        )
        raise NotJsonError(f"{_short(text)} {fault}")
    return number


def _unique(pairs: "list[tuple[str, JsonValue]]") -> "dict[str, JsonValue]":
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise NotJsonError(f"duplicate key {json.dumps(_short(key))}")
            seen.add(key)
    return result


def _check_values(value: object) -> None:
    """Refuse nesting that is too deep, half a surrogate pair, and aliases that stand for too much.

    A value that stands in several places, as an alias of YAML does, is walked once.

    Raises:
        NotJsonError: It holds one of them.
    """
    known: dict[int, tuple[int, int]] = {}
    begun: set[int] = set()
    walked = 0

    def measure(node: object, depth: int) -> tuple[int, int]:
        """Count the values from here on, aliases written out, and their levels."""
        nonlocal walked
        if not isinstance(node, dict | list | tuple | set):
            _check_scalar(node)
            return 1, 0
        if id(node) not in known:
            if depth > MAX_DEPTH or id(node) in begun:
                raise NotJsonError(_too_deep())
            begun.add(id(node))
            inner = [*node.keys(), *node.values()] if isinstance(node, dict) else list(node)
            walked += len(inner)
            measured = [measure(each, depth + 1) for each in inner]
            known[id(node)] = (
                1 + sum(size for size, _ in measured),
                1 + max((levels for _, levels in measured), default=0),
            )
        size, levels = known[id(node)]
        if depth + levels > MAX_DEPTH + 1:
            raise NotJsonError(_too_deep())
        return size, levels

    size, _ = measure(value, 1)
    if size > walked + _MAX_NODES:
        raise NotJsonError(f"its aliases stand for {size:,} values")


def _check_scalar(value: object) -> None:
    if isinstance(value, int) and abs(value) >= 10**_MAX_DIGITS:
        raise NotJsonError("an integer beyond the range of a double")
    if not isinstance(value, str):
        return
    try:
        value.encode()
    except UnicodeEncodeError as fault:
        half = f"\\u{ord(value[fault.start]):04x}"
        raise NotJsonError(f"half a surrogate pair, {half}; write the character itself") from None


def _yaml_fault(fault: Exception) -> str:
    said = " ".join(str(fault).split()).replace('in "<unicode string>", ', "at ")
    if "'\\t' that cannot start any token" in said:
        said += "; indent with spaces, not tabs"
    if "expected '<document start>', but found '{'" in said:
        said += "; JSON Lines hold rows, and this file must be one mapping"
    # Python's own words tell how to raise its limit, which helps nobody here.
    is_long_integer = "integer string conversion" in said
    return "an integer beyond the range of a double" if is_long_integer else said


def _too_deep() -> str:
    return f"nested deeper than {MAX_DEPTH} levels"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."


def _reason(fault: Exception) -> str:
    return str(getattr(fault, "strerror", None) or fault)


def pointer_fault(path: Path) -> str | None:
    """Say that Git LFS has left a note of where a file lies in place of the file.

    Args:
        path: A file.

    Returns:
        The message, with the mend; None for any other file.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        is_pointer = file.read(len(_POINTER)) == _POINTER
    told = "is a pointer of Git LFS and not the file itself; run git lfs pull in its folder"
    return f"{path}: {told}" if is_pointer else None
