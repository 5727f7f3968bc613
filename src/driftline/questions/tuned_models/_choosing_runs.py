"""The plans and repairs that chose a tuned model, read for its certification."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigError, InputError
from .. import inputs

if TYPE_CHECKING:
    from driftline.analyses import ChoosingItems
    from driftline.results import Plan, Repair

_DOCUMENT = "report.json"
_MEND = "give the run folder of a plan or a repair, or its report.json"


def read_choosing_runs(runs: object) -> "tuple[ChoosingItems, ...]":
    """Read which items chose a model.

    Args:
        runs: One run folder or document of `plan` or `repair`, or several.

    Returns:
        The items of each, in order.

    Raises:
        ConfigError: Something else than a path is given.
        InputError: A file cannot be read, is of another kind, or does not say which items chose.
    """
    given = [runs] if isinstance(runs, str | Path) else runs
    if not isinstance(given, Sequence):
        raise ConfigError(f"--chosen-by: is a {type(runs).__name__}; {_MEND}")
    paths = [inputs.path_of(each, "--chosen-by") for each in given]
    return tuple(_read(path) for path in paths if path is not None)


def _read(path: Path) -> "ChoosingItems":
    from driftline.analyses import ChoosingItems
    from driftline.provenance import digest_file

    file = path / _DOCUMENT if path.is_dir() else path
    document = _document(file)
    if not document.provenance.chosen_on:
        raise InputError(
            f"{file}: provenance.chosen_on: does not say which items chose, for an older version wrote it; run "
            f"{document.provenance.command} again"
        )
    return ChoosingItems(str(path), digest_file(file), frozenset(document.provenance.chosen_on))


def _document(file: Path) -> "Plan | Repair":
    from driftline.parsing import parse_json, read_text
    from driftline.results import Plan, Repair

    text = read_text(file, InputError)
    value = parse_json(text, file, InputError, mend=_MEND)
    schema = value.get("schema") if isinstance(value, dict) else None
    match schema:
        case "driftline/plan/1":
            return Plan.from_json(text, origin=str(file))
        case "driftline/repair/1":
            return Repair.from_json(text, origin=str(file))
        case _:
            raise InputError(f"{file}: schema: {schema!r} is no plan and no repair; {_MEND}")
