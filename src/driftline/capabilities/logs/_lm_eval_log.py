"""Per-sample logs of lm-evaluation-harness: `samples_TASK_*.jsonl`, written with --log_samples."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ...errors import SuiteError
from ...parsing import parse_json, read_text
from ...provenance import digest_bytes
from .._items import describe_fault
from .._scorers import clipped_margin, right_probability
from ._scored import LoggedItem, ScoredLog, metrics_of

_FILE_NAME = re.compile(r"samples_(?P<task>.+)_\d{4}-\d\d-\d\dT[\d.-]+\.jsonl")
_DIGEST_DIGITS = 12

_PER_LENGTH = {
    "word_perplexity": ("nll_nats_per_word", 1.0),
    "byte_perplexity": ("nll_nats_per_byte", 1.0),
    "bits_per_byte": ("bits_per_byte", math.log(2)),
}
"""Logged as (log-likelihood, length): what -log-likelihood / length is called, and its divisor."""


class _LmEvalSample(BaseModel):
    """One line, as far as it is needed; a metric stands there under its own name."""

    model_config = ConfigDict(extra="allow", strict=True)

    doc_id: int
    doc: JsonValue
    target: Any = None
    arguments: Any = None
    filtered_resps: Any = None
    filter: Annotated[str, Field(min_length=1)] = "none"


@dataclass(frozen=True)
class _LogLine:
    sample: _LmEvalSample
    where: str


def read_lm_eval_log(path: Path) -> ScoredLog:
    """Read the samples of one task.

    An item's name is lm-eval's number of the document and a digest of the document, so that two
    logs pair only what is the same. `perplexity` of a target and the perplexities of texts are
    logged as log-likelihoods; here they are negative log-likelihoods per target, word or byte.

    Where the log tells which choice is right, each item has `margin_nats` and `probability` too.

    Returns:
        Every metric that is one number an item.

    Raises:
        SuiteError: It is not such a log, or a line is not right; the message names it.
    """
    lines = tuple(_lines(path))
    filters = list(dict.fromkeys(line.sample.filter for line in lines))
    margins = _margins([line for line in lines if line.sample.filter == filters[0]])
    values: dict[str, dict[str, float]] = {}
    places: dict[str, str] = {}
    prompts: dict[str, str] = {}
    seen: set[tuple[int, str]] = set()
    for line in lines:
        sample = line.sample
        if (sample.doc_id, sample.filter) in seen:
            raise SuiteError(
                f"{line.where}: duplicate document {sample.doc_id}; two runs were written "
                "into one file"
            )
        seen.add((sample.doc_id, sample.filter))
        name = f"{sample.doc_id}:{_digest(sample.doc)}"
        suffix = f",{sample.filter}" if len(filters) > 1 else ""
        metrics = {f"{metric}{suffix}": v for metric, v in _numbers(sample).items()}
        values.setdefault(name, {**margins.get(sample.doc_id, {})}).update(metrics)
        places.setdefault(name, line.where)
        prompts.setdefault(name, _digest(sample.arguments))
    items = tuple(LoggedItem(name, name, values[name], places[name]) for name in values)
    match = _FILE_NAME.fullmatch(path.name)
    return ScoredLog(
        name=match["task"] if match else path.stem,
        items=items,
        preferred=metrics_of(items),
        readings={},
        prompts_digest=digest_bytes(repr(sorted(prompts.items())).encode()),
    )


def _lines(path: Path) -> Iterator[_LogLine]:
    fault = "cannot be read as a log of lm-eval"
    # Not splitlines: a JSON string may hold U+2028 and the like as they are.
    texts = read_text(path, SuiteError, fault=fault).removesuffix("\n").split("\n")
    if texts == [""]:
        raise SuiteError(f"{path}: holds no samples")
    for number, text in enumerate(texts, start=1):
        where = f"{path}: line {number}"
        # lm-eval writes what is undefined as NaN.
        record = parse_json(text, where, SuiteError, finite=False)
        try:
            yield _LogLine(_LmEvalSample.model_validate(record), where)
        except ValidationError as error:
            raise SuiteError(
                f"{where}: {describe_fault(error)}; it is not a sample that lm-eval wrote with "
                "--log_samples"
            ) from None


def _digest(value: JsonValue) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return digest_bytes(text.encode()).removeprefix("sha256:")[:_DIGEST_DIGITS]


def _numbers(sample: _LmEvalSample) -> dict[str, float]:
    """Return the sample's metrics that are one number, under names that say what the number is."""
    fields = sample.model_extra or {}
    # Older versions do not list the metrics; there they are the numbers among the other keys.
    listed = fields.get("metrics")
    names = [
        name
        for name in (listed if isinstance(listed, list) and listed else fields)
        if isinstance(name, str) and not name.endswith("_hash")
    ]
    result: dict[str, float] = {}
    for name in names:
        value = fields.get(name)
        if name in _PER_LENGTH:
            metric, divisor = _PER_LENGTH[name]
            pair = value if isinstance(value, list) else []
            if len(pair) == 2 and all(map(_is_number, pair)) and pair[1]:
                result[metric] = -float(pair[0]) / float(pair[1]) / divisor
        elif isinstance(value, bool | int | float):
            result.update({"nll_nats": -value} if name == "perplexity" else {name: float(value)})
    return result


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _margins(lines: Sequence[_LogLine]) -> Mapping[int, dict[str, float]]:
    """Return margin and probability of the right choice by document, if the log's `acc` agrees."""
    # The log holds the target as a text, which may be a place or a choice. That reading is taken
    # with which the choice of the highest likelihood is right exactly where `acc` says so.
    choices = [_choices(line.sample) for line in lines]
    if any(result is None for result in choices):
        return {}
    options = [result for result in choices if result is not None]
    fitting = []
    for read in (_place, _place_of_text):
        rights = [read(line.sample, result) for line, result in zip(lines, options, strict=True)]
        if all(
            right is not None and _is_first_best(result, right) == _said_right(line.sample)
            for line, result, right in zip(lines, options, rights, strict=True)
        ):
            fitting.append(rights)
    if not fitting or any(rights != fitting[0] for rights in fitting):
        return {}
    return {
        line.sample.doc_id: _of_options([value for _text, value in result], right)
        for line, result, right in zip(lines, options, fitting[0], strict=True)
        if right is not None
    }


def _of_options(values: list[float], right: int) -> dict[str, float]:
    # A clip would turn NaN into a number.
    if not all(map(math.isfinite, values)):
        return {"margin_nats": math.nan, "probability": math.nan}
    return {
        "margin_nats": clipped_margin(values, right),
        "probability": right_probability(values, right),
    }


_Options = list[tuple[str, float]]
"""Text and log-likelihood of each choice."""


def _choices(sample: _LmEvalSample) -> _Options | None:
    """Return the choices with their log-likelihoods; None if it is not a multiple choice."""
    arguments, answers = sample.arguments, sample.filtered_resps
    if isinstance(arguments, dict):
        arguments = [list(each.values()) for each in arguments.values() if isinstance(each, dict)]
    if not isinstance(arguments, list) or not isinstance(answers, list):
        return None
    result = []
    for argument, answer in zip(arguments, answers, strict=False):
        if not isinstance(argument, list) or len(argument) < 2 or not isinstance(answer, list):
            return None
        try:
            result.append((str(argument[1]), float(answer[0])))
        except (ValueError, IndexError, TypeError):
            return None
    # With acc_mutual_info the second half has no context.
    if "acc_mutual_info" in (sample.model_extra or {}):
        result = result[: len(result) // 2]
    return result if len(result) > 1 and len(answers) == len(arguments) else None


def _place(sample: _LmEvalSample, options: _Options) -> int | None:
    """Return the target as an index of the choices."""
    text = str(sample.target)
    # As long as a place is, and no longer: Python converts no text of thousands of digits.
    is_place = text.isdecimal() and len(text) < 10 and int(text) < len(options)
    return int(text) if is_place else None


def _place_of_text(sample: _LmEvalSample, options: _Options) -> int | None:
    """Return the target as the text of one choice."""
    requested = str(sample.target).strip()
    places = [place for place, (text, _value) in enumerate(options) if text.strip() == requested]
    return places[0] if len(places) == 1 else None


def _is_first_best(options: _Options, right: int) -> bool:
    values = [value for _text, value in options]
    return values.index(max(values)) == right


def _said_right(sample: _LmEvalSample) -> bool | None:
    value = (sample.model_extra or {}).get("acc")
    return bool(value) if isinstance(value, (bool, int, float)) else None
