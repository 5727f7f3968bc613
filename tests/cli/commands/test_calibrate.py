"""`calibrate` through the command line: a forecast, a certification, and the next forecast from both."""

import json
import re
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


def mean_margin(run, model, planned, out):
    code, _out, err = run("score", str(model), "--suite", planned.suite, "--out", str(out))
    assert code == 0, err
    items = [json.loads(line) for line in (out / "scores.jsonl").read_text().splitlines()]
    margins = [i["values"]["margin_nats"] for i in items if i["capability"] == "pairs"]
    return sum(margins) / len(margins)


@pytest.mark.parametrize("past", ["margin_nats", "probability"], indirect=True)
def test_losses_are_those_of_margins_whatever_the_tolerance_is_in(run, planned, past, tmp_path):
    out = tmp_path / "mine.json"
    code, _said, err = run("calibrate", "--run", str(past), "--out", str(out))
    assert code == 0, err
    base = mean_margin(run, planned.model, planned, tmp_path / "base")
    tuned = mean_margin(run, tmp_path / "tuned", planned, tmp_path / "end")
    own = read_calibration(out).runs[-1]
    assert own.final_losses["pairs"] == pytest.approx(base - tuned, abs=1e-5)
    assert {c.capability: c.metric for c in own.probe.capabilities}["pairs"] == "margin_nats"


@pytest.mark.parametrize("past", ["accuracy"], indirect=True)
def test_metrics_without_nats_are_left_out_aloud(run, past, tmp_path):
    out = tmp_path / "mine.json"
    code, _said, err = run("calibrate", "--run", str(past), "--out", str(out))
    assert code == 0
    assert "left out, since it is not in nats: accuracy" in err
    assert set(read_calibration(out).runs[-1].final_losses) == {"text"}


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
    ("options", "message"),
    [
        (("--probe", "0.1", "--method", "truncated"), "is a replica alone"),
        (("--probe", "0.05", "--method", "update_norm"), "takes a probe of 0.2"),
    ],
)
def test_a_method_that_the_probe_cannot_feed_is_refused_before_training(
    run, planned, options, message
):
    code, _out, err = run(*planned.arguments(), *options)
    assert code == 2
    assert re.search(message, err)
    assert not (planned.out / "directions").exists()


def test_a_calibration_without_such_probes_says_so(run, planned, past, tmp_path):
    out = tmp_path / "mine.json"
    assert run("calibrate", "--run", str(past), "--out", str(out))[0] == 0
    document = json.loads(out.read_text())
    document["runs"] = document["runs"][-1:]
    out.write_text(json.dumps(document))
    again = planned.with_(out=tmp_path / "again")
    code, _out, err = run(*again.arguments(), "--calibration", str(out), "--probe", "0.1")
    assert code == 2
    assert "0 of its 1 runs were probed at replica_10" in err
