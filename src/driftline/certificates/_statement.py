"""The payload: which files are certified, and what is said of them. Source: in-toto Statement v1."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ..errors import CertificateError
from ._canonical import canonical_json, parse_canonical_json
from ._certification import CertifiedDocument, FileDigest, read_certification

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "driftline/certificate/1"

TUNED, BASE, MANIFEST = "tuned", "base", "manifest"
"""Roles, the part of a subject's name before the slash."""
TUNED_LOG, BASE_LOG = "tuned-log", "base-log"
"""The same where only logs of scores were read: such a certificate names no file of a model."""


MAX_VALID_DAYS = 3650
"""Ten years: what a statement about weights should not outlive unseen."""


class Validity(NamedTuple):
    """Validity of a certificate, from the first moment until before the second."""

    issued: datetime
    expires: datetime


class Statement(NamedTuple):
    """Signed statement."""

    certification: CertifiedDocument
    validity: Validity
    key_id: str
    """Id of the key that the statement names as its signer."""
    subjects: Mapping[str, str]
    """SHA-256 in hex by name: `tuned/<file>`, `base/<file>`, `manifest/<file>`; of logs `tuned-log/<file>`,
    `base-log/<file>`."""

    def files(self, role: str) -> dict[str, str]:
        """Return the digests of one role's files, by their plain names."""
        prefix = f"{role}/"
        return {
            name.removeprefix(prefix): digest
            for name, digest in self.subjects.items()
            if name.startswith(prefix)
        }


class _StatementModel(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Digest(_StatementModel):
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Subject(_StatementModel):
    name: str
    digest: _Digest


class _Predicate(_StatementModel):
    certification: dict[str, JsonValue]
    issued: AwareDatetime
    expires: AwareDatetime
    key_id: str


class _StatementFile(_StatementModel):
    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: list[_Subject]
    predicateType: Literal["driftline/certificate/1"]  # noqa: N815
    predicate: _Predicate


def write_statement(
    document: JsonValue,
    validity: Validity,
    *,
    key_id: str,
    manifest: FileDigest | None = None,
) -> bytes:
    """Return the payload for a certification document, as canonical JSON.

    Args:
        document: The JSON value of `certification.json`; all of it is signed.
        validity: Start and end of its validity, with time zones.
        key_id: Id of the key that will sign.
        manifest: A manifest of another tool that is to be a subject too.

    Returns:
        The bytes to sign.

    Raises:
        CertificateError: The document cannot be certified.
    """
    subjects = _subjects(read_certification(document), manifest)
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": name, "digest": {"sha256": digest}} for name, digest in subjects.items()
            ],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "certification": document,
                "issued": validity.issued.isoformat(timespec="seconds"),
                "expires": validity.expires.isoformat(timespec="seconds"),
                "key_id": key_id,
            },
        }
    )


def read_statement(payload: bytes) -> Statement:
    """Read a payload back; check its signature before.

    Args:
        payload: The signed bytes.

    Returns:
        The statement.

    Raises:
        CertificateError: It is not canonical, no statement of ours, or its subjects are not the
            files that its certification is about.
    """
    parse_canonical_json(payload)
    try:
        file = _StatementFile.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise CertificateError(f"is no statement of ours: {where}: {first['msg']}") from None
    predicate = file.predicate
    statement = Statement(
        certification=read_certification(predicate.certification),
        validity=Validity(
            _in_utc(predicate.issued, "issued"), _in_utc(predicate.expires, "expires")
        ),
        key_id=predicate.key_id,
        subjects={subject.name: subject.digest.sha256 for subject in file.subject},
    )
    result = [(subject.name, subject.digest.sha256) for subject in file.subject]
    requested = list(_subjects(statement.certification, None).items())
    extra = result[len(requested) :]
    is_manifest = [name.startswith(f"{MANIFEST}/") for name, _ in extra]
    if result[: len(requested)] != requested or is_manifest not in ([], [True]):
        raise CertificateError("has other subjects than the files that its certification names")
    return statement


def _in_utc(moment: datetime, name: str) -> datetime:
    """Convert a moment to UTC.

    Returns:
        The same moment.

    Raises:
        CertificateError: In UTC it lies before the year 1 or after the year 9999.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise CertificateError(
            f"is no statement of ours: predicate.{name}: {moment.isoformat()} lies beyond the "
            "calendar in UTC"
        ) from None


def _subjects(certification: CertifiedDocument, manifest: FileDigest | None) -> dict[str, str]:
    provenance = certification.provenance
    sides = [
        (TUNED_LOG if provenance.tuned.is_log else TUNED, provenance.tuned.files),
        (BASE_LOG if provenance.base.is_log else BASE, provenance.base.files),
    ]
    if manifest is not None:
        sides.append((MANIFEST, (manifest,)))
    return {f"{role}/{file.name}": file.sha256 for role, files in sides for file in files}
