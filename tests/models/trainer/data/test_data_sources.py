"""Files of every kind, folders, mixtures and hub ids as sources of rows, and what is none."""

import gzip
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from datasets import Dataset, DatasetDict

from driftline.errors import DataError
from driftline.models import read_named_data, read_training_data

TWO = [{"text": "a b"}, {"text": "c"}]
WRITERS = {
    "d.json": lambda path: path.write_text(json.dumps(TWO, indent=1)),
    "d.jsonl": lambda path: path.write_text("".join(json.dumps(row) + "\n" for row in TWO)),
    "d.parquet": lambda path: Dataset.from_list(TWO).to_parquet(path),
    "d.csv": lambda path: Dataset.from_list(TWO).to_csv(path),
    "d.tsv": lambda path: Dataset.from_list(TWO).to_csv(path, sep="\t"),
    "d.txt": lambda path: path.write_text("a b\nc\n"),
    "d.jsonl.gz": lambda path: path.write_bytes(gzip.compress(b'{"text": "a b"}\n{"text": "c"}\n')),
    "packed.jsonl": lambda path: path.write_bytes(
        gzip.compress(b'{"text": "a b"}\n{"text": "c"}\n')
    ),
    "views.parquet": lambda path: pyarrow.parquet.write_table(
        pyarrow.table({"text": pyarrow.array(["a b", "c"]).cast("string_view")}), path
    ),
    "dictionary.parquet": lambda path: pyarrow.parquet.write_table(
        pyarrow.table({"text": pyarrow.array(["a b", "c"]).dictionary_encode()}), path
    ),
    "mark.jsonl": lambda path: path.write_bytes(
        b'\xef\xbb\xbf{"text": "a b"}\n{"text": "c"}\n'
    ),
    "d.json.gz": lambda path: path.write_bytes(gzip.compress(json.dumps(TWO).encode())),
    "d.csv.gz": lambda path: path.write_bytes(gzip.compress(b"text\na b\nc\n")),
    "d": lambda path: path.write_text("".join(json.dumps(row) + "\n" for row in TWO)),
    "saved": lambda path: Dataset.from_list(TWO).save_to_disk(path),
    "splits": lambda path: DatasetDict(
        train=Dataset.from_list(TWO), test=Dataset.from_list(TWO[:1])
    ).save_to_disk(path),
    "folder": lambda path: (path.mkdir(), Dataset.from_list(TWO).to_parquet(path / "train.parquet")),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_and_folder_is_read(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    before = {file: file.stat().st_mtime_ns for file in sorted(tmp_path.rglob("*"))}
    data = read_training_data(path)

    assert data.examples == tuple(TWO)
    assert data.layout == "text"
    assert read_training_data(path).digest == data.digest
    assert (data.split("test") is not None) == (name == "splits")
    # The user's own folder is left as it was found.
    assert {file: file.stat().st_mtime_ns for file in sorted(tmp_path.rglob("*"))} == before


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("d.parquet", b"PAR1 and no more", "cannot be read .*check that the file is whole"),
        ("d.jsonl.gz", b"no gzip at all", "cannot be read"),
        ("d.bin", b"\x00\x01\x02", "is of no kind that is read; give JSON Lines"),
        ("d.json", b'[{"text": "a"}, ', "cannot be read"),
        ("d.csv", b"", "holds no examples"),
        ("d.csv", b"text\n", "holds no examples"),
        ("d.json", b"[]", "holds no examples|cannot be read"),
    ],
)
def test_a_file_that_a_reader_refuses_is_told_in_one_line(tmp_path, name, content, reason):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        read_training_data(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "d.csv",
            "text\nhello world, again\nbye\n",
            "d.csv: line 2 has 2 fields, and the header 1; .*comma",
        ),
        (
            "d.csv",
            "text\nbye\nhello world, again\n",
            "d.csv: line 3 has 2 fields, and the header 1",
        ),
        ("d.csv", "prompt,completion\n2+2?,four,arith\n1+1?,two,arith\n", "line 2 has 3 fields"),
        ("d.csv", 'text\n"a\nb"\n"c\nd", e\n', "line 4 has 2 fields"),
        ("d.tsv", "prompt\tcompletion\na\tb\tc\n", "line 2 has 3 fields, .*holds a tab"),
        ("rows/train.csv", "prompt,completion\na,b,c\n", "train.csv: line 2 has 3 fields"),
        ("d.csv.gz", "text\na, b\n", "d.csv.gz: lines of its CSV have more fields than the header"),
    ],
)
def test_lines_with_more_fields_than_the_header_are_not_read_shifted(
    tmp_path, name, content, reason
):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    with pytest.raises(DataError, match=reason):
        read_training_data(path.parent if path.parent != tmp_path else path)


def test_a_shifted_line_is_refused_also_where_a_text_is_too_long_to_count_fields(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text(f"text\n{'a' * 200_000}, b\nc, d\n")
    with pytest.raises(
        DataError, match=r"d.csv: lines of its CSV have more fields than the header"
    ):
        read_training_data(path)


@pytest.mark.parametrize("name", ["d.csv", "d.tsv", "rows/train.csv", "d.csv.gz"])
def test_cells_are_texts_as_they_are_written(tmp_path, name):
    completions = ["NA", "None", "null", "nan", "N/A", "007", "3.50", "True", "2024-05-01", "a, b"]
    mark = "\t" if ".tsv" in name else ","
    lines = [
        "prompt" + mark + "completion",
        *(f'q{mark}"{each}"' for each in completions),
        f"q{mark}",
    ]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    content = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    data = read_training_data(path.parent if path.parent != tmp_path else path)
    assert [row["completion"] for row in data.examples] == completions
    assert "1 empty row skipped" in data.notes[0]


DATES = [
    {"prompt": "When?", "completion": "2024-05-01", "id": 1},
    {"prompt": "When?", "completion": "2024-05-02T10:00:00", "id": 2},
]
CHAT_OF_DATES = [
    {"messages": [{"role": role, "content": "2024-05-01"} for role in ("user", "assistant")]}
]


@pytest.mark.parametrize("rows", [DATES, CHAT_OF_DATES])
@pytest.mark.parametrize("name", ["d.jsonl", "d.json"])
def test_dates_are_texts_as_they_are_written(tmp_path, name, rows):
    path = tmp_path / name
    lines = "\n\n".join(json.dumps(row) for row in rows)
    path.write_text("\ufeff" + lines if name == "d.jsonl" else json.dumps(rows))
    data = read_training_data(path)
    without_id = [{key: value for key, value in row.items() if key != "id"} for row in rows]
    assert data.examples == tuple(without_id)
    assert data.rows().column_names == list(rows[0])


@pytest.mark.parametrize("rows", [DATES, CHAT_OF_DATES])
@pytest.mark.parametrize("name", ["d.jsonl.gz", "rows/train.jsonl"])
def test_dates_that_a_reader_has_made_times_of_are_refused(tmp_path, name, rows):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    with pytest.raises(
        DataError, match="holds times where texts are trained on; write them as texts"
    ):
        read_training_data(path.parent if path.parent != tmp_path else path)


def _parquet(path):
    Dataset.from_list(TWO).to_parquet(path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("d.jsonl", _parquet, "is Parquet and not JSON, .* suffix .parquet"),
        ("d.csv", _parquet, "is Parquet and not CSV, .* suffix .parquet"),
        ("d.jsonl", lambda _: b"ARROW1\0\0", "is Arrow and not JSON, .* suffix .arrow"),
        ("d.parquet", lambda _: b'{"text": "a"}\n', "is JSON and not Parquet, .* suffix .jsonl"),
        ("d.csv", lambda _: b'{"text": "a"}\n', "is JSON and not CSV, .* suffix .jsonl"),
        ("d.csv", lambda _: b"PK\x03\x04 and more", "is a zip archive or a workbook; unpack it"),
        ("d.jsonl", lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
         "is a pointer of Git LFS .* run git lfs pull"),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_than_its_name_is_named(tmp_path, name, content, reason):
    written = content(tmp_path / "w.parquet")
    (tmp_path / "rows").mkdir()
    path = tmp_path / "rows" / name
    path.write_bytes(written)
    with pytest.raises(DataError, match=reason) as caught:
        read_training_data(path)
    assert str(caught.value).startswith(f"{path}: ")
    if "LFS" in reason:
        with pytest.raises(DataError, match=reason):
            read_training_data(tmp_path / "rows")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("https://a.b/c.jsonl", "^https://a.b/c.jsonl: addresses are not read.*download it"),
        (Path("s3://a/c.jsonl"), "^s3://a/c.jsonl: addresses are not read"),
        ("hf://datasets/a/b", "; write a/b$"),
        ("no*.jsonl", "patterns are not read, so give the folder"),
        ("-", "not read from standard input; save them in a file"),
        ("imdb", "No such file or directory.*or write a hub id with its owner, as owner/name"),
        ("/dev/null", "is not a regular file"),
    ],
)
def test_a_source_that_is_no_file_folder_or_hub_id_is_told_so(source, told):
    with pytest.raises(DataError, match=told):
        read_training_data(source)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("x.jsonl", "datasets: entry 2: 'x.jsonl' is not a mapping; write `path: json`"),
        ({"path": "a/b", "type": "alpaca"}, "datasets: entry 2: unknown key type; TRL takes path, name"),
        ({"data_files": "x.jsonl"}, "datasets: entry 2: path: is missing or not a text"),
    ],
)  # fmt: skip
def test_an_entry_of_a_mixture_is_refused_by_its_key(write_config, entry, told):
    with pytest.raises(DataError, match=told):
        read_named_data(write_config(datasets=[{"path": "json"}, entry]))


def test_a_file_as_a_path_and_a_name_without_owner_are_refused(tmp_path, write_config):
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "a"}\n')
    with pytest.raises(
        DataError, match=r"is a file; write `path: json` and `data_files: .*x.jsonl`"
    ):
        read_named_data(write_config(datasets=[{"path": str(path)}]))
    with pytest.raises(DataError, match=r"dataset_name: imdb: cannot be read .*as owner/name"):
        read_named_data(write_config(dataset_name="imdb"))


def test_a_mixture_and_a_named_folder_are_those_of_the_config(tmp_path, write_config):
    for name, rows in (("a", TWO), ("b", TWO[:1])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = [{"path": "json", "data_files": str(tmp_path / f"{name}.jsonl")} for name in "ab"]
    data = read_named_data(write_config(datasets=files))
    assert [row["text"] for row in data.examples] == ["a b", "c", "a b"]

    DatasetDict(new=Dataset.from_list(TWO), other=Dataset.from_list(TWO)).save_to_disk(
        tmp_path / "s"
    )
    named = {"dataset_name": str(tmp_path / "s"), "dataset_train_split": "new"}
    assert read_named_data(write_config(**named)).examples == tuple(TWO)
    with pytest.raises(DataError, match=r"has no split train; .*one of new, other"):
        read_named_data(write_config(dataset_name=named["dataset_name"]))
    assert read_named_data(write_config(max_steps=1)) is None
    with pytest.raises(DataError, match="datasets: cannot be read"):
        read_named_data(write_config(datasets=[{"path": "json", "data_files": "nowhere.jsonl"}]))


@pytest.mark.parametrize("source", ["owner/nothing", "owner/nothing@main:part"])
def test_a_hub_id_offline_is_told_so(source):
    with pytest.raises(DataError, match=rf"^{source}: cannot be read .*go online"):
        read_training_data(source)


@pytest.mark.parametrize("source", ["./a/b", "a.jsonl", "nowhere/a.parquet", "tests/nothing"])
def test_a_path_that_is_not_there_is_no_hub_id(source):
    with pytest.raises(DataError, match="No such file or directory"):
        read_training_data(source)


def test_files_that_hold_nothing(tmp_path):
    path = tmp_path / "d.jsonl"
    with pytest.raises(DataError, match=r"cannot be read .*No such file"):
        read_training_data(path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"cannot be read .*give a folder of data files"):
        read_training_data(tmp_path / "folder")
    for content in (b"", b"\n", b"{}\n"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"holds no examples|has  ?; an example needs"):
            read_training_data(path)
    path.write_bytes(b'{"text": "\xff"}')
    with pytest.raises(DataError, match=r"not UTF-8 .* at byte 10"):
        read_training_data(path)


def test_the_folder_of_a_model_is_no_folder_of_rows(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match="is the folder of a model; name a file"):
        read_training_data(tmp_path)
