"""The document of two runs side by side."""

from ...errors import InputError
from ...provenance import driftline_version
from ...results import ComparedRun, Document, RunComparison
from ._run_pairs import pairs_of, quantity_of, settings_of

_MOST_REASONS = 5
NO_TEST = "Intervals are each run's own; whether a difference is more than chance was not tested."


def two_runs(first: tuple[str, Document], second: tuple[str, Document]) -> RunComparison:
    """Put two documents of one kind side by side.

    Args:
        second: The other one.

    Raises:
        InputError: They are of two kinds, or have no values in common.
    """
    documents = (first[1], second[1])
    schemas = [str(getattr(each, "schema_", "")) for each in documents]
    if type(documents[0]) is not type(documents[1]) or isinstance(documents[0], RunComparison):
        raise InputError(
            f"{second[0]}: is a document of {schemas[1]}, and {first[0]} of {schemas[0]}; give two runs of "
            "one command"
        )
    quantities = [quantity_of(each) for each in documents]
    if quantities[0] != quantities[1]:
        raise InputError(
            f"{second[0]}: holds values of another kind ({quantities[1]}) than {first[0]} "
            f"({quantities[0]}); give two runs of one command"
        )
    readings = pairs_of(*documents)
    settings = settings_of(*documents)
    return RunComparison(
        quantity=quantities[0],
        first=_run(*first),
        second=_run(*second),
        readings=readings,
        settings=settings,
        caveats=(*_caveats({each.name for each in settings}), NO_TEST),
        driftline_version=driftline_version(),
    )


def _run(name: str, document: Document) -> ComparedRun:
    provenance = getattr(document, "provenance", None)
    return ComparedRun(
        name=name,
        schema=str(getattr(document, "schema_", "")),
        created=str(getattr(provenance, "created", "")),
        verdict=getattr(document, "verdict", None),
        reasons=tuple(getattr(document, "reasons", ()))[:_MOST_REASONS],
    )


def _caveats(differing: set[str]) -> list[str]:
    """Name the differences that make values hard to compare."""
    result = []
    if any(name.startswith("suites.") and name.endswith(".digest") for name in differing):
        result.append(
            "The runs scored different suites: a difference may come from the items alone."
        )
    if differing & {"model.digest", "base_model.digest"}:
        result.append("The runs are of different base models: changes are from different values.")
    if any(name.startswith("numerics.") for name in differing):
        result.append(
            "The runs were computed with different numerics, which moves scores a little."
        )
    return result
