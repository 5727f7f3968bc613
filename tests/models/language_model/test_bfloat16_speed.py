"""Where bfloat16 is emulated, scores are computed in float32, and a config that trains in it is told."""

import pytest
import torch

from driftline.cli.commands import _demo
from driftline.models import ScoringOptions, precision_notes
from driftline.models.language_model import _bfloat16_speed, bfloat16_slowdown, is_bfloat16_fast
from driftline.models.trainer.config import config_in_memory

TIMES = {"fast": 0.5, "as fast": 1.4, "emulated": 7.0}


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


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {},
            "bf16: is on, since TRL switches it on where it is left out; this processor takes 7 times",
        ),
        ({"bf16": True}, "bf16: is on; this processor takes 7 times as long for it as for float32"),
        ({"bf16": False}, None),
        ({"fp16": True}, None),
    ],
)
def test_a_config_in_bfloat16_is_told(processor, values, said):
    config = config_in_memory({"max_steps": 2, **values})
    processor(7.0)
    notes = precision_notes(config)
    assert bool(notes) == (said is not None)
    assert said is None or notes[0].startswith(said)
    processor(1.0)
    assert precision_notes(config) == ()


def test_with_a_gpu_nothing_is_measured(processor, monkeypatch):
    processor(7.0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert bfloat16_slowdown() == 1.0


def test_what_is_measured_is_a_time():
    bfloat16_slowdown.cache_clear()
    assert 0.01 < bfloat16_slowdown() < 1000


def test_the_demonstration_runs_in_float32_there(processor, tmp_path):
    said = []
    reporter = type("Reporter", (), {"say": staticmethod(said.append)})()
    path = tmp_path / "config.yaml"
    path.write_text("learning_rate: 1.0e-4\nmax_steps: 3\n")
    processor(1.0)
    assert _demo._config(path, reporter) == path
    assert said == []
    processor(7.0)
    assert _demo._config(path, reporter) == {"learning_rate": 1e-4, "max_steps": 3, "bf16": False}
    assert "runs in float32" in said[0]
