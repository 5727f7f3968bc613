"""`calibrate` through the command line: a forecast, a certification, and the next forecast from both."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from driftline.analyses import read_calibration
from tests import tiny


@pytest.fixture(params=["margin_nats"])
def past(run, planned, tmp_path, request):
    """The folder of a finished run, as docs/forecast.md says to make it."""
    path = Path(planned.suite)
    path.write_text(path.read_text().replace("metric: margin_nats", f"metric: {request.param}"))
    model = tiny.model()
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.02)
    tuned = tmp_path / "tuned"
    model.save_pretrained(tuned)
    tiny.tokenizer().save_pretrained(tuned)
    code, _out, err = run(*planned.arguments())
    assert code in (0, 1, 3), err
    certified = tmp_path / "certified"
    code, _out, err = run(
        "certify", planned.model, str(tuned), "--suite", planned.suite, "--out", str(certified)
    )
    assert code in (0, 1, 3), err
    folder = tmp_path / "past" / "run-1"
    folder.mkdir(parents=True)
    shutil.copy(planned.out / "report.json", folder / "forecast.json")
    shutil.copy(certified / "certification.json", folder / "certification.json")
    return folder


def mean_score(run, model, planned, out, metric):
    code, _out, err = run("score", str(model), "--suite", planned.suite, "--out", str(out))
    assert code == 0, err
    items = [json.loads(line) for line in (out / "scores.jsonl").read_text().splitlines()]
    scores = [i["values"][metric] for i in items if i["capability"] == "pairs"]
    return sum(scores) / len(scores)


@pytest.mark.parametrize("past", ["margin_nats", "probability", "accuracy"], indirect=True)
def test_losses_are_in_the_metric_that_is_decided_in(run, planned, past, tmp_path):
    out = tmp_path / "mine.json"
    code, _said, err = run("calibrate", "--run", str(past), "--out", str(out))
    assert code == 0, err
    own = read_calibration(out).runs[-1]
    metric = {c.capability: c.metric for c in own.probe.capabilities}["pairs"]
    assert f"metric: {metric}" in Path(planned.suite).read_text()
    base = mean_score(run, planned.model, planned, tmp_path / "base", metric)
    tuned = mean_score(run, tmp_path / "tuned", planned, tmp_path / "end", metric)
    assert own.final_losses["pairs"] == pytest.approx(base - tuned, abs=1e-5)
    assert set(own.final_losses) == {"pairs", "text"}


@pytest.mark.slow
def test_a_past_run_joins_the_shipped_ones_and_the_next_forecast_rests_on_both(
    run, planned, past, tmp_path
):
    out = tmp_path / "mine.json"
    code, said, err = run("calibrate", "--run", str(past), "--out", str(out))
    assert code == 0, err
    assert "1 of them yours" in said
    own = read_calibration(out).runs[-1]
    claims = json.loads((past / "certification.json").read_text())["claims"]
    changes = {claim["capability"]: claim["change"] for claim in claims}
    assert own.run == "run-1"
    assert own.final_losses == {"pairs": -changes["pairs"], "text": changes["text"]}
    again = planned.with_(out=tmp_path / "again")
    code, text, err = run(*again.arguments(), "--calibration", str(out), "--json")
    assert code in (0, 1, 3), err
    assert json.loads(text)["probe"]["capabilities"]
    code, _out, err = run("calibrate", "--run", str(past), "--out", str(out))
    assert code == 2
    assert "--force" in err


def test_what_cannot_be_is_refused_with_the_file_named(run, planned, past, tmp_path):
    code, _out, err = run("calibrate", "--run", str(tmp_path), "--out", str(tmp_path / "a.json"))
    assert (code, "forecast.json: cannot be read" in err) == (2, True)
    nowhere = tmp_path / "no" / "such" / "a.json"
    code, _out, err = run("calibrate", "--run", str(past), "--out", str(nowhere))
    assert (code, "a.json: cannot be written" in err) == (2, True)
    few = ("calibrate", "--run", str(past), "--only-own", "--out", str(tmp_path / "b.json"))
    code, _out, err = run(*few)
    assert (code, "1 finished runs are too few" in err) == (2, True)


@pytest.mark.parametrize(
    ("method", "options"),
    [("driftline", ()), ("truncated", ("--probe", "0.1")), ("update_norm", ())],
)
def test_a_calibration_without_such_runs_is_refused_before_training(
    run, planned, past, tmp_path, method, options
):
    out = tmp_path / "mine.json"
    code, _out, err = run("calibrate", "--run", str(past), "--out", str(out))
    assert code == 0, err
    document = json.loads(out.read_text())
    document["runs"] = document["runs"][-1:]
    out.write_text(json.dumps(document))
    again = planned.with_(out=tmp_path / "again")
    code, _out, err = run(
        *again.arguments(), "--calibration", str(out), "--method", method, *options
    )
    assert code == 2
    assert f"pairs: --method {method} needs 4 finished runs in margin_nats" in err
    assert "`driftline calibrate`" in err
    assert not again.out.exists()
