"""The payload: subjects, dates, the whole document."""

import json
from datetime import timedelta

import pytest

from driftline.certificates import (
    FileDigest,
    Validity,
    canonical_json,
    read_statement,
    write_statement,
)
from driftline.errors import CertificateError

from .conftest import NOW

VALIDITY = Validity(NOW, NOW + timedelta(days=1))
MANIFEST = FileDigest(name="model.sig", sha256="7" * 64)


def written(document, manifest=None):
    return write_statement(document, VALIDITY, key_id="ab", manifest=manifest)


def test_it_is_an_in_toto_statement_about_every_file(document):
    value = json.loads(written(document, MANIFEST))
    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert value["predicateType"] == "driftline/certificate/1"
    assert [subject["name"] for subject in value["subject"]] == [
        "tuned/config.json", "tuned/model.safetensors", "base/config.json",
        "base/model.safetensors", "manifest/model.sig",
    ]  # fmt: skip
    assert all(len(subject["digest"]["sha256"]) == 64 for subject in value["subject"])
    assert value["predicate"]["certification"] == document


def test_it_is_read_back(document):
    statement = read_statement(written(document, MANIFEST))
    assert statement.validity == VALIDITY
    assert statement.key_id == "ab"
    assert statement.files("manifest") == {"model.sig": "7" * 64}
    assert list(statement.files("tuned")) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(_type="https://in-toto.io/Statement/v0.1"), "_type"),
        (lambda v: v.update(predicateType="other"), "predicateType"),
        (lambda v: v.update(extra=1), "extra"),
        (lambda v: v["predicate"].update(issued="2026-06-01T12:00:00"), "issued"),
        (lambda v: v["predicate"].update(expires=1), "expires"),
        (lambda v: v["subject"].pop(), "other subjects"),
        (lambda v: v["subject"].append(v["subject"][0]), "other subjects"),
        (lambda v: v["subject"][0]["digest"].update(sha256="0" * 64), "other subjects"),
        (lambda v: v["subject"][0]["digest"].update(sha256="0"), "sha256"),
        (lambda v: v["predicate"]["certification"].pop("verdict"), "holds no verdict"),
    ],
)
def test_another_statement_is_refused(document, change, message):
    value = json.loads(written(document))
    change(value)
    with pytest.raises(CertificateError, match=message):
        read_statement(canonical_json(value))


def test_another_spelling_is_refused(document):
    with pytest.raises(CertificateError, match="not in its canonical form"):
        read_statement(json.dumps(json.loads(written(document))).encode())
