"""Signs a certification document."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import JsonValue

from ..errors import CertificateError
from ._certification import FileDigest, read_certification
from ._claims import claim_faults
from ._envelope import PAYLOAD_TYPE, Envelope, pre_authentication_encoding, write_envelope
from ._keys import key_id
from ._statement import MAX_VALID_DAYS, Validity, write_statement


def sign_certification(
    document: JsonValue,
    key: Ed25519PrivateKey,
    *,
    issued: datetime,
    valid_days: int,
    manifest: FileDigest | None = None,
) -> bytes:
    """Sign a certification document.

    The same document, key and moment give the same bytes, since Ed25519 is deterministic. Cost:
    milliseconds; no weights are read, since the document holds their digests. Sources: in-toto
    Statement v1 in DSSE 1.0.0, signed by Ed25519 (RFC 8032).

    Args:
        document: The JSON value of `certification.json`.
        key: Key of the signer.
        issued: Now, with its time zone; kept to the second.
        valid_days: From 1 to `MAX_VALID_DAYS`.
        manifest: A manifest of another tool that is to be a subject too.

    Returns:
        The content of `certificate.json`.

    Raises:
        CertificateError: The document has no verdict, is not one of ours, or its verdicts do not
            follow from its numbers; or the days, or the date on which they end, are out of reach.
    """
    if not 1 <= valid_days <= MAX_VALID_DAYS:
        raise CertificateError(f"{valid_days} days must lie between 1 and {MAX_VALID_DAYS}")
    faults = claim_faults(read_certification(document))
    if faults:
        raise CertificateError(f"does not add up: {'; '.join(faults)}")
    try:
        start = issued.astimezone(UTC).replace(microsecond=0)
        validity = Validity(start, start + timedelta(days=valid_days))
    except OverflowError:
        raise CertificateError(
            f"{valid_days} days from {issued.isoformat()} end beyond the calendar; check this "
            "machine's clock"
        ) from None
    name = key_id(key.public_key())
    return seal(write_statement(document, validity, key_id=name, manifest=manifest), key)


def seal(payload: bytes, key: Ed25519PrivateKey) -> bytes:
    """Sign a payload as it is, and put it into an envelope.

    Args:
        payload: The bytes; nothing of them is checked.
        key: Signs them.

    Returns:
        The content of the envelope's file.
    """
    signature = key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    return write_envelope(Envelope(payload, key_id(key.public_key()), signature))
