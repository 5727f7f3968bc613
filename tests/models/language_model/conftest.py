"""A processor that computes bfloat16 as slowly as a test asks."""

import pytest
import torch

from driftline.models.language_model import _bfloat16_speed, bfloat16_slowdown


@pytest.fixture
def processor(monkeypatch):
    """A processor that takes so many times as long for bfloat16."""

    monkeypatch.delenv("DRIFTLINE_BFLOAT16")

    def take(times):
        monkeypatch.setattr(
            _bfloat16_speed, "_seconds", lambda dtype: times if dtype == torch.bfloat16 else 1.0
        )
        bfloat16_slowdown.cache_clear()

    yield take
    monkeypatch.undo()
    bfloat16_slowdown.cache_clear()
