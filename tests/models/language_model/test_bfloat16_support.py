"""Where bfloat16 is emulated, scores are computed in float32 by default."""

import os
import subprocess
import sys

import pytest
import torch

from driftline.models import ScoringOptions, bfloat16_slowdown, is_bfloat16_native


@pytest.mark.parametrize("is_native", [True, False])
def test_scores_are_in_float32_where_bfloat16_is_emulated(processor, is_native):
    processor(is_native=is_native)
    assert ScoringOptions().bfloat16 == is_bfloat16_native() == is_native
    assert ScoringOptions(bfloat16=True).bfloat16


def test_the_environment_may_ask_for_bfloat16_all_the_same(processor, monkeypatch):
    processor(is_native=False)
    monkeypatch.setenv("DRIFTLINE_BFLOAT16", "always")
    assert ScoringOptions().bfloat16


def test_without_onednn_pytorch_emulates(processor, monkeypatch):
    processor(is_native=True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not is_bfloat16_native()


def test_a_gpu_computes_bfloat16(processor, monkeypatch):
    processor(is_native=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert is_bfloat16_native()
    bfloat16_slowdown.cache_clear()
    assert bfloat16_slowdown() == 1.0
    bfloat16_slowdown.cache_clear()


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX512", reason="needs a processor with AVX-512"
)
@pytest.mark.parametrize(("instructions", "expected"), [("AVX512_CORE", "True"), ("AVX2", "False")])
def test_the_answer_is_that_of_the_processors_instructions(instructions, expected):
    # oneDNN hides the instructions above these from PyTorch.
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": instructions}
    code = "from driftline.models import is_bfloat16_native; print(is_bfloat16_native())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected


def test_what_is_measured_is_a_time():
    bfloat16_slowdown.cache_clear()
    assert 0.01 < bfloat16_slowdown() < 1000
