"""Provenance as a table: rows about models and files, and the rows that end every such table."""

from collections.abc import Iterable, Iterator

from ...results import RunProvenance, Subject
from ..tables import ReportTable, table

Row = tuple[str, str]


def provenance_table(rows: Iterable[Row], p: RunProvenance, schema: str) -> ReportTable:
    """Tabulate what a document is about, then the software, the time and the document's schema."""
    ending = (
        ("driftline", f"{p.driftline_version}, Python {p.python_version}"),
        (
            "packages",
            ", ".join(f"{name} {version}" for name, version in sorted(p.packages.items())),
        ),
        ("created", p.created),
        ("schema", schema),
    )
    return table([("", "text"), ("", "code")], (*rows, *ending))


def subject_rows(side: str, subject: Subject) -> Iterator[Row]:
    """Name a compared model or adapter, and the digests of its files."""
    revision = f", revision {subject.revision}" if subject.revision else ""
    yield side, f"{subject.source} ({subject.kind}{revision})"
    for file in subject.files:
        yield f"{side} digest", f"{file.name} {file.digest}"
