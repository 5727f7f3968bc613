"""Beside OpenSSF model-signing: its signature and our certificate of one folder, each about the other."""

import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from driftline.certificates import Evidence, file_digest, sign_certification, verify_certificate

from .conftest import NOW

pytest.importorskip(
    "OpenSSL",
    reason="pyopenssl is not installed, which model-signing needs: driftline[model-signing]",
)
signing = pytest.importorskip(
    "model_signing.signing", reason="model-signing is not installed: driftline[model-signing]"
)
verifying = pytest.importorskip("model_signing.verifying", reason="model-signing is not installed")


@pytest.fixture
def signed(folders, tmp_path):
    """The tuned folder signed by model-signing, the signature beside it, and the public key."""
    private = ec.generate_private_key(ec.SECP256R1())
    secret, public = tmp_path / "secret.pem", tmp_path / "public.pem"
    secret.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    manifest = tmp_path / "model.sig"
    signing.Config().use_elliptic_key_signer(private_key=secret).sign(folders[1], manifest)
    return manifest, public


def is_theirs(folder, manifest, public):
    """Whether model-signing accepts a folder."""
    verifier = verifying.Config().use_elliptic_key_verifier(public_key=public)
    try:
        verifier.verify(folder, manifest)
    except ValueError:
        return False
    return True


def test_a_certificate_refers_to_the_manifest_and_both_verify(document, key, folders, signed):
    manifest, public = signed
    content = sign_certification(
        document, key, issued=NOW, valid_days=30, manifest=file_digest(manifest)
    )
    evidence = Evidence(tuned=folders[1], manifest=manifest)

    def ours():
        found = verify_certificate(content, key.public_key(), now=NOW, evidence=evidence)
        return {check.name for check in found.checks if check.status == "failed"}

    assert is_theirs(folders[1], manifest, public)
    assert ours() == set()
    before = manifest.read_bytes()
    manifest.write_bytes(before + b" ")
    assert ours() == {"manifest"}
    manifest.write_bytes(before)
    (folders[1] / "model.safetensors").write_bytes(b"other weights")
    assert not is_theirs(folders[1], manifest, public)
    assert ours() == {"tuned"}


def test_a_signature_within_the_folder_is_not_taken_for_weights(document, key, folders, signed):
    manifest, public = signed
    inside = folders[1] / "model.sig"
    shutil.copy(manifest, inside)
    content = sign_certification(
        document, key, issued=NOW, valid_days=30, manifest=file_digest(inside)
    )
    evidence = Evidence(tuned=folders[1], manifest=inside)
    found = verify_certificate(content, key.public_key(), now=NOW, evidence=evidence)
    assert found.verdict == "pass"
    verifier = verifying.Config().use_elliptic_key_verifier(public_key=public)
    verifier.set_ignore_unsigned_files(True).verify(folders[1], manifest)
