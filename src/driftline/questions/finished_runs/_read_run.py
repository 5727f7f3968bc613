"""`report`: a finished run shown again, or two side by side."""

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigError, InputError, OutputError
from ...extras import missing_module, require_extra
from .. import inputs
from ..answers import Answer

if TYPE_CHECKING:
    from driftline.results import Document

_NAMES = ("report.json", "certification.json", "comparison.json")
_OUTPUTS = ("report.html", "report.json")


def read_run(
    run: object, other: object = None, *, out: object = None, force: bool = False
) -> Answer:
    """Show a finished run again, or put two side by side; no model is opened.

    Args:
        run: A run folder, or the document in it.
        other: A run of the same kind; None shows the first one alone.
        out: Folder for report.html and report.json; None leaves no file.
        force: Replace a report in `out`.

    Returns:
        The run's own answer, or one with the document of two runs.

    Raises:
        ConfigError: No run is named.
        MissingPackageError: One run is to be drawn again, and the extra `charts` is not installed.
    """
    place, folder = inputs.path_of(run, "RUN"), inputs.path_of(out, "--out")
    second = inputs.path_of(other, "OTHER")
    if place is None:
        raise ConfigError("RUN: no run folder is named; give one")
    if folder is not None:
        inputs.check_free(*(folder / name for name in _OUTPUTS), force=force)
    if folder is not None and second is None and missing_module("charts"):
        # The page is written anew for its charts.
        require_extra("charts")
    document = _read(place)
    if second is None:
        answer = Answer(document, folder)
    else:
        from ._two_runs import two_runs

        names = _short_names(place, second)
        answer = Answer(two_runs((names[0], document), (names[1], _read(second))), folder)
    if folder is not None:
        _write(answer, folder, force=force)
    return answer


def _read(place: Path) -> "Document":
    """Read the document of a run folder, or a document's file."""
    # Loads pydantic, so not for --help.
    from driftline.parsing import parse_json, read_text

    from ..answers._shown import paged_kinds

    file = place
    if place.is_dir():
        result = [place / name for name in _NAMES if (place / name).is_file()]
        if not result:
            raise InputError(
                f"{place}: holds no finished run, for there is none of {', '.join(_NAMES)}; name the folder "
                "that a command wrote with --out"
            )
        file = result[0]
    text = read_text(file, InputError)
    mend = "give a document that a command of Driftline wrote"
    value = parse_json(text, file, InputError, mend=mend)
    schema = value.get("schema") if isinstance(value, dict) else None
    kinds = paged_kinds()
    kind = kinds.get(schema) if isinstance(schema, str) else None
    if kind is None:
        known = ", ".join(sorted(kinds))
        raise InputError(f"{file}: schema: {schema!r} is none of {known}; {mend}")
    return kind.from_json(text, origin=str(file))


def _short_names(first: Path, second: Path) -> tuple[str, str]:
    """Name two runs by their folders, or by their paths where those have one name."""
    short = tuple((p if p.is_dir() else p.parent).resolve().name for p in (first, second))
    return (short[0], short[1]) if short[0] != short[1] else (str(first), str(second))


def _write(answer: Answer, folder: Path, *, force: bool) -> None:
    from ..answers._shown import page_of

    page = page_of(answer.document)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror})") from None
    for name, text in zip(_OUTPUTS, (page, answer.to_json()), strict=True):
        if text is not None:
            inputs.write_file(folder / name, text.encode(), force=force)
