"""The guide shows what the recorded lives say, and a step that its neighbour contradicts is seen."""

import copy
import json
import sys

import pytest

from scripts import life_page
from scripts.life_agreement import comparisons

LIVES = sorted(path.stem for path in life_page.LIVES.glob("*.json"))
CHANGE = {"change": -0.02, "standard_error": 0.01}
FORECAST = {"predicted_change": -0.03, "loss": 0.03, "low": -0.05, "high": -0.01}
GAIN = {"gain": 1.0, "standard_error": 0.1}


def _record():
    """A life whose steps agree."""
    claims = {"claims": {"order": CHANGE}}
    repair = {
        "tuned_change": -0.02, "tuned_standard_error": 0.01,
        "repaired_change": -0.02, "repaired_standard_error": 0.01,
    }  # fmt: skip
    training = {"changes": {"order": CHANGE}, "target": GAIN}
    loss = {"loss": 0.03, "low": 0.01, "high": 0.05}
    return {
        "steps": {"verify": {"exit_code": 0}, "verify-another": {"exit_code": 5}},
        "documents": {
            "assess": {"verdict": "at_risk", "forecast": {"order": FORECAST}},
            "train-plain": {"verdict": "inconclusive", **training},
            "plan": {
                "verdict": "inconclusive",
                "forecast": {"order": loss},
                "target": GAIN,
                **claims,
            },
            "train": {"verdict": "no_alarm", **training},
            "certify": {"verdict": "inconclusive", **claims},
            "certify-plain": {"verdict": "fail", **claims},
            "repair": {"verdict": "pass", "changes": {"order": repair}, **claims},
            "certify-repaired": {"verdict": "pass", **claims},
        },
    }


def _disagreeing(record):
    return [(each.step, each.agrees) for each in comparisons(record) if each.agrees != "yes"]


def test_the_page_is_what_the_lives_say(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["life_page", "--check"])
    life_page.main()


@pytest.mark.parametrize("life", LIVES)
def test_another_life_makes_the_page_stale(monkeypatch, tmp_path, life):
    record = json.loads((life_page.LIVES / f"{life}.json").read_text("utf-8"))
    for step in record["steps"].values():
        step["exit_code"] += 1
    for other in LIVES:
        (tmp_path / f"{other}.json").write_text((life_page.LIVES / f"{other}.json").read_text())
    (tmp_path / f"{life}.json").write_text(json.dumps(record))
    monkeypatch.setattr(life_page, "LIVES", tmp_path)
    monkeypatch.setattr(sys, "argv", ["life_page", "--check"])
    with pytest.raises(SystemExit, match=r"one-life.md: stale"):
        life_page.main()


def test_text_outside_of_the_marks_is_kept_and_an_unknown_step_is_an_error(monkeypatch, tmp_path):
    verify = {
        "command": "driftline verify", "exit_code": 0, "cpu_seconds": 90.0,
        "text": "PASS: certified\n[1] A caveat\n",
    }  # fmt: skip
    (tmp_path / "mine.json").write_text(json.dumps({"steps": {"verify": verify}}))
    monkeypatch.setattr(life_page, "LIVES", tmp_path)
    page = "a\n<!-- life: mine verify -->\nold\n<!-- end life -->\nb"
    made = life_page.filled(page)
    assert made == (
        "a\n<!-- life: mine verify -->\n\n    driftline verify\n\n```text\nPASS: certified\n```\n\n"
        "Exit code 0, 1.5 minutes.\n\n<!-- end life -->\nb"
    )
    assert life_page.filled(made) == made
    assert life_page.filled("no mark") == "no mark"
    with pytest.raises(KeyError):
        life_page.filled(page.replace("verify", "bake"))


def test_a_life_whose_steps_agree_has_no_contradiction():
    assert _disagreeing(_record()) == []


@pytest.mark.parametrize(
    ("step", "value", "agrees"),
    [("assess", -0.05, "yes"), ("assess", -0.06, "within error"), ("assess", -0.08, "no")],
)
def test_a_forecast_is_judged_by_its_interval_and_the_error_of_the_measurement(step, value, agrees):
    record = _record()
    record["documents"]["certify-plain"] = {
        "verdict": "fail", "claims": {"order": {"change": value, "standard_error": 0.01}}
    }  # fmt: skip
    judged = next(
        each for each in comparisons(record)
        if (each.step, each.other) == (step, "certify-plain")
    )  # fmt: skip
    assert judged.agrees == agrees


@pytest.mark.parametrize(
    ("step", "document", "verdict"),
    [
        ("assess", "assess", "safe"), ("train-plain", "train-plain", "no_alarm"),
        ("train", "certify", "fail"), ("repair", "certify-repaired", "fail"),
    ],
)  # fmt: skip
def test_a_verdict_of_kept_before_one_of_lost_is_a_contradiction(step, document, verdict):
    record = _record()
    record["documents"][document]["verdict"] = verdict
    assert (step, "no") in _disagreeing(record)


def test_measurements_far_apart_are_a_contradiction():
    far = {"change": -0.06, "standard_error": 0.01}
    for document, step in (("train-plain", "train-plain"), ("train", "train")):
        record = _record()
        record["documents"][document]["changes"] = {"order": far}
        assert (step, "no") in _disagreeing(record)
    record = copy.deepcopy(_record())
    record["documents"]["plan"]["target"] = {"gain": 2.0, "standard_error": 0.1}
    assert _disagreeing(record) == [("plan", "no")]


def test_a_certificate_of_another_model_that_verifies_is_a_contradiction():
    record = _record()
    record["steps"]["verify-another"]["exit_code"] = 0
    assert _disagreeing(record) == [("certify-repaired", "no")]
