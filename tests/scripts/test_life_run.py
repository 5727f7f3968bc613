"""A life resumes behind the last command that ended, and its inputs have no item in common."""

import json
import random

import pytest
import yaml

from evidence.life import run as life
from evidence.life.inputs import TERMS, Sizes, write_inputs

SIZES = Sizes(
    own_items=4, other_items=6, repair_items=2, steps=20, learning_rate=1e-3, rows=5, unseen_rows=3
)

ALL = tuple(life.COMMANDS)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    pairs = [{"en": f"Word {i // 2}.", "es": f"Palabra {i}."} for i in range(40)]
    terms = [term for terms in TERMS.values() for term in terms]
    blimp = [
        {"term": term, "good": f"{term} {i}", "bad": f"{i} {term}"}
        for term in (*terms, "quantifiers") for i in range(8)
    ]  # fmt: skip
    for name, rows in (("ft_tatoeba_en_es", pairs), ("probe_blimp", blimp + blimp)):
        random.Random(1).shuffle(rows)
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text)
    return folder


def _items(path):
    capabilities = yaml.safe_load(path.read_text())["capabilities"]
    return {each["name"]: {item["good"] for item in each["items"]} for each in capabilities}


def test_no_row_and_no_item_is_in_two_files(data, tmp_path):
    write_inputs(data, tmp_path, SIZES)
    rows = [
        {json.loads(line)["prompt"] for line in (tmp_path / name).read_text().splitlines()}
        for name in ("pairs.jsonl", "unseen.jsonl")
    ]
    assert [len(each) for each in rows] == [5, 3]
    assert not rows[0] & rows[1]
    own, other = (_items(tmp_path / f"{name}.yaml") for name in ("own", "other"))
    for name in TERMS:
        assert (len(own[name]), len(other[name])) == (4, 6)
        assert not own[name] & other[name]
    assert yaml.safe_load((tmp_path / "sft.yaml").read_text())["warmup_steps"] == 2


def test_inputs_and_ended_commands_are_kept(data, tmp_path, monkeypatch):
    ran = []

    def run(words, folder):
        ran.append(words)
        if len(ran) == 3:
            raise KeyboardInterrupt
        return {"exit_code": 1, "text": words, "cpu_seconds": 1.0, "command": words}

    monkeypatch.setattr(life, "WORK", tmp_path / "work")
    monkeypatch.setattr(life, "run", run)
    folder = life.prepare("stories", data, data, SIZES)
    assert {path.name for path in (folder / "stories").iterdir()} == {
        "probe_blimp.jsonl",
        "ft_tatoeba_en_es.jsonl",
    }
    with pytest.raises(KeyboardInterrupt):
        life.live("stories", SIZES, folder, ALL)
    before = (folder / "own.yaml").stat().st_mtime_ns
    assert life.prepare("stories", data, data, SIZES) == folder
    assert (folder / "own.yaml").stat().st_mtime_ns == before
    steps = life.live("stories", SIZES, folder, ["verify"])
    assert list(steps) == ["assess", "train-plain", "verify"]
    assert list(life.live("stories", SIZES, folder, ALL)) == list(life.COMMANDS)
    assert len(ran) == len(life.COMMANDS) + 1
    assert ran.count(ran[2]) == 2


def test_a_command_without_a_verdict_ends_the_life_and_is_run_again(data, tmp_path, monkeypatch):
    monkeypatch.setattr(life, "WORK", tmp_path / "work")
    folder = life.prepare("stories", data, None, SIZES)
    failed = {"exit_code": 2, "text": "no such file", "cpu_seconds": 1.0, "command": ""}
    monkeypatch.setattr(life, "run", lambda words, folder: failed)
    with pytest.raises(SystemExit, match=r"exit code 2: no such file"):
        life.live("stories", SIZES, folder, ALL)
    assert list((folder / "steps").iterdir()) == []


def test_a_command_is_recorded_with_its_code_and_words(tmp_path):
    record = life.run("verify nowhere.json --key nowhere.pem", tmp_path)
    assert record["exit_code"] == 2
    assert record["command"].startswith("driftline verify")
    assert record["cpu_seconds"] > 0
