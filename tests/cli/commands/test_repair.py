"""`repair` through the command line: documents, the model beside them, refusals."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from driftline.analyses.repairing import _scale_search as search_module
from driftline.models import open_tuned_model
from driftline.results import Repair
from tests import tiny
from tests.known_pairs import known_pairs


@pytest.fixture(autouse=True)
def _one_family(monkeypatch):
    """The search itself is tested with the analysis."""
    families = {"interpolation": search_module.FAMILIES["interpolation"]}
    monkeypatch.setattr(search_module, "FAMILIES", families)


@pytest.fixture
def suite(opened, tmp_path):
    items = [item.model_dump(exclude_none=True) for item in known_pairs(opened, 240)]
    entry = {
        "name": "pairs", "scorer": "minimal_pair", "metric": "accuracy", "tolerance": 0.2,
        "items": items,
    }  # fmt: skip
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump({"schema": "driftline/suite/1", "capabilities": [entry]}))
    return str(path)


@pytest.fixture
def damaged(tmp_path):
    model = tiny.model()
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.model.layers[0].self_attn.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.5)
    model.save_pretrained(tmp_path / "damaged")
    return str(tmp_path / "damaged")


def test_a_repaired_model_is_not_repaired_in_its_own_place(
    run, model_folder, damaged, suite, tmp_path
):
    out = tmp_path / "out"
    out.mkdir()
    shutil.move(damaged, out / "repaired")
    for file in ("driftline-run.json", "report.json", "repaired/driftline-repair.json"):
        (out / file).write_text("{}")
    asked = ("repair", str(model_folder), str(out / "repaired"), "--suite", suite)
    code, _, err = run(*asked, "--out", str(out), "--force")
    assert code == 2
    assert f"{out / 'repaired'}: is read by this run, which would replace it" in err
    assert (out / "repaired" / "model.safetensors").exists()
    assert (out / "report.json").exists()


def test_the_model_and_both_reports_are_written(
    run, opened, model_folder, damaged, suite, tmp_path
):
    out = tmp_path / "out"
    template = Path(damaged) / "additional_chat_templates" / "tool_use.jinja"
    template.parent.mkdir()
    template.write_text("{{ messages }}")
    asked = ("repair", str(model_folder), damaged, "--suite", suite, "--out", str(out))
    code, text, err = run(*asked, "--json")
    document = Repair.from_json(text)
    assert "additional_chat_templates/tool_use.jinja" in {f.name for f in document.output.files}
    assert code == {"pass": 0, "fail": 1, "inconclusive": 3}[document.verdict], err
    assert document.to_json() == text == (out / "report.json").read_text()
    assert (out / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert open_tuned_model(str(out / "repaired"), opened).checkpoint.files
    code, text, err = run(*asked)
    assert (code, text) == (2, "")
    assert "holds a finished run" in err
    code, text, _err = run(*asked, "--force")
    assert text.startswith(f"{document.verdict.upper()}: ")
    assert f"Repaired model: {out / 'repaired'}" in text


def test_columns_of_other_names_are_mapped_and_empty_rows_told(
    run, model_folder, damaged, suite, tmp_path
):
    rows = [{"frage": f"{i} + {i} =", "antwort": f" {2 * i}", "id": i} for i in range(40)]
    data = tmp_path / "asked.jsonl"
    lines = [json.dumps(row) for row in (*rows, {"frage": None, "antwort": " 1", "id": 40})]
    data.write_text("\n".join(lines))
    out = tmp_path / "out"
    asked = ("repair", str(model_folder), damaged, "--suite", suite, "--out", str(out))
    code, text, err = run(*asked, "--data", str(data))
    assert (code, text) == (2, "")
    assert "--map prompt=COLUMN,completion=COLUMN" in err
    mapped = ("--data", str(data), "--map", "prompt=frage,completion=antwort")
    code, text, err = run(*asked, *mapped, "--json")
    document = Repair.from_json(text)
    assert code == {"pass": 0, "fail": 1, "inconclusive": 3}[document.verdict], err
    assert document.provenance.data.num_records == 40
    assert "1 empty row skipped" in err


@pytest.mark.parametrize(
    ("tuned", "more", "culprit"),
    [
        ("./nowhere", (), "./nowhere: no such folder or file"),
        (None, (), "no matrix differs from the base's"),
        (None, ("--max-cost", "0.05"), "--max-cost: is a share of the target's gain"),
        (None, ("--data", "nowhere.jsonl"), "nowhere.jsonl"),
        (None, ("--map", "prompt=question"), "--map: names columns, but no --data says whose"),
    ],
)
def test_bad_input_is_exit_code_2_and_named(
    run, model_folder, suite, tmp_path, tuned, more, culprit
):
    base, out = str(model_folder), tmp_path / "out"
    code, text, err = run("repair", base, tuned or base, "--suite", suite, "--out", str(out), *more)
    assert (code, text) == (2, "")
    assert culprit in err
    assert "Traceback" not in err
    assert not (out / "report.json").exists()


def test_what_must_be_kept_has_to_be_said(run, model_folder):
    code, _text, err = run("repair", str(model_folder), str(model_folder))
    assert code == 2
    assert "--suite" in err


def test_its_help_names_its_own_options(run):
    code, text, _err = run("repair", "--help")
    assert code == 0
    for option in ("--data", "--max-cost", "--search-items"):
        assert option in text
