"""The layouts of a training set, and every line that cannot be one."""

import json

import pytest

from driftline.errors import ConfigError, DataError
from driftline.models import (
    read_columns,
    read_training_config,
    read_training_data,
)
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
    assert "id" in data.rows().column_names


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
    ("{", "not JSON"),
    ("[1]", "not a JSON object"),
    ('"text"', "not a JSON object"),
    ('{"text": 3}', "text is not a text"),
    ('{"text": [{"role": "user", "content": "a"}]}', "text is not a text"),
    ('{"messages": "hello"}', "messages is not a list of {role, content}"),
    ('{"messages": {"role": "user"}}', "messages is not a list"),
    ('{"messages": ["hello"]}', "messages is not a list"),
    ('{"messages": [{"content": "a"}]}', "messages is not a list"),
    ('{"prompt": 1, "completion": "b"}', "prompt is not a text or a list"),
    ('{"text": "b", "messages": []}', None),
    ('{"txt": "b"}', "has txt where the others have text; give one layout a file"),
    ('{"messages": [{"role": "user", "content": "a"}]}', "has messages where the others have text"),
    ('{"prompt": "a", "completion": [{"role": "assistant", "content": "b"}]}', "mixes texts and chats"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "reason"), BAD_LINES)
def test_a_bad_line_is_named_with_its_number(tmp_path, line, reason):
    good = json.dumps(RECORDS["prompt_completion" if "completion" in line else "text"])
    if line.startswith('{"messages"') and "others" not in str(reason):
        good = json.dumps(RECORDS["messages"])
    path = tmp_path / "d.jsonl"
    path.write_text(f"{good}\n{good}\n{line}\n{good}\n")
    if reason is None:
        assert len(read_training_data(path).examples) == 4
        return
    with pytest.raises(DataError) as caught:
        read_training_data(path)
    assert str(caught.value).startswith(f"{path}: line 3: ")
    assert reason in str(caught.value)


EMPTY = {
    "text": ["", "   ", "{}", '{"text": null}', '{"id": 3, "text": null}'],
    "messages": ["{}", '{"messages": []}', '{"messages": null}'],
    "prompt_completion": [
        '{"prompt": "a"}', '{"completion": "b"}', '{"prompt": null, "completion": null}', "{}",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("layout", "line"), [(k, line) for k, v in EMPTY.items() for line in v])
def test_an_empty_row_is_skipped_and_counted(tmp_path, layout, line):
    good = json.dumps({**RECORDS[layout], "id": 1})
    path = tmp_path / "d.jsonl"
    path.write_text(f"{good}\n{line}\n{good}\n{line}\n{good}\n")
    data = read_training_data(path)

    assert data.examples == (RECORDS[layout],) * 3
    assert len(data.rows()) == 3
    # A blank line is no row at all, neither here nor for TRL.
    told = () if not line.strip() else (f"{path}: line 2: 2 empty rows skipped",)
    assert data.notes == told


MIXED = [
    ({"text": "a"}, '{"text": []}'),
    ({"text": "a"}, '{"text": NaN}'),
    ({"prompt": "a", "completion": "b"}, '{"prompt": "a", "completion": []}'),
    ({"messages": CHAT}, '{"messages": ""}'),
]


@pytest.mark.parametrize(("good", "line"), MIXED)
def test_an_empty_value_of_another_kind_is_skipped_or_named(tmp_path, good, line):
    path = tmp_path / "d.jsonl"
    path.write_text(f"{json.dumps(good)}\n{line}\n")
    if "messages" in good:
        with pytest.raises(DataError, match="line 2: messages is not a list"):
            read_training_data(path)
        return
    data = read_training_data(path)
    assert data.examples == (good,)
    assert data.notes == (f"{path}: line 2: 1 empty row skipped",)


def test_a_blank_line_among_rows_of_mixed_kinds_is_named(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_text('{"text": "a", "id": 1}\n\n{"text": "b", "id": [2]}\n')
    with pytest.raises(DataError, match=r"line 2: is blank, .*remove the blank lines"):
        read_training_data(path)


def test_labels_of_token_rows_may_be_missing_only_where_the_row_is_empty(tmp_path):
    path = tmp_path / "d.jsonl"
    good = json.dumps({"input_ids": [1, 2], "labels": [1, 2]})
    path.write_text(good + "\n{}\n")
    assert len(read_training_data(path).examples) == 1
    path.write_text(good + '\n{"input_ids": [1], "labels": null}\n')
    with pytest.raises(DataError, match="line 2: labels are empty; give one number for each token"):
        read_training_data(path)


def test_an_empty_text_is_kept_as_trl_keeps_it_and_counted(write_data):
    data = write_data([{"text": "a"}, {"text": ""}, {"text": "b"}])
    assert [row["text"] for row in data.examples] == ["a", "", "b"]
    assert "line 2: 1 row has an empty text" in data.notes[0]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "a"}, "has prompt but no completion, which TRL refuses"),
        ({"prompt": "a", **RECORDS["messages"]}, "add|name the columns .* --map messages=messages"),
        ({"question": "a", "answer": 1.5}, "add --map prompt=question,completion=answer"),
        ({"question": "a", "answer": "b", "response": "c"}, "--map prompt=question,completion=answer"),
        ({"question": "a", "answer": "b", "tools": []}, "--map prompt=question,completion=answer"),
        ({"instruction": "a", "input": 3, "output": "b"},
         r"--map prompt=instruction\+input,completion=output"),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "has prompt but no completion"),
        ({"conversations": CHAT}, "add --map messages=conversations"),
        ({"content": "a"}, "write dataset_text_field: content into the config"),
        ({"x": "a"}, "--map prompt=COLUMN,completion=COLUMN"),
        ({"text": "a", "images": ["x.png"]}, "column images: images are not supported"),
        ({"text": "a", "image": "x.png"}, "column image: images are not supported"),
        ({"chosen": "a", "rejected": "b"}, "add --map messages=chosen"),
        ({"input_ids": [1.5, 2.0]}, "input_ids are no lists of whole numbers"),
        ({"input_ids": ["a", "b"]}, "input_ids are no lists of whole numbers"),
        ({"input_ids": [1, 2], "labels": [1]}, "line 1: 2 input_ids and 1 labels"),
        ({"input_ids": [1, 2], "completion_mask": [1]}, "line 1: 2 input_ids and 1 completion_mask"),
        ({"input_ids": [1, 2], "assistant_masks": [0, 1, 1]}, "line 1: 2 input_ids and 3 assistant_masks"),
        ({"input_ids": [1, 2], "labels": [1, 2], "completion_mask": [1]}, "2 input_ids and 1 completion_mask"),
        ({"input_ids": [1, 2], "labels": [1.0, 2.0]}, "labels are no lists of whole .* --map input_ids="),
        ({"input_ids": [1, 2], "labels": [1, None]}, "line 1: labels hold a null; write -100"),
        ({"text": "a", "labels": 1}, "labels are no lists of whole numbers, .* --map text=text"),
        ({"messages": CHAT, "completion": "a"}, "completion beside messages, .* --map messages=messages"),
        ({"text": "a", "chosen": CHAT}, "has chosen beside text, .* --map text=text"),
        ({"text": None}, "holds no examples"),
        ({"messages": [{"from": "user", "value": "a"}]}, "add --map conversations=messages"),
        ({"messages": json.dumps(CHAT)}, "it is JSON written as a text, so write it as a list"),
        ({"dialog": CHAT}, "add --map messages=dialog$"),
        ({"dialog": CHAT, "tools": []}, "add --map messages=dialog,tools=tools$"),
        ({"turns": [{"from": "user", "value": "a"}]}, "add --map conversations=turns$"),
        ({"data": [{"text": "a"}, {"text": "b"}]}, "the rows are inside data; save that list"),
        ({"id;text": "a"}, "separated by ';'; save it with commas"),
        ({"id\ttext": "a"}, "give the file the suffix .tsv"),
        ({"messages": CHAT, "chat_template_kwargs": "{}"}, "line 1: chat_template_kwargs is not a mapping"),
        ({"messages": CHAT, "chat_template_kwargs": None}, "line 1: chat_template_kwargs is not a mapping"),
        ({"messages": CHAT, "tools": "no json"}, "line 1: tools: not JSON"),
    ],
)  # fmt: skip
def test_rows_that_trl_refuses_are_refused_with_the_mend(write_data, row, reason):
    with pytest.raises(DataError, match=reason):
        write_data([row])


@pytest.mark.parametrize(
    ("row", "given"),
    [
        ({"question": "a", "answer": "b", "id": 3}, "prompt=question,completion=answer"),
        ({"instruction": "a", "output": "b"}, "prompt=instruction,completion=output"),
        ({"instruction": "a", "input": "c", "output": "b"}, "prompt=instruction+input,completion=output"),
        ({"instruction": "a", "input": "", "output": "b"}, "prompt=instruction+input,completion=output"),
        ({"instruction": "a", "input": None, "output": "b"}, "prompt=instruction,completion=output"),
        ({"instruction": "a", "output": "b", "system": "be", "history": [["x", "y"]]},
         "prompt=instruction,completion=output"),
        ({"instruction": "a", "context": "c", "response": "b", "category": "qa"},
         "prompt=instruction+context,completion=response"),
        ({"question": "a", "answer": "b", "text": None}, "prompt=question,completion=answer"),
        ({"input": "a", "output": "b"}, "prompt=input,completion=output"),
        ({"prompt": "a", "response": "b"}, "prompt=prompt,completion=response"),
        ({"problem": "a", "solution": "b"}, "prompt=problem,completion=solution"),
    ],
)  # fmt: skip
def test_well_known_columns_are_read_as_if_they_were_mapped_and_a_note_says_so(
    write_data, tmp_path, row, given
):
    data = write_data([row])
    mapped = read_training_data(tmp_path / "data.jsonl", columns=read_columns(given))
    assert data.examples == mapped.examples
    assert (data.digest, data.columns) == (mapped.digest, mapped.columns)
    rest = [name for name, value in row.items() if name not in given and value is not None]
    without = f", without {', '.join(rest)}" if rest else ""
    assert data.notes == (f"columns read as --map {given}{without}; name others with --map",)


@pytest.mark.parametrize("key", ["messages", "text"])
def test_rows_with_a_layout_keep_it_beside_well_known_columns(write_data, key):
    data = write_data([{**RECORDS[key], "question": "a", "answer": "b"}])
    assert data.layout == key
    assert data.notes == ()


def test_well_known_columns_are_not_guessed_where_the_config_names_a_column(tmp_path):
    path, config = tmp_path / "d.jsonl", tmp_path / "c.yaml"
    path.write_text(json.dumps({"question": "a", "answer": "b"}))
    config.write_text("dataset_text_field: txet")
    with pytest.raises(DataError, match="or txet"):
        read_training_data(path, config=read_training_config(config))


def test_zeros_are_joined_and_rows_without_any_part_are_empty(tmp_path):
    path = tmp_path / "d.jsonl"
    rows = [
        {"q": "count", "n": 0, "a": "b"},
        {"q": "c", "n": 3, "a": "b"},
        {"q": "", "n": None, "a": "b"},
    ]
    path.write_text(
        "".join(json.dumps(row) + "\n" for row in [*rows, {"q": None, "n": None, "a": "b"}])
    )
    data = read_training_data(path, columns=read_columns("prompt=q+n,completion=a"))
    assert [row["prompt"] for row in data.examples] == ["count\n0", "c\n3", ""]
    assert data.notes[0] == f"{path}: line 4: 1 empty row skipped"


@pytest.mark.parametrize("value", [CHAT, {"a": 1}])
def test_lists_and_mappings_are_not_joined_to_a_text(tmp_path, value):
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps({"s": "sys", "c": value}))
    with pytest.raises(
        DataError, match=r"line 1: --map: c is a list or a mapping, .*name another column"
    ):
        read_training_data(path, columns=read_columns("text=s+c"))


def test_a_mask_that_trl_does_not_read_is_told(tmp_path):
    path, config = tmp_path / "d.jsonl", tmp_path / "c.yaml"
    path.write_text(json.dumps({"input_ids": [1, 2], "completion_mask": [0, 1]}))
    config.write_text("completion_only_loss: true")
    (note,) = read_training_data(path).notes
    assert note.startswith("completion_mask: without effect")
    assert read_training_data(path, config=read_training_config(config)).notes == ()
    path.write_text(
        json.dumps({"input_ids": [1, 2], "completion_mask": [0, 1], "labels": [-100, 2]})
    )
    assert read_training_data(path).notes == ()


def test_columns_are_renamed_and_joined_and_others_left_out(tmp_path):
    path = tmp_path / "d.jsonl"
    rows = [{"instruction": "a", "input": "", "output": "c", "prompt": "x"},
            {"instruction": "a", "input": "b", "output": "c", "prompt": "x"}]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plain = read_training_data(path, columns={"text": "output"})
    data = read_training_data(
        path, columns=read_columns("prompt=instruction+input,completion=output")
    )

    assert plain.layout == "text"
    assert [row["prompt"] for row in data.examples] == ["a", "a\nb"]
    assert data.rows().column_names == ["prompt", "completion"]
    assert len({plain.digest, data.digest, digest_bytes(path.read_bytes())}) == 3
    with pytest.raises(DataError, match="--map: has no column nothing; it has instruction"):
        read_training_data(path, columns={"text": "nothing"})


def test_columns_for_the_template_that_a_mapping_leaves_out_are_told(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps({"dialog": CHAT, "tools": [{"name": "a"}], "id": 1}) + "\n")
    bare = read_training_data(path, columns={"messages": "dialog"})
    kept = read_training_data(path, columns={"messages": "dialog", "tools": "tools"})

    assert bare.notes == ("--map leaves out tools, which TRL reads; add tools=tools to keep them",)
    assert kept.notes == ()
    assert kept.rows().column_names == ["messages", "tools"]


@pytest.mark.parametrize("text", ["prompt", "=a", "prompt=", "a=b,a=c", ""])
def test_a_mapping_that_does_not_read_is_refused(text):
    with pytest.raises(ConfigError, match=r"--map: .*write NAME=COLUMN"):
        read_columns(text)


def test_some_rows_of_a_set_are_a_set_of_their_own(write_data):
    data = write_data([{"text": str(number)} for number in range(5)])
    part = data.select([3, 1], name="some")
    assert [row["text"] for row in part.examples] == ["3", "1"]
    assert part.rows()["text"] == ["3", "1"]
    assert (part.name, len({part.digest, data.digest})) == ("some", 2)
