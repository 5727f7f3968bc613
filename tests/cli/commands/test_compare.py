"""`compare` through the command line: documents, exit codes, refusals."""

import json

import pytest
import torch
import yaml

from driftline.results import Comparison, ConfigComparison
from tests import tiny
from tests.known_pairs import known_pairs


@pytest.fixture
def suite(opened, tmp_path):
    items = [item.model_dump(exclude_none=True) for item in known_pairs(opened, 60)]
    entry = {
        "name": "pairs", "scorer": "minimal_pair", "metric": "accuracy", "tolerance": 0.2,
        "items": items,
    }  # fmt: skip
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump({"schema": "driftline/suite/1", "capabilities": [entry]}))
    return str(path)


@pytest.fixture
def output(tmp_path):
    run = tmp_path / "trained"
    for step, std in ((5, 1e-5), (10, 1.0)):
        model = tiny.model()
        torch.manual_seed(step)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight), alpha=std)
        model.save_pretrained(run / f"checkpoint-{step}")
    return run


def test_an_output_folder_is_compared_and_every_file_is_written(
    run, model_folder, output, suite, tmp_path
):
    out, data = tmp_path / "out", tmp_path / "rows.jsonl"
    rows = [{"q": f"{i} + {i} =", "a": f" {2 * i}"} for i in range(12)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = (
        "compare", str(model_folder), str(output), "--suite", suite, "--data", str(data),
        "--map", "prompt=q,completion=a", "--out", str(out),
    )  # fmt: skip
    code, text, err = run(*asked, "--json")
    document = Comparison.from_json(text)
    assert (code, document.verdict) == (0, "pass"), err
    assert document.recommended == "checkpoint-5"
    assert document.to_json() == text == (out / "comparison.json").read_text()
    assert (out / "comparison.html").read_text().startswith("<!DOCTYPE html>")
    code, text, err = run(*asked)
    assert (code, text) == (2, "")
    assert "holds a finished run" in err
    code, text, _err = run(*asked, "--force")
    assert code == 0
    said = (out / "summary.txt").read_text()
    assert said.startswith("PASS: take checkpoint-5")
    assert text.startswith("PASS: take checkpoint-5")
    assert text.endswith(f"Report: {out / 'comparison.html'}\n")
    assert len(text.splitlines()) <= 12


def test_the_exit_code_is_1_where_each_lost_something_and_3_where_nothing_is_shown(
    run, model_folder, output, suite, tmp_path
):
    asked = ("compare", str(model_folder), "--suite", suite)
    lost = str(output / "checkpoint-10")
    code, text, err = run(*asked, lost, "--out", str(tmp_path / "lost"))
    assert code == 1, err
    assert text.startswith("FAIL: ")
    few = ("--items", "8", "--out", str(tmp_path / "few"))
    code, text, err = run(*asked, str(output / "checkpoint-5"), *few)
    assert code == 3, err
    assert text.startswith("INCONCLUSIVE: ")


@pytest.mark.parametrize(
    ("more", "culprit"),
    [
        ((), "compare: names no checkpoint"),
        (("./nowhere",), "./nowhere: no such folder or file"),
        (("OUTPUT", "OUTPUT"), "is named twice"),
        (("OUTPUT", "--data", "nowhere.jsonl"), "nowhere.jsonl"),
        (("OUTPUT", "--map", "prompt=q"), "--map: names columns, but no --data says whose"),
        (("OUTPUT", "--alpha", "0.9"), "--alpha"),
        (("OUTPUT", "--suite", "nowhere.yaml"), "nowhere.yaml"),
        (("OUTPUT", "--config", "a.yaml", "--config", "b.yaml"), "is compared after it"),
        (("--config", "a.yaml"), "--config: one config has nothing to be compared with"),
        (("--config", "a.yaml", "--config", "b.yaml"), "a.yaml"),
        (("--config", "a.yaml", "--config", "b.yaml", "--alpha", "0.05"), "--alpha: is for check"),
    ],
)
def test_bad_input_is_exit_code_2_and_named(
    run, model_folder, output, suite, tmp_path, more, culprit
):
    out = tmp_path / "out"
    named = [str(output) if each == "OUTPUT" else each for each in more]
    code, text, err = run("compare", str(model_folder), "--suite", suite, "--out", str(out), *named)
    assert (code, text) == (2, "")
    assert culprit in err
    assert "Traceback" not in err
    assert not (out / "comparison.json").exists()


@pytest.mark.slow
def test_rows_to_evaluate_on_are_for_configs_and_shown(run, planned, tmp_path, suite):
    rows = tmp_path / "others.jsonl"
    rows.write_text("".join(f'{{"text": "other row {i} of many"}}\n' for i in range(12)))
    code, _text, err = run(
        "compare", planned.model, planned.model, "--suite", suite, "--eval-data", str(rows)
    )
    assert code == 2
    assert "--eval-data: is for configs" in err
    other = tmp_path / "gentle.yaml"
    other.write_text(planned.config.read_text().replace("1.0e-3", "1.0e-5"))
    code, text, err = run(
        "compare", planned.model, "--data", str(planned.data), "--suite", planned.suite,
        "--config", str(planned.config), "--config", str(other), "--out", str(planned.out),
        "--eval-data", str(rows), "--json",
    )  # fmt: skip
    document = ConfigComparison.from_json(text)
    for each in document.configs:
        assert each.row_gains.source == "evaluation data", err
        assert each.row_gains.unseen.num_rows == 12
    assert "on other rows" in (planned.out / "summary.txt").read_text()


@pytest.mark.slow
def test_configs_are_compared_before_training(run, planned, tmp_path):
    usual = planned.config.read_text()
    other = tmp_path / "gentle.yaml"
    other.write_text(usual.replace("1.0e-3", "1.0e-5"))
    asked = (
        "compare", planned.model, "--data", str(planned.data), "--suite", planned.suite,
        "--config", str(planned.config), "--config", str(other), "--out", str(planned.out),
    )  # fmt: skip
    code, text, err = run(*asked, "--json")
    document = ConfigComparison.from_json(text)
    assert code == {"pass": 0, "fail": 1, "inconclusive": 3}[document.verdict], err
    assert [each.label for each in document.configs] == ["config.yaml", "gentle.yaml"]
    assert (planned.out / "comparison.html").read_text().startswith("<!DOCTYPE html>")
    assert document.to_json() == text == (planned.out / "comparison.json").read_text()
