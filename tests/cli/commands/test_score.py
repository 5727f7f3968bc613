"""`score` through the command line: documents, items, resume, refusals."""

import json

import pytest

from driftline.models import open_model
from driftline.results import ItemScore, Scores
from tests import lm_eval_tasks


@pytest.fixture
def arguments(planned):
    return ["score", planned.model, "--suite", planned.suite, "--out", str(planned.out)]


def test_it_writes_the_document_and_the_items(run, planned, arguments):
    digest = open_model(planned.model).digest
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    document = Scores.from_json(out)
    assert document.to_json() == out
    assert document.provenance.model.digest == digest
    assert [score.capability for score in document.scores] == ["pairs", "text"]
    assert (planned.out / "report.json").read_text() == out
    lines = (planned.out / "scores.jsonl").read_text().splitlines()
    items = [ItemScore.model_validate_json(line) for line in lines]
    assert [item.capability for item in items] == ["pairs"] * 3 + ["text"] * 3
    mean = sum(item.values["margin_nats"] for item in items[:3]) / 3
    assert mean == pytest.approx(document.scores[0].value)
    left = {path.name for path in planned.out.iterdir()}
    assert left == {
        "report.html",
        "report.json",
        "scores.jsonl",
        "driftline-run.json",
        "results.sqlite",
    }


def test_people_get_a_table(run, planned, arguments):
    code, out, err = run(*arguments)
    assert code == 0
    assert out.startswith(f"2 capabilities of {planned.model} scored")
    assert len(out.splitlines()) <= 12
    assert "pairs" in out
    assert str(planned.out / "scores.jsonl") in out
    assert "loading" in err


def test_a_finished_folder_is_refused_and_replaced_with_force(run, planned, arguments):
    assert run(*arguments)[0] == 0
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "holds a finished run" in err
    assert run(*arguments, "--force")[0] == 0


def test_a_folder_in_use_is_refused(run, planned, arguments):
    fcntl = pytest.importorskip("fcntl", reason="Windows locks otherwise")
    assert run(*arguments)[0] == 0
    with (planned.out / "driftline-run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, out, err = run(*arguments, "--force")
    assert (code, out) == (2, "")
    assert "is in use by" in err


def test_the_model_is_held_as_the_options_say(run, arguments):
    code, out, err = run(*arguments, "--dtype", "bfloat16", "--device-map", "auto", "--json")
    assert code == 0, err
    assert json.loads(out)["provenance"]["model"]["dtype"] == "bfloat16"
    # Another dtype is another request.
    assert run(*arguments, "--json")[0] == 2


def test_an_unfinished_folder_is_taken_up(run, planned, arguments, monkeypatch):
    whole = json.loads(run(*arguments, "--json")[1])
    for name in ("report.json", "scores.jsonl"):
        (planned.out / name).unlink()
    monkeypatch.setattr("driftline.models.Scorer.score", None)
    again = json.loads(run(*arguments, "--json")[1])
    assert again["scores"] == whole["scores"]
    assert again["cost"]["tokens_forward"] == whole["cost"]["tokens_forward"]


def test_a_task_of_lm_eval_is_a_suite(run, planned, tmp_path):
    path = lm_eval_tasks.write(tmp_path, "sums", lm_eval_tasks.QUESTIONS)
    code, out, err = run(
        "score", planned.model, "--suite", f"lm_eval:{path}", "--out", str(planned.out), "--json"
    )
    assert code == 0, err
    (score,) = json.loads(out)["scores"]
    assert (score["capability"], score["num_items"]) == ("sums", len(lm_eval_tasks.QUESTIONS))
    assert json.loads(out)["provenance"]["packages"]["lm_eval"]


def test_without_out_the_folder_is_named_after_model_and_suites(
    run, planned, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert run("score", planned.model, "--suite", planned.suite)[0] == 0
    assert (tmp_path / "driftline-runs" / "score-tiny-llama-suite" / "scores.jsonl").exists()


@pytest.mark.parametrize(
    ("suite", "culprit"),
    [
        ("none.yaml", "none.yaml: no such suite"),
        ("lm_eval:none.yaml", "lm_eval:none.yaml: no such file"),
    ],
)
def test_bad_input_is_named(run, planned, suite, culprit):
    code, out, err = run("score", planned.model, "--suite", suite, "--out", str(planned.out))
    assert (code, out) == (2, "")
    assert culprit in err
    assert "Traceback" not in err
    assert not planned.out.exists()
