"""Suites: YAML files with capabilities, items inline or in JSON Lines files beside them."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from ..errors import SuiteError
from ..metrics import MetricName
from ..parsing import parse_json, parse_yaml, read_text
from ..provenance import digest_value
from ..results import SourceProvenance
from ._capability import Capability
from ._items import Item, describe_fault
from ._scorers import ITEM_TYPES, Normalization, ScorerName
from ._tasks import PREFIX, RenderedTask, default_capability, render_tasks
from ._tolerance import read_tolerance

SHIPPED_SUITES = ("core", "core-chat", "core-0.1")
"""Names that `read_suite` takes instead of a file."""


def _no_switch(value: object) -> object:
    """Refuse yes and no, which would count as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"must be a number, not {str(value).lower()}")
    return value


Number = Annotated[float, BeforeValidator(_no_switch), Field(allow_inf_nan=False)]


class _CapabilityEntry(BaseModel):
    """One capability as it stands in the YAML."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    scorer: ScorerName
    metric: MetricName
    tolerance: Number | str
    items: str | list[dict[str, JsonValue]]
    required: bool = True
    description: str = ""
    normalization: Normalization = "none"
    range: tuple[Number, Number] | None = None
    max_group_size: Annotated[int, Field(strict=True, ge=1)] | None = None


class _SuiteFile(BaseModel):
    """A suite as it stands in the YAML."""

    model_config = ConfigDict(extra="forbid")

    schema_: Literal["driftline/suite/1"] = Field(alias="schema")
    capabilities: Annotated[list[_CapabilityEntry], Field(min_length=1)]


@dataclass(frozen=True)
class Suite:
    """Capabilities that belong together."""

    name: str
    capabilities: tuple[Capability, ...]

    def provenance(self) -> SourceProvenance:
        """Return the description of this suite for documents."""
        digests: list[JsonValue] = [[c.name, c.metric, c.digest] for c in self.capabilities]
        return SourceProvenance(
            name=self.name,
            digest=digest_value(digests),
            num_records=sum(len(c.items) for c in self.capabilities),
        )

    def identity(self) -> JsonValue:
        """List all of this suite that a verdict depends on, for the identity of a run.

        More than `provenance`: its digest is of the items, and stays as it is for certificates that
        hold it. A run is another one where the same items are judged by another tolerance.

        Returns:
            A JSON value, with one entry a capability.
        """
        return [capability.identity() for capability in self.capabilities]


def read_suite(name: str) -> Suite:
    """Read a suite.

    Args:
        name: The name of a shipped suite, a YAML file, or `lm_eval:` and a task of
            lm-evaluation-harness (its name, or the path of its own YAML file).

    Returns:
        The suite; every item has been checked.

    Raises:
        SuiteError: No such suite, or a file, key, line or item that is not right; the message
            names it.
    """
    if name.startswith(PREFIX):
        tasks = render_tasks(name)
        return Suite(name=name, capabilities=tuple(default_capability(task) for task in tasks))
    if name in SHIPPED_SUITES:
        path = Path(str(files("driftline.capabilities").joinpath("suites", f"{name}.yaml")))
    else:
        path = Path(name)
    entries = _parse_yaml(path, name).capabilities
    names = [entry.name for entry in entries]
    for repeated in sorted({n for n in names if names.count(n) > 1}):
        raise SuiteError(f"{path}: two capabilities are called {repeated}; rename one")
    return Suite(name=path.stem, capabilities=tuple(_capability(entry, path) for entry in entries))


def _parse_yaml(path: Path, name: str) -> _SuiteFile:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SuiteError(
            f"{name}: no such suite ({reason}); give a YAML file, {PREFIX}TASK, or one of: "
            f"{', '.join(SHIPPED_SUITES)}"
        ) from None
    parsed = parse_yaml(content, path, SuiteError)
    try:
        return _SuiteFile.model_validate(parsed)
    except ValidationError as error:
        raise SuiteError(f"{path}: {describe_fault(error)}") from None


def _capability(entry: _CapabilityEntry, path: Path) -> Capability:
    normalization = entry.normalization
    if isinstance(entry.items, str) and entry.items.startswith(PREFIX):
        task = _task(entry, entry.items, path)
        chosen = task.items
        if "normalization" not in entry.model_fields_set:
            normalization = task.normalization
    else:
        chosen = tuple(_items(entry, path))
    try:
        return Capability(
            name=entry.name,
            scorer=entry.scorer,
            metric=entry.metric,
            tolerance=_tolerance(entry),
            items=chosen,
            required=entry.required,
            description=entry.description,
            normalization=normalization,
            score_range=entry.range,
            max_group_size=entry.max_group_size,
        )
    except SuiteError as error:
        raise SuiteError(f"{path}: {error}") from None


def _tolerance(entry: _CapabilityEntry) -> float:
    try:
        return read_tolerance(entry.tolerance, entry.metric)
    except SuiteError as error:
        raise SuiteError(f"capability {entry.name}: {error}") from None


def _task(entry: _CapabilityEntry, name: str, path: Path) -> RenderedTask:
    """Return the one lm-eval task that an entry names as its items."""
    where = f"{path}: capability {entry.name}"
    try:
        tasks = render_tasks(name, folder=path.parent)
    except SuiteError as error:
        raise SuiteError(f"{where}: {error}") from error
    if len(tasks) > 1:
        raise SuiteError(
            f"{where}: {name} holds {len(tasks)} tasks ({tasks[0].name}, {tasks[1].name} ...); an "
            "entry takes one"
        )
    if entry.scorer != tasks[0].scorer:
        raise SuiteError(f"{where}: {name} is scored by {tasks[0].scorer}, not by {entry.scorer}")
    return tasks[0]


def _items(entry: _CapabilityEntry, path: Path) -> Iterator[Item]:
    for record, where in _records(entry, path):
        try:
            yield ITEM_TYPES[entry.scorer].model_validate(record)
        except ValidationError as error:
            raise SuiteError(f"{where}: {describe_fault(error)}") from None


def _records(entry: _CapabilityEntry, path: Path) -> Iterator[tuple[JsonValue, str]]:
    """Yield each item's record with its place, for error messages."""
    if not isinstance(entry.items, str):
        for number, record in enumerate(entry.items, start=1):
            yield record, f"{path}: capability {entry.name}: item {number}"
        return
    file = path.parent / entry.items
    fault = f"items of {entry.name} in {path.name} cannot be read"
    # Not splitlines: a JSON string may hold U+2028 and the like as they are.
    lines = read_text(file, SuiteError, fault=fault).removesuffix("\n").split("\n")
    if lines == [""]:
        raise SuiteError(f"{file}: holds no items; write one JSON object a line")
    for number, line in enumerate(lines, start=1):
        where = f"{file}: line {number}"
        if not line.strip():
            raise SuiteError(f"{where}: empty; remove the line")
        yield parse_json(line, where, SuiteError), where
