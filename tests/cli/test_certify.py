"""`certify` through the command line: verdicts as exit codes, documents, refusals."""

import json

import pytest
import torch
import yaml

from driftline.results import Certification
from tests import tiny
from tests.known_pairs import known_pairs


@pytest.fixture
def write_suite(opened, tmp_path):
    def write(num_items=60, **fields):
        items = [item.model_dump(exclude_none=True) for item in known_pairs(opened, num_items)]
        entry = {
            "name": "pairs", "scorer": "minimal_pair", "metric": "accuracy", "tolerance": 0.1,
            "items": items, **fields,
        }  # fmt: skip
        path = tmp_path / "suite.yaml"
        path.write_text(yaml.safe_dump({"schema": "driftline/suite/1", "capabilities": [entry]}))
        return str(path)

    return write


@pytest.fixture
def damaged(tmp_path):
    model = tiny.model()
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.5)
    model.save_pretrained(tmp_path / "damaged")
    return str(tmp_path / "damaged")


def test_a_pass_is_exit_code_0_and_is_written(run, model_folder, write_suite, tmp_path):
    base, out = str(model_folder), tmp_path / "out"
    asked = ("certify", base, base, "--suite", write_suite(), "--out", str(out))
    code, text, err = run(*asked, "--json")
    assert code == 0, err
    document = Certification.from_json(text)
    assert document.to_json() == text == (out / "certification.json").read_text()
    assert (document.verdict, document.schema_) == ("pass", "driftline/certification/1")
    assert (out / "summary.txt").read_text().startswith("PASS: all 1 required capabilities are")
    code, text, err = run(*asked)
    assert (code, text) == (2, "")
    assert "holds a finished run" in err
    code, text, _err = run(*asked, "--force")
    assert code == 0
    assert text.startswith("PASS: ")
    assert f"document: {out / 'certification.json'}" in text


def test_a_loss_is_exit_code_1(run, model_folder, damaged, write_suite, tmp_path):
    out = tmp_path / "out"
    code, text, err = run(
        "certify", str(model_folder), damaged, "--suite", write_suite(), "--out", str(out)
    )
    assert code == 1, err
    assert text.startswith("FAIL: lost beyond the margin: pairs")


@pytest.mark.parametrize(("num", "fields"), [(10, {}), (60, {"required": False})])
def test_what_is_not_settled_is_exit_code_3(run, model_folder, write_suite, tmp_path, num, fields):
    base, out = str(model_folder), tmp_path / "out"
    suite = write_suite(num, **fields)
    code, text, err = run("certify", base, base, "--suite", suite, "--out", str(out), "--json")
    assert code == 3, err
    assert json.loads(text)["verdict"] == "inconclusive"


def test_what_must_be_kept_has_to_be_said(run, model_folder):
    code, text, err = run("certify", str(model_folder), str(model_folder))
    assert (code, text) == (2, "")
    assert "--suite" in err


@pytest.mark.parametrize(
    ("tuned", "more", "culprit"),
    [
        ("./nowhere", (), "./nowhere: no such folder or file"),
        ("smollm2-135m", (), "a GGUF file holds packed weights"),
        (None, ("--alpha", "0.7"), "--alpha: 0.7"),
    ],
)
def test_bad_input_is_exit_code_2_and_named(
    run, model_folder, write_suite, tmp_path, tuned, more, culprit
):
    base, out = str(model_folder), tmp_path / "out"
    code, text, err = run(
        "certify", base, tuned or base, "--suite", write_suite(4), "--out", str(out), *more
    )
    assert (code, text) == (2, "")
    assert culprit in err
    assert "Traceback" not in err
    assert not (out / "certification.json").exists()
