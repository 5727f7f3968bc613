"""Kinds of files that hold rows, told by suffix and first bytes, and sources that are none."""

import json
import re
from pathlib import Path
from typing import NoReturn

from ....errors import DataError
from ....parsing import pointer_fault

BUILDERS = {
    ".jsonl": "json", ".json": "json", ".ndjson": "json", ".parquet": "parquet", ".pq": "parquet",
    ".csv": "csv", ".tsv": "csv", ".arrow": "arrow", ".feather": "arrow", ".txt": "text",
}  # fmt: skip
"""Suffix -> the builder of `datasets` that reads such files."""
PACKED = {".gz", ".bz2", ".xz", ".zst", ".lz4"}
_PACKED_MAGIC = (b"\x1f\x8b", b"BZh", b"\xfd7zX", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")
_MAGIC = ((b"PAR1", "parquet"), (b"\x1f\x8b", "json"), (b"{", "json"), (b"[", "json"))
_BINARY = ((b"PAR1", "parquet"), (b"ARROW1", "arrow"), (b"\xff\xff\xff\xff", "arrow"))
_NAMES = {"json": "JSON", "parquet": "Parquet", "csv": "CSV", "arrow": "Arrow", "text": "text"}
_SUFFIXES = {"json": ".jsonl", "parquet": ".parquet", "arrow": ".arrow"}
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]+):/+(?P<rest>.*)")


def builder_of(path: Path) -> tuple[str, dict[str, str]]:
    """Return the builder that reads a file, and its options.

    Args:
        path: The file.

    Returns:
        Such as `csv`, and the separator.

    Raises:
        DataError: The file is of no kind that is read, or of another kind than its suffix says.
    """
    refuse_pointer(path)
    suffixes = [suffix for suffix in path.suffixes if suffix not in PACKED]
    kind = suffixes[-1].lower() if suffixes else ""
    first = first_bytes(path, 4)
    builder = BUILDERS.get(kind)
    if builder is None:
        builder = next((name for magic, name in _MAGIC if first.startswith(magic)), None)
    elif not is_packed(path):
        _refuse_other_kind(path, builder)
    if builder is None:
        raise DataError(
            f"{path}: is of no kind that is read; give JSON Lines, a JSON array, Parquet, CSV, TSV, "
            "Arrow or text"
        )
    return builder, {"sep": "\t"} if kind == ".tsv" else {}


def is_packed(path: Path) -> bool:
    """Tell whether a file is compressed: readers go by its first bytes, whatever its suffix.

    Args:
        path: The file.

    Returns:
        True also where only the suffix says so.
    """
    return bool(PACKED & {*path.suffixes}) or first_bytes(path, 4).startswith(_PACKED_MAGIC)


def first_bytes(path: Path, num: int = 1) -> bytes:
    """Return the first bytes of a file that are no white space.

    Args:
        path: The file.
        num: How many, at most.

    Returns:
        At least one byte.

    Raises:
        DataError: The file cannot be read, or holds nothing.
    """
    try:
        with path.open("rb") as file:
            while (first := file.read(1)).isspace():
                pass
            result = first + file.read(num - 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    if not result:
        raise DataError(f"{path}: holds no examples; give one example a line")
    return result


def refuse_pointer(path: Path) -> None:
    """Refuse a file that Git LFS has left in place of the rows.

    Args:
        path: A file.

    Raises:
        DataError: It is such a file.
    """
    try:
        fault = pointer_fault(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    if fault:
        raise DataError(fault)


def refuse_missing(source: str, where: str = "") -> NoReturn:
    """Refuse a source that is neither a file nor a folder nor a hub id.

    Args:
        source: As it was named; a path may have lost a slash of an address.
        where: What names it, for the message.

    Raises:
        DataError: Always; the message has the mend.
    """
    raise DataError(where + _said_of_missing(source))


def _said_of_missing(source: str) -> str:
    if address := _ADDRESS.fullmatch(source):
        name = f"{address['scheme']}://{address['rest']}"
        hub = re.fullmatch(
            r"(datasets/|huggingface\.co/datasets/)([\w.-]+/[\w.-]+)/?", address["rest"]
        )
        mend = f"write {hub[2]}" if hub else "download it and give the path of the file"
        return f"{name}: addresses are not read, only files, folders and hub ids; {mend}"
    if source in ("-", "/dev/stdin"):
        return f"{source}: rows are not read from standard input; save them in a file and give its path"
    if re.search(r"[*?\[]", source):
        return f"{source}: names no file of that name; patterns are not read, so give the folder of the files"
    mend = "check the path"
    if re.fullmatch(r"[\w-]+", source):
        mend += ", or write a hub id with its owner, as owner/name"
    return f"{source}: cannot be read (No such file or directory); {mend}"


def _refuse_other_kind(path: Path, builder: str) -> None:
    """Refuse a file that begins as one of another kind than its suffix says."""
    first = first_bytes(path, 8)
    if first.startswith(b"PK\x03\x04"):
        raise DataError(
            f"{path}: is a zip archive or a workbook; unpack it, or save the sheet as CSV"
        )
    kind = next((name for magic, name in _BINARY if first.startswith(magic)), builder)
    if first.startswith((b"{", b"[")) and (
        builder in ("parquet", "arrow") or (builder == "csv" and _begins_with_json(path))
    ):
        kind = "json"
    if kind != builder:
        raise DataError(
            f"{path}: is {_NAMES[kind]} and not {_NAMES[builder]}, as its name says; give it the suffix "
            f"{_SUFFIXES[kind]}"
        )


def _begins_with_json(path: Path) -> bool:
    """Tell whether the first line is an object, or the beginning of a list of objects."""
    with path.open("rb") as file:
        line = next((line.strip() for line in file if line.strip()), b"")
    try:
        return isinstance(json.loads(line), dict | list)
    except ValueError:
        return line in (b"[", b"{") or line.startswith(b"[{")
