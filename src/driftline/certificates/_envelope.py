"""The envelope that holds a payload and its signature. Source: DSSE 1.0.0, protocol and envelope."""

import base64
import binascii
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ..errors import CertificateError
from ._canonical import canonical_json, parse_canonical_json

PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""The media type of an in-toto statement, and the only one that we write and read."""


class Envelope(NamedTuple):
    """A payload with its one signature."""

    payload: bytes
    key_id: str
    signature: bytes


class _Signature(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    keyid: str
    sig: str


class _EnvelopeFile(BaseModel):
    """An envelope as it stands in a file. DSSE allows several signatures; we take one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    payload: str
    payloadType: Literal["application/vnd.in-toto+json"]  # noqa: N815
    signatures: Annotated[list[_Signature], Field(min_length=1, max_length=1)]


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed: type and payload, each after its length.

    PAE(type, body) = "DSSEv1" SP len(type) SP type SP len(body) SP body, with lengths in bytes as
    decimal ASCII. The type is signed too, so a payload cannot be passed off as another kind.
    Source: DSSE 1.0.0, protocol.md, "Signature Definition".

    >>> pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'

    Args:
        payload_type: Media type or URI.
        payload: The body.

    Returns:
        The bytes.
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def write_envelope(envelope: Envelope) -> bytes:
    """Return the file of an envelope: canonical JSON and a newline, so its bytes are unique.

    Args:
        envelope: Envelope to write.

    Returns:
        The content of the file.
    """
    value: JsonValue = {
        "payload": base64.b64encode(envelope.payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [
            {"keyid": envelope.key_id, "sig": base64.b64encode(envelope.signature).decode()}
        ],
    }
    return canonical_json(value) + b"\n"


def read_envelope(content: bytes) -> Envelope:
    """Read the file of an envelope; nothing in it is trusted yet.

    Stricter than DSSE, so that no byte of the file can change unnoticed: one signature, the
    standard base64 alphabet with padding, and the spelling that `write_envelope` gives.

    Args:
        content: The content of the file.

    Returns:
        The envelope.

    Raises:
        CertificateError: It is not such a file.
    """
    if not content.endswith(b"\n"):
        raise CertificateError("does not end in a newline, so it is cut or changed")
    text = content[:-1]
    value = parse_canonical_json(text)
    try:
        file = _EnvelopeFile.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise CertificateError(
            f"is no envelope of a certificate: {where}: {first['msg']}"
        ) from None
    return Envelope(
        payload=_from_base64(file.payload, "payload"),
        key_id=file.signatures[0].keyid,
        signature=_from_base64(file.signatures[0].sig, "sig"),
    )


def _from_base64(text: str, name: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CertificateError(f"{name} is not base64 ({error})") from None
    if base64.b64encode(content).decode() != text:
        raise CertificateError(f"{name} is not base64 in its one spelling")
    return content
