"""Chats whose model has no template, or none with marks: the mend is named, and the page's template works."""

import json
import re
from pathlib import Path

import pytest

from driftline.errors import ConfigError
from driftline.models import (
    TrainingConfig,
    plan_training,
    read_training_config,
    read_training_data,
    told_in_one_line,
)
from tests.pages import ROOT

CHAT = [{"role": "user", "content": "hi there"}, {"role": "assistant", "content": "yo yo"}]
ROWS = {
    "messages": {"messages": CHAT},
    "conversations": {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "yo"}]},
    "prompt and completion": {"prompt": CHAT[:1], "completion": CHAT[1:]},
}  # fmt: skip
FIELDS = "max_steps: 2\nper_device_train_batch_size: 1\nmax_length: 64\nlearning_rate: 1.0e-4\n"


@pytest.fixture
def planned(opened, tmp_path):
    def plan(rows, more=""):
        data, config = tmp_path / "d.jsonl", tmp_path / "c.yaml"
        data.write_text("".join(json.dumps(rows) + "\n" for _ in range(4)))
        config.write_text(FIELDS + more)
        read = read_training_config(config)
        return plan_training(opened, read, read_training_data(data, config=read))

    return plan


@pytest.fixture
def template(tmp_path, monkeypatch):
    """The template that docs/data-and-configs.md offers to copy."""
    page = (ROOT / "docs" / "data-and-configs.md").read_text("utf-8")
    path = tmp_path / "chatml.jinja"
    path.write_text(re.search(r"```jinja\n(.*?)```", page, re.DOTALL)[1].rstrip("\n"))
    monkeypatch.chdir(tmp_path)
    return path


@pytest.mark.parametrize("kind", ROWS)
def test_chats_without_a_template_are_refused_with_the_mend(planned, opened, monkeypatch, kind):
    monkeypatch.setattr(opened.tokenizer, "chat_template", None)
    with pytest.raises(
        ConfigError, match=r"no chat template; write chat_template_path: .*docs/data"
    ):
        planned(ROWS[kind])


@pytest.mark.parametrize("more", ["", "assistant_only_loss: true\n"])
def test_the_pages_template_trains(planned, template, more):
    plan = planned(ROWS["messages"], f"chat_template_path: {template.name}\n{more}")
    assert plan.num_steps == 2


def test_a_template_without_marks_is_refused_with_the_mend(planned, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("plain.jinja").write_text("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    with pytest.raises(
        ConfigError, match=r"training-compatible.*train_on_inputs: true; LLaMA-Factory"
    ):
        planned(ROWS["messages"], "chat_template_path: plain.jinja\nassistant_only_loss: true\n")


def test_other_refusals_have_no_such_mend():
    config = TrainingConfig("c.yaml", {}, "")
    with pytest.raises(ConfigError) as caught, told_in_one_line(config, "the trainer refuses"):
        exec("raise ValueError('x')", {"__name__": "trl.trainer.sft"})
    assert "train_on_inputs" not in str(caught.value)
