"""`diff` through the command line: documents, reports, refusals."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from driftline.results import WeightDiff
from tests import adapters, checkpoints, tiny


@pytest.fixture
def folders(tmp_path):
    base = checkpoints.save(tmp_path / "base", checkpoints.weights())
    tuned = checkpoints.save(tmp_path / "tuned", checkpoints.weights(1), shards=2)
    return str(base), str(tuned)


def test_people_get_a_summary_and_no_files(run, folders, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run("diff", *folders)
    assert code == 0, err
    assert out.startswith("MOVED: relative change")
    assert len(out.splitlines()) <= 12
    assert "By role" in run("diff", *folders, "--verbose")[1]
    assert sorted(tmp_path.rglob("*")) == before


def test_the_document_alone_is_on_stdout(run, folders):
    code, out, err = run("diff", *folders, "--json", "--spectra", "none")
    assert code == 0, err
    document = WeightDiff.from_json(out)
    assert document.to_json() == out
    assert document.spectra == "none"
    assert document.total.num_changed == len(checkpoints.SHAPES)


def test_a_report_is_written_and_kept(run, folders, tmp_path):
    out = tmp_path / "out"
    code, text, err = run("diff", *folders, "--out", str(out))
    assert code == 0, err
    assert f"Report: {out / 'report.html'}" in text
    names = {path.name for path in out.iterdir()}
    assert names == {"report.html", "report.json", "driftline-run.json"}
    document = WeightDiff.from_json((out / "report.json").read_text())
    assert document.provenance.tuned.source == folders[1]
    before = (out / "report.html").read_bytes()
    assert before.startswith(b"<!DOCTYPE html>")
    code, text, err = run("diff", *folders, "--out", str(out))
    assert (code, text) == (2, "")
    assert "holds a finished run" in err
    assert (out / "report.html").read_bytes() == before
    assert run("diff", *folders, "--out", str(out), "--force")[0] == 0


def test_a_folder_of_somebody_else_is_left_alone(run, folders, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    code, _out, err = run("diff", *folders, "--out", str(tmp_path / "mine"))
    assert code == 2
    assert "is not a run of Driftline" in err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_an_adapter_is_compared(run, model_folder, tmp_path):
    adapters.adapt(tiny.model()).save_pretrained(tmp_path)
    code, out, err = run("diff", str(model_folder), str(tmp_path), "--json")
    assert code == 0, err
    changes = json.loads(out)["changes"]
    assert {c["spectrum"]["method"] for c in changes} == {"factors"}


@pytest.mark.parametrize(
    ("tuned", "culprit"),
    [
        ("./nowhere", "no such folder or file"),
        ("smollm2-135m", "a GGUF file holds packed weights"),
    ],
)
def test_bad_input_is_named(run, folders, tmp_path, tuned, culprit):
    out = tmp_path / "out"
    code, text, err = run("diff", folders[0], tuned, "--out", str(out))
    assert (code, text) == (2, "")
    assert culprit in err
    assert "Traceback" not in err
    assert not (out / "report.json").exists()
    assert run("diff", *folders, "--out", str(out), "--force")[0] == 0


def test_another_shape_is_bad_input(run, folders, tmp_path):
    tensors = checkpoints.weights()
    tensors["lm_head.weight"] = tensors["lm_head.weight"][:30]
    other = checkpoints.save(tmp_path / "other", tensors)
    code, _out, err = run("diff", folders[0], str(other))
    assert code == 2
    assert "lm_head.weight has shape (30, 16) and the base (40, 16)" in err


def test_weights_that_are_not_finite_are_told_first(run, folders, tmp_path):
    tensors = checkpoints.weights()
    tensors["lm_head.weight"][0, 0] = float("nan")
    broken = checkpoints.save(tmp_path / "broken", tensors)
    code, out, err = run("diff", folders[0], str(broken))
    assert code == 0, err
    assert out.startswith("BROKEN: 1 weight holds NaN or infinity (lm_head.weight); the other 7")


def test_an_unknown_effort_is_a_usage_error(run, folders):
    assert run("diff", *folders, "--spectra", "some")[0] == 2


def test_weights_without_a_partner_are_the_first_line_and_exit_code_3(run, folders, tmp_path):
    tensors = checkpoints.weights()
    del tensors["lm_head.weight"]
    other = checkpoints.save(tmp_path / "other", tensors)
    code, out, err = run("diff", folders[0], str(other))
    assert code == 3, err
    assert out.startswith("INCOMPLETE: 1 weights of the base, ")
    assert "UNCHANGED" not in out
    code, out, _err = run("diff", folders[0], str(other), "--json")
    document = WeightDiff.from_json(out)
    assert (code, document.verdict) == (3, "inconclusive")
    assert document.headline.startswith("INCOMPLETE")
    assert document.only_in_base == ("lm_head.weight",)


def test_identical_weights_are_called_so(run, folders):
    code, out, _err = run("diff", folders[0], folders[0])
    assert code == 0
    assert out.startswith("IDENTICAL: all 8 weights are equal")


@pytest.mark.parametrize(
    ("merged", "code", "told"),
    [
        ("merged", 0, "HOLDS THE ADAPTER"),
        ("base", 1, "NOT THIS MERGE"),
        ("alone", 3, "CANNOT BE TOLD"),
    ],
)
def test_an_adapter_is_looked_for_in_a_merged_model(run, tmp_path, merged, code, told):
    tiny.save(tmp_path / "base")
    adapter, _ = adapters.save_both(tmp_path, tiny.model())
    whole = load_file(tmp_path / "merged" / "model.safetensors")
    (tmp_path / "alone").mkdir()
    odd = {**whole, "v_head.weight": torch.ones(3)}
    save_file(odd, tmp_path / "alone" / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(tmp_path / "merged" / "config.json", tmp_path / "alone")
    out = tmp_path / "out"
    sides = (str(tmp_path / "base"), str(tmp_path / merged), "--adapter", adapter)
    found, text, err = run("diff", *sides, "--out", str(out), "-v")
    assert found == code, err
    assert text.startswith(told) or code == 3
    assert told in text.replace("\n", " ")
    assert "Adapter in the merged model, by layer" in text
    document = WeightDiff.from_json((out / "report.json").read_text())
    assert document.merge.verdict == document.verdict
    assert document.merge.adapter.kind == "adapter"
    page = (out / "report.html").read_text()
    assert "The adapter in the merged model" in page
