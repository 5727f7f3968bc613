"""The plans and repairs that chose a tuned model, read for its certification."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigError, InputError
from .. import inputs
from ..answers import Answer

if TYPE_CHECKING:
    from driftline.analyses import ChoosingItems
    from driftline.results import Plan, Repair

_DOCUMENT = "report.json"
_KEY = re.compile("[0-9a-f]{16}")
_MEND = "give the run folder of a plan or a repair, or its report.json"


def read_choosing_runs(runs: object) -> "tuple[ChoosingItems, ...]":
    """Read which items chose a model.

    Args:
        runs: A run folder or document of `plan` or `repair`, its answer, or several of these; None for none.

    Returns:
        The items of each, in order.

    Raises:
        ConfigError: Something else is given.
        InputError: A file cannot be read, is of another kind, or does not say which items chose.
    """
    if runs is None:
        return ()
    given = runs if isinstance(runs, list | tuple) else [runs]
    return tuple(_read(each) for each in given)


def _read(run: object) -> "ChoosingItems":
    from driftline.analyses import ChoosingItems
    from driftline.provenance import digest_bytes
    from driftline.results import Plan, Repair

    if isinstance(run, Answer):
        document = run.document
        if not isinstance(document, Plan | Repair):
            raise ConfigError(
                f"--chosen-by: is an answer of another kind, {type(document).__name__}; {_MEND}"
            )
        name, content = document.provenance.command, document.to_json().encode()
    else:
        path = inputs.path_of(run, "--chosen-by")
        if path is None or not path.name:
            raise ConfigError(f"--chosen-by: {run!r} names no run; {_MEND}")
        name = str(path)
        file = path / _DOCUMENT if path.is_dir() else path
        document, content = _document(file)
    made = document.provenance
    if not made.chosen_on or not all(map(_KEY.fullmatch, made.chosen_on)):
        raise InputError(
            f"{name}: provenance.chosen_on: does not say which items chose, for another version wrote it; certify on "
            f"items that it never had, or run {made.command} again"
        )
    output = document.output if isinstance(document, Repair) else None
    return ChoosingItems(
        name=name,
        digest=digest_bytes(content),
        keys=frozenset(made.chosen_on),
        suites=frozenset(suite.digest for suite in made.suites),
        base=made.base_model,
        tuned_digest=None if output is None else output.digest,
    )


def _document(file: Path) -> "tuple[Plan | Repair, bytes]":
    from driftline.parsing import parse_json, read_text
    from driftline.results import Plan, Repair

    text = read_text(file, InputError)
    value = parse_json(text, file, InputError, mend=_MEND)
    schema = value.get("schema") if isinstance(value, dict) else None
    match schema:
        case "driftline/plan/1":
            return Plan.from_json(text, origin=str(file)), text.encode()
        case "driftline/repair/1":
            return Repair.from_json(text, origin=str(file)), text.encode()
        case _:
            raise InputError(f"{file}: schema: {schema!r} is no plan and no repair; {_MEND}")
