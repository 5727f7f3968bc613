"""Where bfloat16 is emulated, scores are computed in float32 by default."""

import pytest
import torch

from driftline.models import ScoringOptions
from driftline.models.language_model import bfloat16_slowdown, is_bfloat16_fast

TIMES = {"fast": 0.5, "as fast": 1.4, "emulated": 7.0}


@pytest.mark.parametrize("name", TIMES)
def test_scores_are_in_float32_where_bfloat16_is_emulated(processor, name):
    processor(TIMES[name])
    assert bfloat16_slowdown() == TIMES[name]
    assert ScoringOptions().bfloat16 == is_bfloat16_fast() == (name != "emulated")
    assert ScoringOptions(bfloat16=True).bfloat16


def test_the_environment_may_ask_for_bfloat16_all_the_same(processor, monkeypatch):
    processor(7.0)
    monkeypatch.setenv("DRIFTLINE_BFLOAT16", "always")
    assert ScoringOptions().bfloat16


def test_with_a_gpu_nothing_is_measured(processor, monkeypatch):
    processor(7.0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert bfloat16_slowdown() == 1.0


def test_what_is_measured_is_a_time():
    bfloat16_slowdown.cache_clear()
    assert 0.01 < bfloat16_slowdown() < 1000
