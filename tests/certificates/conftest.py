"""A certification of two small checkpoints, and what is needed to sign and verify it."""

import copy
import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from driftline.certificates import generate_key

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

SUITE_DIGEST = "sha256:" + "5" * 64


def _claim(name: str, **changes: object) -> dict[str, object]:
    return {
        "capability": name,
        "metric": "accuracy",
        "higher_is_better": True,
        "num_items": 500,
        "change": 0.0,
        "low": -0.01,
        "high": 0.01,
        "margin": 0.02,
        "pvalue": 0.01,
        "adjusted_pvalue": 0.03,
        "verdict": "non_inferior",
        "adjusted_verdict": "non_inferior",
        "required": True,
        **changes,
    }


def _files(folder: Path) -> list[dict[str, object]]:
    return [
        {"name": path.name, "digest": "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(folder.iterdir())
    ]


@pytest.fixture(scope="session")
def key():
    return generate_key()


@pytest.fixture
def folders(tmp_path):
    """Base and tuned, as bytes that nobody loads."""
    for side in ("base", "tuned"):
        folder = tmp_path / side
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(f"{side} weights".encode())
        (folder / "config.json").write_bytes(b"{}")
    return tmp_path / "base", tmp_path / "tuned"


@pytest.fixture
def document(folders):
    """What `certify` would write, with keys that nobody here knows among the others."""
    claims = [
        _claim("facts"),
        _claim("text", metric="nll_nats", higher_is_better=False, low=-0.01, high=0.015, pvalue=0.02,
               adjusted_pvalue=0.04),
        _claim("watched", required=False, low=-0.09, high=0.01, pvalue=0.4, adjusted_pvalue=0.4,
               verdict="inconclusive", adjusted_verdict="inconclusive"),
    ]  # fmt: skip
    return copy.deepcopy(
        {
            "schema": "driftline/certification/1",
            "verdict": "pass",
            "suite_claim": {"verdict": "non_inferior", "pvalue": 0.02, "num_required": 2},
            "claims": claims,
            "caveats": ["größer"],
            "provenance": {
                "base": {"source": "base", "files": _files(folders[0])},
                "tuned": {"source": "tuned", "files": _files(folders[1])},
                "suites": [{"name": "core", "digest": SUITE_DIGEST, "num_records": 1500}],
                "alpha": 0.05,
                "created": "2026-06-01T10:00:00+00:00",
            },
        }
    )
