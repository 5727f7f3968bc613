"""Keys: formats, names, refusals."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from driftline.certificates import (
    generate_key,
    is_signature_of,
    key_id,
    private_key_pem,
    public_key_pem,
    read_private_key,
    read_public_key,
)
from driftline.errors import CertificateError


def test_the_first_signature_of_rfc_8032():
    seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    der = bytes.fromhex("302a300506032b6570032100" + public)
    assert key_id(key.public_key()) == hashlib.sha256(der).hexdigest()
    assert is_signature_of(key.public_key(), key.sign(b""), b"")
    assert key.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a")
    assert not is_signature_of(key.public_key(), key.sign(b""), b"a")
    assert not is_signature_of(key.public_key(), b"short", b"")


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_keys_are_read_back(passphrase):
    key = generate_key()
    pem = private_key_pem(key, passphrase=passphrase)
    assert (b"ENCRYPTED" in pem) == (passphrase is not None)
    again = read_private_key(pem, passphrase=passphrase)
    assert again.private_bytes_raw() == key.private_bytes_raw()
    assert key_id(read_public_key(public_key_pem(key.public_key()))) == key_id(again.public_key())


def test_passphrases_are_missing_needless_or_wrong():
    key = generate_key()
    closed = private_key_pem(key, passphrase=b"a")
    with pytest.raises(CertificateError, match="is encrypted; give its passphrase"):
        read_private_key(closed)
    with pytest.raises(CertificateError, match="or the passphrase is wrong"):
        read_private_key(closed, passphrase=b"b")
    with pytest.raises(CertificateError, match="is not encrypted"):
        read_private_key(private_key_pem(key), passphrase=b"a")


def test_other_keys_are_refused():
    other = generate_private_key(SECP256R1())
    private = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(CertificateError, match="not of Ed25519"):
        read_private_key(private)
    with pytest.raises(CertificateError, match="not of Ed25519"):
        read_public_key(public)
    with pytest.raises(CertificateError, match="is no private key in PEM"):
        read_private_key(public)
    with pytest.raises(CertificateError, match="is no public key in PEM"):
        read_public_key(private)
