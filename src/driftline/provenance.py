"""Digests and versions of everything that is measured.

Digests are SHA-256, written `sha256:<hex>`. Values are digested as canonical JSON (sorted keys, no
white space, UTF-8), so that equal values have equal digests on every machine.
"""

import hashlib
import importlib.metadata
import json
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from pydantic import JsonValue

PACKAGES = (
    "torch", "transformers", "peft", "trl", "accelerate", "safetensors", "gguf", "numpy", "lm_eval",
)  # fmt: skip
"""The packages whose versions can change a number."""

_CHUNK_BYTES = 1 << 20


def digest_bytes(content: bytes) -> str:
    """Return the digest of some bytes.

    >>> digest_bytes(b"")[:14]
    'sha256:e3b0c44'

    Args:
        content: The bytes.

    Returns:
        `sha256:<hex>`.
    """
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_value(value: JsonValue) -> str:
    """Return the digest of a JSON value, in canonical form.

    >>> digest_value({"b": 1, "a": 2}) == digest_value({"a": 2, "b": 1})
    True

    Args:
        value: The value; NaN and infinity have no JSON, so they are refused.

    Returns:
        `sha256:<hex>`.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return digest_bytes(text.encode())


def digest_file(path: Path) -> str:
    """Return the digest of a file's content, read in chunks.

    Args:
        path: The file.

    Returns:
        `sha256:<hex>`.
    """
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            hasher.update(chunk)
    return f"sha256:{hasher.hexdigest()}"


def package_versions() -> dict[str, str]:
    """Return the installed versions of the packages that can change a number."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def driftline_version() -> str:
    """Return the installed version of Driftline."""
    return importlib.metadata.version("driftline")


def python_version() -> str:
    """Return the version of the running Python."""
    return platform.python_version()


class ProvenanceFields(TypedDict):
    """Facts about a run that every document names, as the fields of `RunProvenance`."""

    driftline_version: str
    python_version: str
    packages: dict[str, str]
    command: str
    seed: int
    created: str


def provenance_fields(command: str, seed: int) -> ProvenanceFields:
    """Collect the versions of the software and the time, for the provenance of a document.

    Args:
        command: The command that makes the document.
        seed: Its random seed.

    Returns:
        The facts; the time is now, in UTC.
    """
    return ProvenanceFields(
        driftline_version=driftline_version(),
        python_version=python_version(),
        packages=package_versions(),
        command=command,
        seed=seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
