"""Ed25519 keys in PEM files. Sources: RFC 8032 (Ed25519), RFC 8410 (its keys in PKCS #8)."""

import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ..errors import CertificateError


def generate_key() -> Ed25519PrivateKey:
    """Generate a private key from the operating system's random numbers."""
    return Ed25519PrivateKey.generate()


def private_key_pem(key: Ed25519PrivateKey, *, passphrase: bytes | None = None) -> bytes:
    """Encode a private key as PKCS #8 in PEM.

    Args:
        key: The key.
        passphrase: Encrypts it; None leaves it to the file's permissions.

    Returns:
        The content of its file.
    """
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        encryption = BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def public_key_pem(key: Ed25519PublicKey) -> bytes:
    """Encode a public key as SubjectPublicKeyInfo in PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read_private_key(pem: bytes, *, passphrase: bytes | None = None) -> Ed25519PrivateKey:
    """Read a private key.

    Args:
        pem: The content of its file.
        passphrase: Passphrase of the encryption; None if it is not encrypted.

    Returns:
        The key.

    Raises:
        CertificateError: It is no such key, or the passphrase is missing, needless or wrong.
    """
    try:
        key = load_pem_private_key(pem, passphrase)
    except TypeError:
        mend = "is encrypted; give its passphrase by --passphrase-env"
        fault = mend if passphrase is None else "is not encrypted"
        raise CertificateError(fault) from None
    except (ValueError, UnsupportedAlgorithm):
        wrong = "" if passphrase is None else ", or the passphrase is wrong"
        raise CertificateError(f"is no private key in PEM{wrong}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise CertificateError("is a private key, but not of Ed25519; make one with keygen")
    return key


def read_public_key(pem: bytes) -> Ed25519PublicKey:
    """Read a public key.

    Args:
        pem: The content of its file.

    Returns:
        The key.

    Raises:
        CertificateError: It is no such key.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError("is no public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise CertificateError("is a public key, but not of Ed25519")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """Return the name of a public key: SHA-256 of its SubjectPublicKeyInfo in DER, in hex.

    `openssl pkey -pubin -in public.pem -outform DER | sha256sum` prints the same.

    Args:
        key: The key.

    Returns:
        64 digits.
    """
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def is_signature_of(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    """Return whether the owner of a key signed exactly these bytes."""
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
