"""Logs of inspect_ai: `.eval` (a zip of JSON) and `.json`, read as they lie, without inspect_ai."""

import importlib
import json
import lzma
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ...errors import SuiteError
from ...parsing import parse_json, read_text
from ...provenance import digest_bytes
from .._items import describe_fault
from ._scored import SHARE, LoggedItem, Reading, ScoredLog, metrics_of

_SAMPLE_NAME = re.compile(r"samples/.+_epoch_\d+(/sample)?\.json", re.DOTALL)
"""A sample of its own, or the shell of a large one whose messages lie beside it."""
_ZSTANDARD = 93
_LOCAL_HEADER_BYTES = 30
_DIGEST_DIGITS = 12
_ZIP_FAULTS = (
    OSError, ValueError, LookupError, RuntimeError, EOFError, OverflowError, MemoryError,
    struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
)  # fmt: skip
"""All that Python's zipfile raises on damaged archives; encrypted ones and unknown methods too."""

_LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Correct, partial, incorrect, no answer: as inspect_ai itself turns them to numbers."""
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


class _LogModel(BaseModel):
    model_config = ConfigDict(extra="ignore")


Model = TypeVar("Model", bound=_LogModel)


class _Score(_LogModel):
    value: Any = None


class _InspectSample(_LogModel):
    id: int | str
    epoch: int = 1
    input: JsonValue
    target: JsonValue = None
    choices: JsonValue = None
    scores: dict[str, _Score] | None = None
    error: JsonValue = None
    invalidation: JsonValue = None


class _Task(_LogModel):
    task: str


class _Result(_LogModel):
    name: str
    scorer: str
    metrics: dict[str, JsonValue] = {}


class _Results(_LogModel):
    scores: list[_Result] = []


class _Header(_LogModel):
    version: Annotated[int, Field(ge=2)]
    status: Literal["success", "started", "cancelled", "error"]
    eval: _Task
    results: _Results | None = None
    invalidated: bool = False


def read_inspect_log(path: Path) -> ScoredLog:
    """Read the samples of one evaluation.

    An item's name is the sample's id and a digest of input, choices and target, so that two logs
    pair only what is the same. Epochs of a sample are items of one group. Letters are
    numbers as in inspect_ai (C 1, P 0.5, I and N 0); a score of several values gives a metric each,
    `scorer/value`.

    Args:
        path: The `.eval` or `.json` file.

    Raises:
        SuiteError: It is not such a log, the evaluation did not end well, or a sample has no score.
    """
    header_text, samples = _parts(path)
    header = _parse(_Header, header_text, str(path))
    if header.status != "success" or header.invalidated:
        state = "was invalidated" if header.invalidated else f"has status {header.status}"
        raise SuiteError(f"{path}: the evaluation {state}; run it to its end first")
    read = [(_parse(_InspectSample, record, where), where) for where, record in samples]
    if not read:
        raise SuiteError(f"{path}: holds no samples; log them with log_samples")
    has_epochs = any(sample.epoch != 1 for sample, _where in read)
    items = tuple(_item(sample, where, has_epochs=has_epochs) for sample, where in read)
    counts = Counter(item.id for item in items)
    for item in items:
        if counts[item.id] > 1:
            raise SuiteError(f"{item.where}: duplicate sample; the log is damaged")
    return ScoredLog(
        name=header.eval.task,
        items=items,
        preferred=metrics_of(items),
        readings=_readings(header, [sample for sample, _where in read]),
    )


def _parts(path: Path) -> tuple[JsonValue, list[tuple[str, JsonValue]]]:
    """Return the header, and each sample with its place, for error messages."""
    try:
        if path.suffix == ".eval":
            with zipfile.ZipFile(path) as archive:
                return _archived(path, archive)
    except _ZIP_FAULTS as error:
        raise SuiteError(f"{path}: cannot be read as a log of inspect_ai ({error})") from None
    text = read_text(path, SuiteError, fault="cannot be read as a log of inspect_ai")
    content = parse_json(text, path, SuiteError, finite=False)
    samples = content.get("samples") if isinstance(content, dict) else None
    result = samples if isinstance(samples, list) else []
    return content, [(f"{path}: samples.{i}", record) for i, record in enumerate(result)]


def _archived(
    path: Path, archive: zipfile.ZipFile
) -> tuple[JsonValue, list[tuple[str, JsonValue]]]:
    # A name that was written twice counts as it was written last.
    names = sorted(set(archive.namelist()))
    if "header.json" not in names:
        raise SuiteError(
            f"{path}: has no header.json: the evaluation was broken off, or it is not a log of "
            "inspect_ai; run it to its end first"
        )
    samples = [name for name in names if _SAMPLE_NAME.fullmatch(name)]
    return _entry(path, archive, "header.json"), [
        (f"{path}: {name}", _entry(path, archive, name)) for name in samples
    ]


def _entry(path: Path, archive: zipfile.ZipFile, name: str) -> JsonValue:
    info = archive.getinfo(name)
    try:
        data = _unpacked(path, info) if info.compress_type == _ZSTANDARD else archive.read(info)
    except _ZIP_FAULTS as error:
        raise SuiteError(f"{path}: {name}: not JSON ({error}); the log is damaged") from None
    return parse_json(data, f"{path}: {name}", SuiteError, finite=False, mend="the log is damaged")


def _unpacked(path: Path, info: zipfile.ZipInfo) -> bytes:
    """Decompress a Zstandard entry, which Python's zipfile reads only from 3.14 on."""
    try:
        zstandard = importlib.import_module("zstandard")
    except ModuleNotFoundError:
        raise SuiteError(
            f"{path}: is packed with Zstandard; pip install 'driftline[inspect]', or turn it into JSON "
            "with `inspect log convert --to json`"
        ) from None
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(_LOCAL_HEADER_BYTES)
        # The name and the extra field stand between the header and the data.
        file.seek(sum(int.from_bytes(header[at : at + 2], "little") for at in (26, 28)), 1)
        packed = file.read(info.compress_size)
    try:
        reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
        data: bytes = reader.read()
    except zstandard.ZstdError as error:
        raise zlib.error(str(error)) from None
    if zlib.crc32(data) != info.CRC:
        raise zlib.error("its checksum does not fit")
    return data


def _parse(kind: type[Model], record: JsonValue, where: str) -> Model:
    try:
        return kind.model_validate(record)
    except ValidationError as error:
        raise SuiteError(
            f"{where}: {describe_fault(error)}; it is not as inspect_ai logs it"
        ) from None


def _item(sample: _InspectSample, where: str, *, has_epochs: bool) -> LoggedItem:
    if sample.invalidation is not None:
        raise SuiteError(f"{where}: sample {sample.id} was invalidated; score it again")
    if not sample.scores:
        reason = "ended in an error" if sample.error is not None else "has no score"
        raise SuiteError(
            f"{where}: sample {sample.id} {reason}; run it again, as `inspect eval-retry`"
        )
    name = f"{sample.id}#{sample.epoch}" if has_epochs else str(sample.id)
    document: JsonValue = [_without_ids(sample.input), sample.choices, sample.target]
    digest = digest_bytes(json.dumps(document, sort_keys=True).encode()).removeprefix("sha256:")
    values = {}
    for metric, value in _values(sample):
        number = _number(value)
        if number is not None:
            values[metric] = number
    item_id = f"{name}:{digest[:_DIGEST_DIGITS]}"
    return LoggedItem(item_id, str(sample.id) if has_epochs else item_id, values, where)


def _without_ids(messages: JsonValue) -> JsonValue:
    """Return role and content of messages; their ids change in every run."""
    if not isinstance(messages, list):
        return messages
    return [
        {key: message.get(key) for key in ("role", "content")}
        if isinstance(message, dict)
        else message
        for message in messages
    ]


def _values(sample: _InspectSample) -> Iterator[tuple[str, Any]]:
    for scorer, score in (sample.scores or {}).items():
        if isinstance(score.value, dict):
            for key, value in score.value.items():
                yield f"{scorer}/{key}", value
        else:
            yield scorer, score.value


def _share(value: object) -> float | None:
    """Convert a right-or-wrong value to a number; None for any other value."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        return _LETTERS.get(value, _WORDS.get(value.lower()))
    return None


def _number(value: object) -> float | None:
    share = _share(value)
    if share is not None:
        return share
    try:
        return float(value) if isinstance(value, (int, float, str)) else None
    except ValueError:
        return None


def _readings(header: _Header, samples: list[_InspectSample]) -> Mapping[str, Reading]:
    """Return the scores that are shares of right answers, by values or by the log's accuracy."""
    results: dict[str, set[bool]] = {}
    for sample in samples:
        for metric, value in _values(sample):
            results.setdefault(metric, set()).add(_share(value) is not None)
    shares = {metric for metric, kinds in results.items() if kinds == {True}}
    for result in header.results.scores if header.results else []:
        if "accuracy" in result.metrics:
            shares |= {result.scorer, f"{result.scorer}/{result.name}"}
    return dict.fromkeys(shares, SHARE)
