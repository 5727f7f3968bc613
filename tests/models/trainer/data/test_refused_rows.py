"""Rows that a chat template refuses are named with their line, what TRL said, and the mend."""

import json

import pytest

from driftline.errors import ConfigError, DataError
from driftline.models import plan_training, read_training_config, read_training_data
from driftline.models.trainer.data import check_chats
from tests.models.runs import FULL

USER, ANSWER = {"role": "user", "content": "hi there"}, {"role": "assistant", "content": "yo yo"}
GOOD = {"messages": [USER, ANSWER]}
FIELDS = "max_steps: 2\nper_device_train_batch_size: 1\nmax_length: 64\nlearning_rate: 1.0e-4\n"
TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for t in tools or [] %}{{ t['function']['name'] + ' ' }}{% endfor %}"
    "{% for m in messages %}{{ m['role'] + ' ' }}{% if m['role'] == 'assistant' %}{% generation %}"
    "{{ m['content'] + eos_token }}{% endgeneration %}{% else %}{{ m['content'] + ' ' }}{% endif %}"
    "{% endfor %}"
)


@pytest.fixture
def plan(opened, tmp_path):
    def planned(rows, more="", content=None):
        data, config = tmp_path / "d.jsonl", tmp_path / "c.yaml"
        (tmp_path / "own.jinja").write_text(TEMPLATE)
        data.write_text(content or "".join(json.dumps(row) + "\n" for row in rows))
        config.write_text(f"{FIELDS}chat_template_path: {tmp_path / 'own.jinja'}\n{more}")
        read = read_training_config(config)
        return plan_training(opened, read, read_training_data(data, config=read))

    return planned


PARTS = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
CASES = [
    ({"messages": [{"role": "system", "content": "be"}, USER, ANSWER]}, "",
     r"System role not supported.*into the first user message"),
    ({"messages": [PARTS, ANSWER]}, "", "content of turn 1 of messages is a list of parts; write it as"),
    ({"messages": [{"role": "user", "content": 3}, ANSWER]}, "", r"turn 1 of messages is not a text \(3\)"),
    ({"messages": [USER, {"role": "assistant", "content": None}]}, "", "turn 2 of messages is missing or null"),
    ({"messages": [USER]}, "assistant_only_loss: true\n", "no turn of the assistant.*leave the row out"),
    ({"messages": [USER, ANSWER], "tools": ['{"function": {"name": "a"}}']}, "",
     "tools are not all mappings; write each"),
    ({"prompt": [PARTS], "completion": [ANSWER]}, "", "turn 1 of prompt is a list of parts"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "more", "told"), CASES)
def test_the_first_refused_row_is_named_by_its_line(plan, tmp_path, row, more, told):
    good = GOOD if "messages" in row else {"prompt": [USER], "completion": [ANSWER]}
    # An empty row is skipped, and counts in the place.
    lines = [json.dumps(good), "{}", *[json.dumps(good)] * 3, json.dumps(row), json.dumps(row)]
    with pytest.raises(DataError, match=told) as caught:
        plan((), more, content="\n".join(lines) + "\n")
    assert str(caught.value).startswith(f"{tmp_path / 'd.jsonl'}: line 6: TRL refuses the row (")


@pytest.mark.slow
def test_rows_that_several_processes_tokenise_are_named_too(plan):
    with pytest.raises(DataError, match=r"line 3: TRL refuses the row \(System role"):
        plan([GOOD, GOOD, CASES[0][0]], "dataset_num_proc: 2\n")


def test_rows_that_are_streamed_are_named_too(trajectory, tmp_path):
    (tmp_path / "own.jinja").write_text(TEMPLATE)
    fields = {"dataset_streaming": True, "chat_template_path": str(tmp_path / "own.jinja")}
    with pytest.raises(DataError, match=r"line 3: TRL refuses the row \(System role"):
        trajectory({**FULL, **fields}, records=[GOOD, GOOD, CASES[0][0]]).ensure_trained()


def test_a_fault_of_the_config_names_no_row(plan):
    with pytest.raises(ConfigError, match=r"truncation_mode|Unsupported truncation"):
        plan([GOOD, GOOD], "truncation_mode: middle\n")


AXOLOTL = "base_model: a/b\nlearning_rate: 1.0e-4\nmax_steps: 2\nbf16: false\n"
TRLS = f"{FIELDS}assistant_only_loss: true\n"


@pytest.mark.parametrize("fields", [AXOLOTL, TRLS], ids=["axolotl", "trl"])
def test_answers_alone_are_not_found_in_from_and_value(opened, tmp_path, fields):
    turns = [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "yo"}]
    data, config = tmp_path / "d.jsonl", tmp_path / "c.yaml"
    data.write_text((json.dumps({"conversations": turns}) + "\n") * 4)
    config.write_text(fields)
    read = read_training_config(config)
    rows = read_training_data(data, config=read)
    with pytest.raises(ConfigError, match=r"human becomes user.*train_on_inputs: true"):
        plan_training(opened, read, rows)
    config.write_text(fields.replace("assistant_only_loss: true", "") + "train_on_inputs: true\n"
                      if "base_model" in fields else FIELDS)  # fmt: skip
    assert plan_training(opened, read_training_config(config), rows).num_steps == 2


def test_conversations_of_another_layout_beside_messages_are_no_matter(opened, tmp_path):
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
    data, config = tmp_path / "d.jsonl", tmp_path / "c.yaml"
    data.write_text((json.dumps({"messages": turns, "conversations": "7"}) + "\n") * 4)
    config.write_text(TRLS)
    read = read_training_config(config)
    check_chats(opened, read, read_training_data(data, config=read))
