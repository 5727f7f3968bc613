"""The layouts of a training set, and every line that cannot be one."""

import json

import pytest

from driftline.errors import DataError
from driftline.models import read_training_data
from driftline.provenance import digest_bytes

CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
RECORDS = {
    "messages": {"messages": CHAT},
    "prompt_completion": {"prompt": "a", "completion": "b"},
    "text": {"text": "abc"},
}


@pytest.mark.parametrize("layout", RECORDS)
def test_a_layout_is_recognised_and_other_fields_are_left_out(write_data, layout):
    record = RECORDS[layout]
    data = write_data([{**record, "id": 7}, record])

    assert data.layout == layout
    assert data.examples == (record, record)


def test_prompt_and_completion_may_be_chats_and_a_prompt_empty(write_data):
    chats = {"prompt": CHAT[:1], "completion": CHAT[1:]}
    assert write_data([chats]).examples == (chats,)
    assert write_data([{"prompt": "", "completion": "b"}]).examples[0]["prompt"] == ""


def test_order_and_provenance_are_the_files(write_data, tmp_path):
    data = write_data([{"text": str(number)} for number in range(5)])

    assert [example["text"] for example in data.examples] == list("01234")
    content = (tmp_path / "data.jsonl").read_bytes()
    assert data.digest == digest_bytes(content)
    assert data.provenance().num_records == 5
    assert data.provenance().name == "data.jsonl"
    assert data.provenance().digest == data.digest


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n"])
def test_line_ends_of_all_kinds(tmp_path, ending, last):
    path = tmp_path / "d.jsonl"
    lines = [json.dumps({"text": text}) for text in ("a", "b")]
    path.write_bytes((ending.join(lines) + last).encode())

    assert [example["text"] for example in read_training_data(path).examples] == ["a", "b"]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\u0085", "\x7f", "é", "\u3000"])
def test_a_text_may_hold_what_python_takes_for_line_ends(tmp_path, character):
    path = tmp_path / "d.jsonl"
    record = {"text": f"a{character}b"}
    path.write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")

    assert read_training_data(path).examples == (record,)


BAD_LINES = [
    ("", "empty; remove the line"),
    ("   ", "empty; remove the line"),
    ("{", "not JSON"),
    ("[1]", "not a JSON object"),
    ('"text"', "not a JSON object"),
    ("{}", "has no field; an example needs messages"),
    ('{"prompt": "a"}', "has prompt; an example needs"),
    ('{"completion": "a", "b": 1}', "has b, completion; an example needs"),
    ('{"text": ""}', "text is empty"),
    ('{"text": 3}', "text is not a text"),
    ('{"text": null}', "text is not a text"),
    ('{"text": [{"role": "user", "content": "a"}]}', "text is not a text"),
    ('{"messages": "hello"}', "messages is not a list of {role, content}"),
    ('{"messages": []}', "messages is not a list"),
    ('{"messages": {"role": "user"}}', "messages is not a list"),
    ('{"messages": ["hello"]}', "messages is not a list"),
    ('{"messages": [{"role": "user"}]}', "messages is not a list"),
    ('{"messages": [{"content": "a"}]}', "messages is not a list"),
    ('{"messages": [{"role": "user", "content": null}]}', "messages is not a list"),
    ('{"prompt": "a", "completion": ""}', "completion is empty"),
    ('{"prompt": 1, "completion": "b"}', "prompt is not a text or a list"),
    ('{"prompt": "a", "completion": []}', "completion is not a text or a list"),
    (
        '{"prompt": "a", "completion": [{"role": "assistant", "content": "b"}]}',
        "prompt and completion are not both texts or both chats",
    ),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES)
def test_a_bad_line_is_named_with_its_number(tmp_path, line, reason):
    good = json.dumps(RECORDS["prompt_completion" if "completion" in line else "text"])
    if line.startswith('{"messages"'):
        good = json.dumps(RECORDS["messages"])
    path = tmp_path / "d.jsonl"
    path.write_text(f"{good}\n{good}\n{line}\n{good}\n")

    with pytest.raises(DataError) as caught:
        read_training_data(path)
    assert str(caught.value).startswith(f"{path}: line 3: ")
    assert reason in str(caught.value)


def test_a_change_of_layout_is_named_with_its_number(write_data):
    with pytest.raises(DataError, match="line 2: has text where the lines before messages"):
        write_data([RECORDS["messages"], RECORDS["text"]])


def test_a_change_from_texts_to_chats_is_named_with_its_number(write_data):
    chats = {"prompt": CHAT[:1], "completion": CHAT[1:]}
    with pytest.raises(DataError, match="line 2: mixes texts and chats"):
        write_data([RECORDS["prompt_completion"], chats])


def test_files_that_hold_nothing(tmp_path):
    path = tmp_path / "d.jsonl"
    with pytest.raises(DataError, match=r"cannot be read .*No such file"):
        read_training_data(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_training_data(tmp_path)
    for content in (b"", b"\n"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"holds no examples|line 1: empty"):
            read_training_data(path)
    path.write_bytes(b'{"text": "\xff"}')
    with pytest.raises(DataError, match=r"not UTF-8 .* at byte 10"):
        read_training_data(path)
