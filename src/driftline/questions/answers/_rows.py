"""The tidy rows of a document: one per capability, or per checkpoint or config that is compared."""

from collections.abc import Iterable, Mapping

from ...results import (
    Assessment,
    Certification,
    Comparison,
    ConfigComparison,
    Document,
    Plan,
    Repair,
    RunComparison,
    Scores,
    SuitePower,
    TrainingRun,
    Value,
    Verification,
    WeightDiff,
)

Row = dict[str, object]
_LISTS: dict[type[Document], str] = {
    Certification: "claims",
    ConfigComparison: "configs",
    Plan: "margins_left",
    RunComparison: "readings",
    Scores: "scores",
    SuitePower: "capabilities",
    TrainingRun: "capabilities",
    Verification: "checks",
    WeightDiff: "by_module",
}
"""The list of a document that has a row each."""


def rows_of(document: Document) -> list[Row]:
    """Return one row per capability, or per thing that the document lists instead.

    Args:
        document: Any document of a question.

    Returns:
        Plain values; an undefined one is None.
    """
    if isinstance(document, Assessment):
        return _assessment(document)
    if isinstance(document, Comparison):
        return _checkpoints(document)
    if isinstance(document, Repair):
        return _plain(document.recovery.capabilities)
    field = _LISTS.get(type(document))
    return _listed(document) if field is None else _plain(getattr(document, field))


def _plain(values: Iterable[Value]) -> list[Row]:
    """Keep the fields that are one value; what is nested has no place in a row."""
    dumped = (value.model_dump(mode="json") for value in values)
    rows = [{key: each for key, each in row.items() if _is_plain(each)} for row in dumped]
    nested = {key for row in rows for key in row}
    return [{key: row.get(key) for key in row if key in nested} for row in rows]


def _listed(document: Document) -> list[Row]:
    """Find the first list of values in a document of another kind."""
    for name in type(document).model_fields:
        value = getattr(document, name)
        if isinstance(value, tuple) and value and isinstance(value[0], Value):
            return _plain(value)
    return [{k: v for k, v in document.model_dump(mode="json").items() if _is_plain(v)}]


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _checkpoints(document: Comparison) -> list[Row]:
    """Return a checkpoint's verdict and losses, and its gain on the target rows."""
    rows = _plain(each.model_copy(update={"gain": None}) for each in document.checkpoints)
    for row, each in zip(rows, document.checkpoints, strict=True):
        gain = each.gain
        row["gain"] = None if gain is None else gain.gain
        row["gain_standard_error"] = None if gain is None else gain.standard_error
        row["gain_low"] = None if gain is None else gain.low
        row["gain_high"] = None if gain is None else gain.high
    return rows


def _assessment(document: Assessment) -> list[Row]:
    """Return a capability's score, its forecast, and its margin along the run."""
    rows = _plain(document.scores)
    forecasts = _by_name(document.forecast, "forecast_")
    paths = _by_name([m for m in document.margins if m.kind == "path"], "path_")
    radii = _radii(document)
    for row in rows:
        name = str(row["capability"])
        for more in (forecasts, paths, radii):
            row.update(more.get(name, {}))
    columns = dict.fromkeys(key for row in rows for key in row)
    return [{key: row.get(key) for key in columns} for row in rows]


_SHARED = {"capability", "metric", "unit", "tolerance", "required", "kind", "direction"}


def _by_name(values: Iterable[Value], prefix: str) -> Mapping[str, Row]:
    return {
        str(row["capability"]): {
            f"{prefix}{key.removeprefix('predicted_')}": value
            for key, value in row.items()
            if key not in _SHARED
        }
        for row in _plain(values)
    }


def _radii(document: Assessment) -> Mapping[str, Row]:
    result: dict[str, Row] = {}
    for margin in document.margins:
        if margin.kind == "radius":
            key = f"radius_{margin.direction.replace(' ', '_')}"
            result.setdefault(margin.capability, {})[key] = margin.critical_relative_norm
    return result
