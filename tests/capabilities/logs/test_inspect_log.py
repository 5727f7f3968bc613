"""Logs of inspect_ai: a real one, both forms, and how each fault is named.

`logs/sums.eval` was written by inspect_ai 0.3.285: three sums, two epochs, the scorers match and f1.
"""

import importlib
import json
import math
import zipfile
from pathlib import Path

import pytest

from driftline.capabilities import read_scored_log
from driftline.errors import SuiteError

REAL = Path(__file__).parent / "sums.eval"


def sample(name=1, value="C", **changes):
    fields = {
        "id": name,
        "epoch": 1,
        "input": f"What is {name}?",
        "target": "4",
        "scores": {"match": {"value": value, "answer": "4", "history": []}},
        "metadata": {},
        **changes,
    }
    return {key: v for key, v in fields.items() if v is not ...}


def header(**changes):
    results = {
        "scores": [{"name": "match", "scorer": "match", "metrics": {"mean": {"value": 0.5}}}]
    }
    fields = {
        "version": 2,
        "status": "success",
        "eval": {"task": "sums", "model": "mockllm/model"},
        "results": results,
        **changes,
    }
    return {key: v for key, v in fields.items() if v is not ...}


@pytest.fixture(params=["json", "eval"])
def log(request, tmp_path):
    """Writes a log in each of the two forms; `.eval` as older versions packed it."""

    def write(*samples, name="log", **changes):
        path = tmp_path / f"{name}.{request.param}"
        if request.param == "json":
            path.write_text(json.dumps({**header(**changes), "samples": list(samples)}))
            return path
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, each in enumerate(samples):
                epoch = each.get("epoch", 1) if isinstance(each, dict) else 1
                archive.writestr(f"samples/{number}_epoch_{epoch}.json", json.dumps(each))
            archive.writestr("summaries.json", "[]")
            archive.writestr("header.json", json.dumps(header(**changes)))
        return path

    return write


def refused(path, message, **options):
    with pytest.raises(SuiteError, match=message) as raised:
        read_scored_log(path, **options)
    assert "\n" not in str(raised.value)


def test_a_real_log():
    found = read_scored_log(REAL)
    assert (found.name, found.metric, found.unit) == ("sums", "match", "share of items")
    assert found.higher_is_better
    assert [item.split(":")[0] for item in found.item_ids] == [
        "q0#1", "q0#2", "q1#1", "q1#2", "q2#1", "q2#2",
    ]  # fmt: skip
    # It answered the sum of 1 and 1 with 3.
    assert found.values == (1.0, 1.0, 0.0, 0.0, 1.0, 1.0)
    assert found.groups == ("q0", "q0", "q1", "q1", "q2", "q2")
    f1 = read_scored_log(REAL, metric="f1")
    assert f1.values == (0.5, 0.5, 0.0, 0.0, 0.5, 0.5)
    assert f1.unit == "points"
    assert f1.item_ids == found.item_ids


def test_a_real_log_is_packed_in_a_way_that_needs_a_library(monkeypatch):
    def fails(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", fails)
    refused(
        REAL, r"sums.eval: is packed with Zstandard; pip install .driftline\[inspect\]., or turn"
    )


@pytest.mark.parametrize("at", ["data", "checksum"])
def test_a_damaged_log_is_named(tmp_path, at):
    content = bytearray(REAL.read_bytes())
    with zipfile.ZipFile(REAL) as archive:
        info = archive.getinfo("header.json")
    if at == "data":
        start = info.header_offset + 30 + len("header.json")
        content[start + 20 : start + 60] = bytes(40)
    else:
        place = content.rindex(info.CRC.to_bytes(4, "little"))
        content[place] ^= 0xFF
    path = tmp_path / "damaged.eval"
    path.write_bytes(content)
    refused(path, r"damaged.eval: header.json: not JSON \(.*\); the log is damaged")


def test_letters_and_words_are_numbers(log):
    values = ["C", "I", "P", "N", True, False, "yes", "no"]
    found = read_scored_log(log(*[sample(i, value) for i, value in enumerate(values)]))
    assert found.values == (1.0, 0.0, 0.5, 0.0, 1.0, 0.0, 1.0, 0.0)
    assert (found.metric, found.unit, found.higher_is_better) == ("match", "share of items", True)
    assert found.groups == found.item_ids


def test_numbers_are_shares_only_where_the_log_has_their_accuracy(log):
    path = log(sample(1, 0.25), sample(2, "0.75"))
    refused(path, r"whether more of match is better is not in the log")
    assert read_scored_log(path, higher_is_better=True).values == (0.25, 0.75)
    results = {"scores": [{"name": "match", "scorer": "match", "metrics": {"accuracy": {}}}]}
    found = read_scored_log(log(sample(1, 1), sample(2, 0), results=results))
    assert (found.values, found.unit) == ((1.0, 0.0), "share of items")


def test_a_score_of_several_values_gives_a_metric_each(log):
    scores = {"both": {"value": {"tone": "C", "facts": 0.5}}, "list": {"value": [1, 2]}}
    path = log(sample(1, scores=scores), sample(2, scores=scores))
    assert read_scored_log(path, metric="both/tone").values == (1.0, 1.0)
    assert read_scored_log(path, metric="both/facts", higher_is_better=True).values == (0.5, 0.5)
    refused(path, r"has no metric list; it has both/tone, both/facts", metric="list")


def test_two_logs_of_one_task_pair_by_sample(log):
    base = read_scored_log(log(sample(1), sample("b")))
    tuned = read_scored_log(log(sample("b", "I"), sample(1), name="tuned"))
    assert sorted(base.item_ids) == sorted(tuned.item_ids)
    edited = read_scored_log(log(sample(1, target="5"), sample("b"), name="edited"))
    assert len(set(edited.item_ids) & set(base.item_ids)) == 1


def test_messages_pair_whatever_their_ids(log):
    def chat(name):
        message = {
            "role": "user",
            "content": "Hi",
            "source": "input",
            "id": f"{name}-{len(str(name))}",
        }
        return sample(1, input=[message])

    logs = [read_scored_log(log(chat(name), sample(2), name=name)) for name in ("first", "second")]
    assert logs[0].item_ids == logs[1].item_ids


def test_epochs_are_a_group(log):
    found = read_scored_log(log(sample(1), sample(2), sample(1, epoch=2), sample(2, epoch=2)))
    assert sorted(found.groups) == ["1", "1", "2", "2"]
    assert len(set(found.item_ids)) == 4


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (sample(2, "good"), r"no number for match; every item needs one"),
        (sample(2, None), r"no number for match"),
        (sample(2, math.nan), r"match is nan, which is no score"),
        (sample(2, scores={}), r"sample 2 has no score; run it again"),
        (sample(2, scores=...), r"sample 2 has no score"),
        (sample(2, scores=None, error={"message": "x"}), r"sample 2 ended in an error"),
        (sample(2, invalidation={"author": "x"}), r"sample 2 was invalidated"),
        (sample(2, id=...), r"id: Field required; it is not as inspect_ai logs it"),
        (sample(2, input=...), r"input: Field required"),
        (sample(1), r"duplicate sample; the log is damaged"),
        (3, r"must be a mapping of keys to values"),
    ],
)
def test_a_wrong_sample_is_named(log, bad, message):
    path = log(sample(1), bad)
    where = "samples.1" if path.suffix == ".json" else "samples/1_epoch_1.json"
    place = "0|1" if bad == sample(1) else "1"
    where = where.replace("1", f"({place})", 1)
    refused(path, rf"log.{path.suffix[1:]}: {where}: .*{message}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "error"}, r"the evaluation has status error; run it to its end first"),
        ({"status": "started"}, r"has status started"),
        ({"status": "fine"}, r"status: .*it is not as inspect_ai logs it"),
        ({"version": 1}, r"version: .*greater than or equal to 2"),
        ({"version": ...}, r"version: Field required"),
        ({"eval": {}}, r"eval.task: Field required"),
        ({"invalidated": True}, r"the evaluation was invalidated"),
    ],
)
def test_a_wrong_header_is_named(log, changes, message):
    refused(log(sample(1), sample(2), **changes), message)


def test_a_log_without_results_is_read_all_the_same(log):
    assert read_scored_log(log(sample(1), sample(2), results=None)).values == (1.0, 1.0)


def test_too_little_is_refused(log):
    refused(log(), r"holds no samples; log them with log_samples")
    refused(log(sample(1)), r"holds fewer than 2 independent items")
    refused(log(sample(1), sample(1, epoch=2)), r"holds fewer than 2 independent items")


def test_a_file_that_is_no_log(tmp_path):
    for name, content, message in (
        ("none.json", None, r"cannot be read as a log of inspect_ai"),
        ("none.eval", None, r"cannot be read as a log of inspect_ai"),
        ("odd.json", b"{\n", r"odd.json: not JSON \(.* at line 2, column 1\)"),
        ("list.json", b"[]", r"list.json: must be a mapping of keys to values"),
        ("results.json", b'{"results": {}}', r"results.json: version: Field required"),
        ("odd.eval", b"PK no", r"odd.eval: cannot be read .*not a zip"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, message)
    with zipfile.ZipFile(tmp_path / "broken.eval", "w") as archive:
        archive.writestr("samples/1_epoch_1.json", json.dumps(sample(1)))
    refused(tmp_path / "broken.eval", r"has no header.json: the evaluation was broken off")


def test_the_shell_of_a_large_sample_is_a_sample(tmp_path):
    path = tmp_path / "large.eval"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("samples/1_epoch_1/sample.json", json.dumps(sample(1)))
        archive.writestr("samples/1_epoch_1/events/0.json", "[]")
        archive.writestr("samples/2_epoch_1.json", json.dumps(sample(2, "I")))
        archive.writestr("header.json", json.dumps(header()))
    assert sorted(read_scored_log(path).values) == [0.0, 1.0]
