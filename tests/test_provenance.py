"""Digests and versions."""

import hashlib
import math

import pytest

from driftline import provenance
from driftline.provenance import (
    digest_bytes,
    digest_file,
    digest_value,
    driftline_version,
    package_versions,
    python_version,
)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_file_is_digested_like_its_bytes(tmp_path, size):
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    path = tmp_path / "file"
    path.write_bytes(content)

    wanted = f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert digest_file(path) == digest_bytes(content) == wanted


def test_a_value_is_digested_as_canonical_json():
    value = {"b": [1, 2.5, None, True], "a": "é"}
    wanted = '{"a":"é","b":[1,2.5,null,true]}'.encode()

    assert digest_value(value) == digest_bytes(wanted)
    assert digest_value({"a": "é", "b": [1, 2.5, None, True]}) == digest_value(value)


def test_values_that_differ_have_other_digests():
    values = [None, 0, 0.5, "0", "", [], {}, [0], ["0"], {"a": 0}, {"a": "0"}, True, [[0]], [0, 0]]

    assert len({digest_value(value) for value in values}) == len(values)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_json_is_refused(number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest_value({"a": [number]})


def test_versions_are_of_installed_packages_only(monkeypatch):
    versions = package_versions()
    assert set(versions) == set(provenance.PACKAGES)
    assert versions["numpy"] == __import__("numpy").__version__

    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "no-such-package-at-all"))
    assert list(package_versions()) == ["numpy"]


def test_own_version_and_python():
    assert driftline_version().count(".") >= 2
    assert python_version().startswith("3.")
