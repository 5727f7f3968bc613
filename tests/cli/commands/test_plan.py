"""`plan` through the command line: documents, protocols beside them, refusals."""

import datasets
import pytest
import yaml

from driftline.models import read_training_data
from driftline.results import Plan
from driftline.training import read_protocol
from tests.analyses.plans import VALUES, write_sums


@pytest.fixture
def suite(tmp_path):
    items = [{"id": str(i), "text": f"It rained on day {i} and on."} for i in range(80)]
    entry = {
        "name": "texts", "scorer": "perplexity", "metric": "nll_nats", "tolerance": 0.1,
        "items": items,
    }  # fmt: skip
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump({"schema": "driftline/suite/1", "capabilities": [entry]}))
    return str(path)


@pytest.fixture
def asked(model_folder, suite, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(VALUES))
    data = write_sums(tmp_path / "sums.jsonl")
    return [
        "plan", str(model_folder), "--data", str(data), "--config", str(config), "--suite", suite,
        "--out", str(tmp_path / "out"),
    ]  # fmt: skip


@pytest.mark.slow
def test_the_protocol_is_written_and_can_be_read_by_train(run, asked, tmp_path):
    out = tmp_path / "out"
    code, text, err = run(*asked, "--trials", "1", "--json")
    document = Plan.from_json(text)
    assert code == {"pass": 0, "fail": 1, "inconclusive": 3}[document.verdict], err
    assert document.to_json() == text == (out / "report.json").read_text()
    assert (out / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert document.protocol is not None
    protocol = read_protocol(out / "protocol.yaml")
    assert protocol.config.values == document.protocol.config
    assert protocol.levers.to_values() == document.protocol.levers
    rows = protocol.data.read_text().splitlines()
    assert len(rows) == 60 - document.provenance.held_out
    assert {file.name for file in document.files} <= {path.name for path in out.iterdir()}
    trl = yaml.safe_load((out / "trl.yaml").read_text())
    assert trl["max_steps"] == document.protocol.num_steps
    code, text, err = run(*asked)
    assert (code, text) == (2, "")
    assert "holds a finished run" in err or "another request" in err


@pytest.mark.parametrize("name", ["training-rows.jsonl", "train.jsonl"])
def test_rows_that_an_earlier_plan_wrote_there_are_not_replaced(run, asked, tmp_path, name):
    out = tmp_path / "out"
    out.mkdir()
    for file in (name, "driftline-run.json", "report.json"):
        (out / file).write_text("{}")
    rows = write_sums(out / name).read_bytes()
    asked[asked.index("--data") + 1] = str(out / name)
    code, text, err = run(*asked, "--force")
    assert (code, text) == (2, "")
    assert f"{out / name}: is read by this run, which would replace it; give another --out" in err
    assert (out / name).read_bytes() == rows


@pytest.mark.parametrize(
    ("more", "culprit"),
    [
        (("--prefer", "speed"), "--prefer 'speed': is not one of"),
        (("--budget-tokens", "9e9", "--budget-minutes", "1"), "give one of them"),
        (("--require", "nothing"), "--require nothing: the suites have no such capability"),
        (("--data", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--config", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_bad_input_is_exit_code_2_and_named(run, asked, tmp_path, more, culprit):
    code, text, err = run(*asked, *more)
    assert (code, text) == (2, "")
    assert culprit in err
    assert "Traceback" not in err
    assert not (tmp_path / "out" / "report.json").exists()


@pytest.mark.parametrize("more", [("--budget-tokens", "10"), ("--budget-minutes", "1e-6")])
def test_too_small_a_budget_is_exit_code_3_and_names_the_one_to_give(run, asked, more):
    code, text, err = run(*asked, *more)
    assert code == 3, err
    assert text.startswith("INCONCLUSIVE")
    assert "0 of 12 trials" in " ".join(text.split())
    assert f"plan again with {more[0]} " in " ".join(text.split())


@pytest.mark.slow
def test_the_config_may_name_the_data_and_its_split(run, model_folder, suite, tmp_path):
    rows = datasets.load_dataset("json", data_files=str(write_sums(tmp_path / "sums.jsonl")))[
        "train"
    ]
    rows = rows.rename_columns({"prompt": "question", "completion": "answer"})
    datasets.DatasetDict({"train_sft": rows}).save_to_disk(tmp_path / "saved")
    config, out = tmp_path / "config.yaml", tmp_path / "out"
    named = {"dataset_name": str(tmp_path / "saved"), "dataset_train_split": "train_sft"}
    config.write_text(yaml.safe_dump({**VALUES, **named}))
    code, _text, err = run(
        "plan", str(model_folder), "--config", str(config), "--map",
        "prompt=question,completion=answer", "--suite", suite, "--out", str(out), "--trials", "1",
    )  # fmt: skip
    assert code in (0, 1, 3), err
    protocol = read_protocol(out / "protocol.yaml")
    # The rows of the plan stand in a file of its own, which has no such split.
    read = read_training_data(protocol.data, config=protocol.config)
    assert read.layout == "prompt_completion"
    assert 0 < len(read.examples) < 60


def test_data_that_nobody_names_are_asked_for(run, model_folder, suite, tmp_path):
    code, _text, err = run("plan", str(model_folder), "--suite", suite)
    assert code == 2
    assert "no data is named; add --data, or --config with a file that names some" in err
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(VALUES))
    code, _text, err = run("plan", str(model_folder), "--suite", suite, "--config", str(config))
    assert code == 2
    assert "config.yaml: names no data; add --data" in err


def test_its_help_names_its_own_options(run):
    code, text, _err = run("plan", "--help")
    assert code == 0
    for option in ("--require", "--budget-tokens", "--budget-minutes", "--trials"):
        assert option in text
