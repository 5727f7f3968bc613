"""Checks a certificate, offline: who signed it, whether it still holds, and for which files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ..errors import CertificateError
from ..results import CertificationPolicy, CheckName, Verification, VerificationCheck
from ._certification import CertifiedDocument
from ._certified_files import file_digest, file_faults
from ._claims import claim_faults
from ._envelope import PAYLOAD_TYPE, pre_authentication_encoding, read_envelope
from ._keys import is_signature_of, key_id
from ._policy_rules import asked_policy_faults
from ._statement import (
    BASE,
    BASE_LOG,
    MANIFEST,
    MAX_VALID_DAYS,
    TUNED,
    TUNED_LOG,
    Statement,
    Validity,
    read_statement,
)


class WatchedCapability(NamedTuple):
    """A capability as its suite asks for it."""

    name: str
    tolerance: float
    required: bool


@dataclass(frozen=True)
class AskedSuite:
    """A suite that a certificate is to be about."""

    name: str
    digest: str
    """Digest of its items and metrics, as in provenance."""
    capabilities: tuple[WatchedCapability, ...]


@dataclass(frozen=True)
class Evidence:
    """Files to compare a certificate with; None is not checked."""

    tuned: Path | None = None
    base: Path | None = None
    manifest: Path | None = None
    suites: tuple[AskedSuite, ...] = ()
    policy: CertificationPolicy | None = None
    """As `read_policy` reads the file."""


def verify_certificate(
    content: bytes, key: Ed25519PublicKey, *, now: datetime, evidence: Evidence
) -> Verification:
    """Check a certificate against a key that is trusted, and against files.

    Form, signature and payload come first; where one of them fails nothing that the certificate
    says counts, and the rest is skipped. Otherwise every other check is made, whatever the
    outcome of those before it. No network is used.

    Cost: one pass over the files that are given, at the speed of the disk; else milliseconds.
    Sources: DSSE 1.0.0; in-toto Statement v1; RFC 8032; RFC 8785.

    Args:
        content: The content of `certificate.json`.
        key: The key that is trusted; it must not come from where the certificate came from.
        now: With its time zone.
        evidence: Files that the certificate should be about.

    Returns:
        Every check with what it found.

    Raises:
        CertificateError: A file or folder of the evidence is not there, or cannot be read.
    """
    checks, statement = _authenticated(content, key)
    if statement is None:
        done = {check.name for check in checks}
        checks += [
            VerificationCheck(name=name, status="skipped", message="nothing it says is to be read")
            for name in _ORDER
            if name not in done
        ]
    else:
        checks += _checks(statement, now=now, evidence=evidence)
    certified = None if statement is None else statement.certification.verdict
    is_refused = certified is None or any(check.status == "failed" for check in checks)
    return Verification(
        verdict="refused" if certified is None or is_refused else certified,
        certified_verdict=certified,
        key_id=key_id(key),
        issued=None if statement is None else _text(statement.validity.issued),
        expires=None if statement is None else _text(statement.validity.expires),
        num_left_out=0 if statement is None else _num_left_out(statement.certification),
        checks=tuple(checks),
    )


_ORDER: tuple[CheckName, ...] = (
    "envelope", "signature", "payload", "validity", "tuned", "base", "manifest", "suites", "policy",
    "claims",
)  # fmt: skip


def _authenticated(
    content: bytes, key: Ed25519PublicKey
) -> tuple[list[VerificationCheck], Statement | None]:
    """Return the first three checks, up to a failure, and the statement if none fails."""
    try:
        envelope = read_envelope(content)
    except CertificateError as error:
        return [_failed("envelope", [f"the file {error}"])], None
    checks = [_passed("envelope", "DSSE with one signature, in its one spelling")]
    trusted = key_id(key)
    if envelope.key_id != trusted:
        fault = f"signed by another key, {envelope.key_id}; the one that you trust is {trusted}"
        return [*checks, _failed("signature", [fault])], None
    message = pre_authentication_encoding(PAYLOAD_TYPE, envelope.payload)
    if not is_signature_of(key, envelope.signature, message):
        fault = "the signature is not that of this payload; one of them was changed"
        return [*checks, _failed("signature", [fault])], None
    checks.append(_passed("signature", f"Ed25519, by key {trusted[:16]}"))
    try:
        statement = read_statement(envelope.payload)
    except CertificateError as error:
        return [*checks, _failed("payload", [f"the payload {error}"])], None
    if statement.key_id != trusted:
        fault = f"the payload names another key than the one that signed it, {statement.key_id}"
        return [*checks, _failed("payload", [fault])], None
    num_files = len(statement.subjects)
    checks.append(_passed("payload", f"canonical in-toto statement about {num_files} files"))
    return checks, statement


def _checks(statement: Statement, *, now: datetime, evidence: Evidence) -> list[VerificationCheck]:
    """Return the checks of an authentic certificate's content."""
    claims = statement.certification.claims
    faults = claim_faults(statement.certification)
    is_identical = all(claim.basis == "identical" for claim in claims)
    agreed = f"the verdicts follow from the numbers of {len(claims)} claims"
    if is_identical:
        agreed = "the tuned weights are the base's, bit for bit"
    return [
        _validity_check(statement.validity, now),
        _side_check("tuned", statement, evidence.tuned),
        _side_check("base", statement, evidence.base),
        _manifest_check(statement.files(MANIFEST), evidence.manifest),
        _suites_check(statement.certification, evidence),
        _policy_check(statement.certification, evidence),
        _judged("claims", faults, f"{agreed}{_left_out(statement.certification)}"),
    ]


def _num_left_out(certification: CertifiedDocument) -> int:
    return sum(certification.provenance.num_left_out.values())


def _left_out(certification: CertifiedDocument) -> str:
    num, runs = _num_left_out(certification), certification.provenance.chosen_by
    chosen = ", ".join(run.name for run in runs)
    return f"; {num:,} items are left out, by which {chosen} chose the model" if num else ""


def _validity_check(validity: Validity, now: datetime) -> VerificationCheck:
    issued, expires = (_text(moment) for moment in validity)
    faults = []
    if validity.expires <= validity.issued:
        faults.append(f"it expires on {expires}, not after it was issued on {issued}")
    elif validity.expires - validity.issued > timedelta(days=MAX_VALID_DAYS):
        faults.append(
            f"from {issued} until {expires} is longer than the {MAX_VALID_DAYS} days for which a "
            "certificate can hold"
        )
    if now < validity.issued:
        faults.append(f"not valid before {issued}; now it is {_text(now)}")
    if now >= validity.expires:
        faults.append(f"expired on {expires}; now it is {_text(now)}")
    return _judged("validity", faults, f"from {issued} until {expires}")


def _side_check(
    name: Literal["tuned", "base"], statement: Statement, place: Path | None
) -> VerificationCheck:
    """Check the files of a side; a log vouches for no file of a model."""
    log = statement.files(TUNED_LOG if name == "tuned" else BASE_LOG)
    if not log:
        return _files_check(name, statement.files(TUNED if name == "tuned" else BASE), place)
    if place is not None and place.is_dir():
        fault = (
            "the certificate is about a log of scores, not about a model: no file of this folder is "
            "certified; give the log"
        )
        return _failed(name, [fault])
    return _files_check(name, log, place)


def _files_check(
    name: CheckName, certified: dict[str, str], place: Path | None
) -> VerificationCheck:
    if place is None:
        return _skipped(name, "no files were given")
    faults = file_faults(certified, place, others_are_faults=name == "tuned")
    return _judged(name, faults, f"{len(certified)} files as certified")


def _manifest_check(certified: dict[str, str], path: Path | None) -> VerificationCheck:
    if path is None:
        return _skipped("manifest", "none was given" if certified else "none was certified")
    result = file_digest(path)
    faults = []
    if not certified:
        faults.append("no manifest was certified")
    elif result.sha256 not in certified.values():
        requested = ", ".join(certified.values())
        faults.append(f"{result.name} has SHA-256 {result.sha256}, certified was {requested}")
    return _judged("manifest", faults, f"{result.name} as certified")


def _suites_check(certification: CertifiedDocument, evidence: Evidence) -> VerificationCheck:
    request, policy = evidence.suites, certification.provenance.policy
    if not request:
        return _skipped("suites", "none was given")
    certified = {suite.digest: suite.name for suite in certification.provenance.suites}
    # A policy replaces margins and tiers, so that without it no suite is as certified.
    mend = f"; give {policy.name} by --policy" if policy and evidence.policy is None else ""
    faults = []
    for suite in request:
        if suite.digest not in certified:
            named = ", ".join(f"{name} ({digest})" for digest, name in certified.items())
            faults.append(f"{suite.name} ({suite.digest}) is another suite than {named}")
            continue
        faults += [
            f"{suite.name}: no claim is about {requested.name} with a margin of {requested.tolerance:g}, "
            f"{'required' if requested.required else 'watched'}{mend}"
            for requested in suite.capabilities
            if not _is_held(requested, certification, is_least=evidence.policy is not None)
        ]
    return _judged("suites", faults, f"{', '.join(s.name for s in request)} as certified")


def _is_held(
    requested: WatchedCapability, certification: CertifiedDocument, *, is_least: bool
) -> bool:
    """Return whether a claim meets its suite's settings; under a policy, at least as strictly."""
    claim = next((c for c in certification.claims if c.capability == requested.name), None)
    if claim is None:
        return False
    if is_least:
        return claim.margin <= requested.tolerance and claim.required >= requested.required
    return (claim.margin, claim.required) == (requested.tolerance, requested.required)


def _policy_check(certification: CertifiedDocument, evidence: Evidence) -> VerificationCheck:
    certified, request = certification.provenance.policy, evidence.policy
    if request is None:
        return _skipped("policy", "none was given" if certified else "none was certified")
    faults = list(asked_policy_faults(certification, request))
    if certified is None:
        message = f"every rule of {request.name} holds; it was certified under no policy"
    elif request.digest.removeprefix("sha256:") == certified.digest:
        message = f"{request.name} as certified"
    else:
        message = (
            f"{request.name} says the same as {certified.name}, under which it was certified, in other "
            "bytes"
        )
    return _judged("policy", faults, message)


def _judged(name: CheckName, faults: Sequence[str], message: str) -> VerificationCheck:
    return _failed(name, faults) if faults else _passed(name, message)


def _passed(name: CheckName, message: str) -> VerificationCheck:
    return VerificationCheck(name=name, status="passed", message=message)


def _failed(name: CheckName, faults: Sequence[str]) -> VerificationCheck:
    message = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}, below"
    return VerificationCheck(name=name, status="failed", message=message, faults=tuple(faults))


def _skipped(name: CheckName, message: str) -> VerificationCheck:
    return VerificationCheck(name=name, status="skipped", message=message)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
