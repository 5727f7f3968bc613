"""What a certificate needs of a certification, and what it refuses."""

import pytest

from driftline.certificates import read_certification
from driftline.errors import CertificateError


def test_keys_that_nobody_knows_are_let_be(document):
    document["new"] = {"anything": [1]}
    found = read_certification(document)
    assert found.verdict == "pass"
    assert [claim.capability for claim in found.claims] == ["facts", "text", "watched"]


def test_digests_are_taken_with_and_without_their_algorithm(document):
    file = document["provenance"]["tuned"]["files"][0]
    wanted = file["digest"].removeprefix("sha256:")
    assert read_certification(document).provenance.tuned.files[0].sha256 == wanted
    file["sha256"] = file.pop("digest").removeprefix("sha256:")
    document["provenance"]["tuned"]["subjects"] = document["provenance"]["tuned"].pop("files")
    assert read_certification(document).provenance.tuned.files[0].sha256 == wanted


@pytest.mark.parametrize("verdict", ["missing", None])
def test_no_verdict_is_nothing_to_certify(document, verdict):
    document["verdict"] = verdict
    if verdict == "missing":
        del document["verdict"]
    with pytest.raises(CertificateError, match="holds no verdict, so there is nothing to certify"):
        read_certification(document)


def _set(path, value):
    def change(document):
        *parents, last = path
        for part in parents:
            document = document[part]
        document[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set(["schema"], "driftline/diff/1"), "schema"),
        (_set(["verdict"], "safe"), "verdict"),
        (_set(["claims"], []), "claims"),
        (_set(["claims", 0, "pvalue"], 1.5), "claims.0.pvalue"),
        (_set(["claims", 0, "low"], "low"), "claims.0.low"),
        (_set(["claims", 0, "required"], 1), "claims.0.required"),
        (_set(["claims", 0, "margin"], 0), "claims.0.margin"),
        (_set(["claims", 1, "capability"], "facts"), "duplicate facts"),
        (_set(["provenance", "alpha"], 0), "provenance.alpha"),
        (_set(["provenance", "suites"], []), "provenance.suites"),
        (_set(["provenance", "base", "files"], []), "provenance.base"),
        (_set(["provenance", "base", "files", 0, "name"], "../a"), "the plain name of a file"),
        (
            _set(["provenance", "base", "files", 0, "name"], "sub/chat_template.jinja"),
            "the plain name of a file",
        ),
        (
            _set(
                ["provenance", "base", "files", 0, "name"], "additional_chat_templates/../a.jinja"
            ),
            "the plain name of a file",
        ),
        (
            _set(["provenance", "base", "files", 0, "name"], "additional_chat_templates/a"),
            "the plain name of a file",
        ),
        (
            _set(["provenance", "base", "files", 0, "name"], "custom_generate/../a.py"),
            "the plain name of a file",
        ),
        (_set(["provenance", "base", "files", 0, "digest"], "5"), "not a SHA-256 digest"),
        (_set(["provenance", "base", "files", 1, "name"], "config.json"), "duplicate config.json"),
    ],
)
def test_what_is_needed_must_be_right(document, change, message):
    change(document)
    with pytest.raises(CertificateError, match=message):
        read_certification(document)


def test_a_list_is_no_certification():
    with pytest.raises(CertificateError, match="is no certification that can be signed"):
        read_certification([])
