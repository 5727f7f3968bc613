"""Compare what each step of a life claims with what the next step measures."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Agreement = Literal["yes", "within error", "no"]
"""within error: outside of a forecast's interval, by at most two standard errors of the measurement."""
Document = dict[str, Any]
_LOST = {"unsafe", "fail"}
_KEPT = {"safe", "no_alarm", "pass"}


@dataclass(frozen=True)
class Comparison:
    """One claim of a step beside the measurement of another."""

    step: str
    said: str
    other: str
    """The step that measured."""
    measured: str
    agrees: Agreement


Row = tuple[str, str, Agreement]
"""What was said, what was measured, if they agree."""


def comparisons(record: dict[str, Any]) -> Iterator[Comparison]:
    """Compare the neighbouring steps of a life.

    Args:
        record: One of `evidence/life`.

    Yields:
        Each comparison of two steps that the record has, in the order of the life.
    """
    documents = record["documents"]
    for first, second, compare in (
        ("assess", "train-plain", _watched), ("assess", "certify-plain", _assessed), ("train-plain", "certify-plain", _trained),
        ("plan", "certify-plain", _plan_forecast), ("plan", "train", _gains),
        ("plan", "certify", _planned), ("train", "certify", _trained),
        ("repair", "certify-plain", _before_repair), ("repair", "certify-repaired", _repaired),
    ):  # fmt: skip
        if first in documents and second in documents:
            for said, measured, agrees in compare(documents[first], documents[second]):
                yield Comparison(first, said, second, measured, agrees)
    if "certify-repaired" in documents:
        yield from _verifications(record["steps"], documents["certify-repaired"]["verdict"])


def _watched(first: Document, second: Document) -> Iterator[Row]:
    yield from _forecasts(first["forecast"], second["changes"], "predicted_change", 1)
    yield _verdicts(first, second)


def _assessed(first: Document, second: Document) -> Iterator[Row]:
    yield from _forecasts(first["forecast"], second["claims"], "predicted_change", 1)
    yield _verdicts(first, second)


def _trained(first: Document, second: Document) -> Iterator[Row]:
    yield from _changes(first["changes"], "change", second)
    yield _verdicts(first, second)


def _plan_forecast(first: Document, second: Document) -> Iterator[Row]:
    for said, measured, agrees in _forecasts(first["forecast"], second["claims"], "loss", -1):
        yield f"trial 0: {said}", measured, agrees


def _planned(first: Document, second: Document) -> Iterator[Row]:
    yield from _changes(first["claims"], "change", second)
    yield _verdicts(first, second)


def _before_repair(first: Document, second: Document) -> Iterator[Row]:
    for said, measured, agrees in _changes(first["changes"], "tuned_change", second):
        yield f"before: {said}", measured, agrees


def _repaired(first: Document, second: Document) -> Iterator[Row]:
    for said, measured, agrees in _changes(first["changes"], "repaired_change", second):
        yield f"after: {said}", measured, agrees
    yield _verdicts(first, second)


def _forecasts(
    forecast: Document, measured: Document, name: str, sign: Literal[-1, 1]
) -> Iterator[Row]:
    """Compare forecasts with measured changes.

    Args:
        forecast: Capability to a value and its interval.
        measured: Capability to the change of the run that was forecast, and its standard error.
        name: Of the value.
        sign: -1 where the value is a loss.

    Yields:
        One row a capability.
    """
    for capability, each in forecast.items():
        low, high = sorted((sign * each["low"], sign * each["high"]))
        claim = measured[capability]
        beyond = max(low - claim["change"], claim["change"] - high, 0)
        near: Agreement = "within error" if _is_within_error(beyond, claim) else "no"
        said = f"{capability} {_points(sign * each[name])} ({_points(low)} to {_points(high)})"
        yield said, _measured(claim), "yes" if beyond == 0 else near


def _changes(changes: Document, name: str, certified: Document) -> Iterator[Row]:
    """Compare changes that two steps measured of one model on different items.

    Args:
        changes: Capability to its change and standard error.
        name: Of the change; its standard error's name begins alike.
        certified: The certification of the same model.

    Yields:
        One row a capability.
    """
    error = name.removesuffix("change") + "standard_error"
    for capability, each in changes.items():
        claim = certified["claims"][capability]
        first = {"change": each[name], "standard_error": each[error]}
        apart = abs(first["change"] - claim["change"])
        agrees: Agreement = "yes" if _is_within_error(apart, claim, first) else "no"
        yield f"{capability} {_measured(first)}", _measured(claim), agrees


def _verdicts(first: Document, second: Document) -> Row:
    """Compare two verdicts, which contradict each other where one says kept and the other lost."""
    one, two = first["verdict"], second["verdict"]
    opposed = (one in _KEPT and two in _LOST) or (one in _LOST and two in _KEPT)
    return one.replace("_", " "), two.replace("_", " "), "no" if opposed else "yes"


def _gains(first: Document, second: Document) -> Iterator[Row]:
    planned, trained = first["target"], second["target"]
    error = math.hypot(planned["standard_error"] or 0, trained["standard_error"] or 0)
    apart = abs(planned["gain"] - trained["gain"])
    agrees: Agreement = "yes" if apart <= 2 * error else "no"
    yield f"gain {planned['gain']:+.2f} nats", f"{trained['gain']:+.2f} nats", agrees


def _verifications(steps: dict[str, Any], verdict: str) -> Iterator[Comparison]:
    expected = {"pass": 0, "fail": 1, "inconclusive": 3}[verdict]
    for step, said, code in (
        ("verify", verdict, expected), ("verify-another", "another model", 5),
    ):  # fmt: skip
        if step in steps:
            ended = steps[step]["exit_code"]
            agrees: Agreement = "yes" if ended == code else "no"
            yield Comparison("certify-repaired", said, step, f"exit code {ended}", agrees)


def _is_within_error(apart: float, *changes: Document) -> bool:
    """Tell whether a difference is at most two standard errors of it."""
    return apart <= 2 * math.hypot(*(each["standard_error"] or 0 for each in changes))


def _measured(change: Document) -> str:
    error = change["standard_error"]
    return _points(change["change"]) + ("" if error is None else f" ± {100 * error:.1f}")


def _points(change: float) -> str:
    return f"{100 * change:+.1f}"
