"""Every example of docs/python.md runs."""

import re
import shutil
from pathlib import Path

import pytest

import driftline

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.mark.slow
def test_every_example_runs_in_order(planned, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(planned.model, tmp_path / "model")
    shutil.copy(planned.data, tmp_path / "train.jsonl")
    shutil.copy(planned.config, tmp_path / "sft.yaml")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    answer = names["answer"]
    assert answer.provenance.data.name == "rows in memory"
    assert "forecast" in capsys.readouterr().out.lower() or answer.verdict
    assert (tmp_path / "run" / "report.html").exists()


def test_the_page_names_every_call():
    named = set(re.findall(r"`(\w+)`", PAGE.read_text(encoding="utf-8")))
    assert set(driftline._QUESTIONS) <= named
