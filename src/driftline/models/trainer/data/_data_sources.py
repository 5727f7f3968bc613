"""Sources of rows: files of every kind that `datasets` reads, folders, hub ids, mixtures."""

import codecs
import contextlib
import dataclasses
import functools
import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import datasets
import pyarrow
from pydantic import JsonValue
from trl import DatasetMixtureConfig, get_dataset
from trl.scripts.utils import DatasetConfig

from ....errors import DataError
from ....parsing import parse_json
from ....provenance import digest_value
from ..config import TrainingConfig, one_line
from ._as_written import dates_as_written, load_as_written
from ._file_kinds import (
    BUILDERS,
    PACKED,
    builder_of,
    first_bytes,
    is_packed,
    refuse_missing,
    refuse_pointer,
)

RowSource: TypeAlias = (
    str | Path | datasets.Dataset | datasets.DatasetDict | Sequence[dict[str, JsonValue]]
)
_HUB_ID = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?(:(?P<config>[\w.-]*))?")
_PART = 1 << 22
"""Bytes that are read at a time."""
_SAVED = ("dataset_info.json", "dataset_dict.json", "state.json")


@dataclass(frozen=True)
class LoadedRows:
    """The splits of a source, as they stand there."""

    name: str
    splits: dict[str, datasets.Dataset]
    digest: str
    where: str
    """The source as it was named, for messages."""
    lines_of: Path | None = None
    """The file whose lines are the rows; None where there are no lines to name."""


def load_source(source: RowSource, config: TrainingConfig | None = None) -> LoadedRows:
    """Load a file, a folder, a hub id or rows in memory with `datasets`.

    Args:
        source: A file (JSON Lines, a JSON array, Parquet, CSV, TSV, Arrow, text; packed or not), a
            folder of such files or of `save_to_disk`, `owner/name@revision:config` on the hub, or
            rows in memory: a `Dataset`, a `DatasetDict`, or a list of dicts.
        config: Its `dataset_config` counts for a hub id that names none.

    Returns:
        The splits; a file has one, `train`.

    Raises:
        DataError: There is no such source, or it cannot be read.
    """
    if not isinstance(source, str | Path):
        return _load_memory(source)
    path = Path(source)
    if path.is_dir():
        return _load_folder(path)
    if path.is_file():
        return _load_file(path)
    if path.exists():
        raise DataError(f"{path}: is not a regular file; save the rows in a file and give its path")
    result = _HUB_ID.fullmatch(str(source))
    is_path = path.suffix in BUILDERS.keys() | PACKED or path.parent.is_dir()
    if result is None or is_path or str(source).startswith("."):
        refuse_missing(str(source))
    return _load_hub(str(source), result, config)


def load_named(config: TrainingConfig) -> LoadedRows | None:
    """Load what the config itself names, by `datasets` or by `dataset_name`.

    Returns:
        The splits; None where it names nothing.

    Raises:
        DataError: It cannot be read.
    """
    mixture = config.values.get("datasets")
    if mixture:
        return _load_mixture(config, mixture)
    name = config.values.get("dataset_name")
    if not isinstance(name, str):
        return None
    if "/" not in name and not Path(name).exists():
        refuse_missing(name, f"{config.name}: dataset_name: ")
    return load_source(name, config)


def _load_file(path: Path) -> LoadedRows:
    builder, options = builder_of(path)
    # Readers replace a byte that is no text, and a model would be trained on the replacement.
    is_text = builder in ("json", "csv", "text") and not is_packed(path)
    digest = _digest_of_file(path, is_text=is_text)
    with _reading(path, builder):
        # Without a split as a name, an empty file is an empty split and no failed lookup.
        rows = load_as_written(
            builder,
            str(path),
            [path] if builder == "csv" and not is_packed(path) else [],
            data_files={"train": [str(path)]},
            split="train",
            cache_dir=_cache_folder(),
            **options,
        )
        if builder == "json" and not is_packed(path):
            rows = dates_as_written(rows, path, _cache_folder())
    has_lines = builder == "json" and not is_packed(path) and first_bytes(path) != b"["
    lines_of = path if has_lines else None
    return LoadedRows(path.name, {"train": rows}, digest, str(path), lines_of)


def _load_memory(source: object) -> LoadedRows:
    where = "the data in memory"
    if isinstance(source, datasets.Dataset | datasets.DatasetDict):
        splits = _splits(source)
    else:
        rows = list(source) if isinstance(source, Sequence) else []
        if not rows or isinstance(source, bytes) or not all(isinstance(row, dict) for row in rows):
            raise DataError(
                f"{where}: is a {type(source).__name__}; give a path, a Dataset, or a list of dicts, one "
                "a row"
            )
        try:
            splits = {"train": datasets.Dataset.from_list(rows)}
        except (TypeError, ValueError, OverflowError, pyarrow.ArrowException) as error:
            raise DataError(
                f"{where}: cannot be read ({one_line(error)}); give every row the same kinds of values"
            ) from None
    return LoadedRows("rows in memory", splits, digest_rows(splits), where)


def _load_folder(path: Path) -> LoadedRows:
    if (path / "config.json").is_file() and any(path.glob("*.safetensors")):
        raise DataError(f"{path}: is the folder of a model; name a file or a folder of rows")
    for file in path.rglob("*"):
        is_hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if file.is_file() and not is_hidden:
            refuse_pointer(file)
    with _reading(path, "folder"):
        if any((path / name).is_file() for name in _SAVED):
            result = datasets.load_from_disk(str(path))
        else:
            tables = [file for file in sorted(path.rglob("*")) if file.suffix in (".csv", ".tsv")]
            result = load_as_written(str(path), str(path), tables, cache_dir=_cache_folder())
    digests: dict[str, JsonValue] = {
        str(file.relative_to(path)): _digest_of_file(file)
        for file in sorted(path.rglob("*"))
        if file.is_file() and not file.name.startswith(("cache-", "."))
    }
    return LoadedRows(path.name, _splits(result), digest_value(digests), str(path))


def _load_hub(source: str, result: re.Match[str], config: TrainingConfig | None) -> LoadedRows:
    named = None if config is None else config.values.get("dataset_config")
    name = result["config"] or named
    with _reading(source, "hub"):
        loaded = load_as_written(
            result["name"],
            source,
            name=None if name is None else str(name),
            revision=result["revision"],
        )
    splits = _splits(loaded)
    return LoadedRows(source, splits, digest_rows(splits), source)


def _load_mixture(config: TrainingConfig, mixture: JsonValue) -> LoadedRows:
    where = f"{config.name}: datasets"
    if not isinstance(mixture, list):
        raise DataError(f"{where}: is not a list; write one `- path: …` for each")
    for number, entry in enumerate(mixture, start=1):
        _check_entry(entry, f"{where}: entry {number}")
    with _reading(where, "mixture"):
        loaded = get_dataset(
            DatasetMixtureConfig(
                datasets=[dict(each) if isinstance(each, dict) else each for each in mixture],
                test_split_size=config.values.get("test_split_size"),
            )
        )
    splits = _splits(loaded)
    return LoadedRows(where, splits, digest_rows(splits), where)


def _check_entry(entry: JsonValue, where: str) -> None:
    """Refuse an entry of a mixture by the key that TRL would not take."""
    example = "`path: json` and `data_files: FILE` for a file, `path: owner/name` for the hub"
    if not isinstance(entry, dict):
        raise DataError(f"{where}: {entry!r} is not a mapping; write {example}")
    known = [each.name for each in dataclasses.fields(DatasetConfig)]
    if unknown := [key for key in entry if key not in known]:
        raise DataError(
            f"{where}: unknown key {unknown[0]}; TRL takes {', '.join(known)}; remove it (--map names "
            "columns of another layout)"
        )
    path = entry.get("path")
    if not isinstance(path, str):
        raise DataError(f"{where}: path: is missing or not a text; write {example}")
    if Path(path).is_file() and (builder := BUILDERS.get(Path(path).suffix)):
        raise DataError(
            f"{where}: path: {path} is a file; write `path: {builder}` and `data_files: {path}`"
        )


def _splits(loaded: datasets.Dataset | datasets.DatasetDict) -> dict[str, datasets.Dataset]:
    return {"train": loaded} if isinstance(loaded, datasets.Dataset) else dict(loaded)


def digest_rows(splits: dict[str, datasets.Dataset]) -> str:
    """Compute the digest of the rows' content, for sources that are not single files."""
    digest = hashlib.sha256()
    for name in sorted(splits):
        digest.update(f"{name}\n".encode())
        for row in splits[name]:
            digest.update(json.dumps(row, sort_keys=True, default=str).encode() + b"\n")
    return f"sha256:{digest.hexdigest()}"


def _digest_of_file(path: Path, *, is_text: bool = False) -> str:
    digest, decoder, position = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")(), 0
    with path.open("rb") as file:
        while part := file.read(_PART):
            digest.update(part)
            if is_text:
                held = len(decoder.getstate()[0])
                try:
                    decoder.decode(part)
                except UnicodeDecodeError as error:
                    raise DataError(
                        f"{path}: not UTF-8 ({error.reason} at byte {position - held + error.start}); "
                        "save it as UTF-8"
                    ) from None
                position += len(part)
    return f"sha256:{digest.hexdigest()}"


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="driftline-rows-")


def _cache_folder() -> str:
    """Return a folder for Arrow files while the process lives: rows are read from disk."""
    return _folder().name


@contextlib.contextmanager
def quiet_datasets() -> Iterator[None]:
    """Silence progress bars, and write no files beside the user's or in the shared cache."""
    bars, caching = not datasets.are_progress_bars_disabled(), datasets.is_caching_enabled()
    level = datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.disable_caching()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if caching:
            datasets.enable_caching()
        if bars:
            datasets.enable_progress_bars()


_MENDS = {
    "hub": "check the name, go online (unset HF_HUB_OFFLINE), or download it and give its folder",
    "folder": "give a folder of data files, or one that save_to_disk has written",
    "mixture": "check path, data_files and split of each",
    "json": "give JSON Lines, one example a line, or one JSON array of examples",
}


@contextlib.contextmanager
def _reading(source: str | Path, kind: str) -> Iterator[None]:
    """Convert exceptions of a reader to an error of one line."""
    try:
        with quiet_datasets():
            yield
    except DataError:
        raise
    except OSError as error:
        raise _unreadable(source, kind, error) from None
    except Exception as error:  # each reader has exceptions of its own
        if kind == "json" and isinstance(source, Path) and (blank := check_json_lines(source)):
            raise DataError(
                f"{source}: line {blank}: is blank, which cannot be read where rows hold values of mixed "
                "kinds; remove the blank lines"
            ) from None
        raise _unreadable(source, kind, error) from None


def _unreadable(source: str | Path, kind: str, error: Exception) -> DataError:
    inner: BaseException = error
    while isinstance(inner, datasets.exceptions.DatasetGenerationError) and inner.__cause__:
        inner = inner.__cause__
    if "corresponds to no data" in str(inner):
        return DataError(f"{source}: holds no examples; give one example a row")
    mend = _MENDS.get(kind, f"check that the file is whole and of kind {kind}")
    return DataError(f"{source}: cannot be read ({one_line(inner)}); {mend}")


def check_json_lines(path: Path) -> int:
    """Refuse a file with a line that is not a JSON object, and name the first.

    Args:
        path: A file of JSON; one array, or a packed file, is not looked at.

    Returns:
        Number of the first blank line; 0 where there is none.

    Raises:
        DataError: There is such a line.
    """
    if first_bytes(path) == b"[" or is_packed(path):
        return 0
    blank = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            blank = blank or (0 if line.strip() else number)
            where = f"{path}: line {number}"
            record = parse_json(line, where, DataError) if line.strip() else {}
            if not isinstance(record, dict):
                raise DataError(
                    f"{path}: line {number}: not a JSON object; write one example a line"
                )
    return blank


def line_of_row(path: Path | None, row: int) -> str:
    """Return the location of a row: its line in a file of lines, else its number.

    Args:
        row: From 0.

    Returns:
        Such as `line 3`.
    """
    if path is not None:
        seen = -1
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                seen += bool(line.strip())
                if seen == row:
                    return f"line {number}"
    return f"row {row + 1}"
