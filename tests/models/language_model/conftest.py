"""A processor that computes bfloat16, or emulates it, as a test asks."""

import pytest
import torch


@pytest.fixture
def processor(monkeypatch):
    """A processor that has instructions for bfloat16, or has none."""
    monkeypatch.delenv("DRIFTLINE_BFLOAT16")

    def take(*, is_native):
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
        monkeypatch.setattr(
            torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: is_native, raising=False
        )

    return take
