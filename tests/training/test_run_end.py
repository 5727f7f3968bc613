"""How `train` ends: the gain on held-out rows, what was checked, the weights that were kept."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from safetensors.torch import load_file

from driftline.engine import RunFolder
from driftline.models import TrainingData, open_model, read_training_config, read_training_data
from driftline.report import render_training_run
from driftline.report.terminal import training_run_summary
from driftline.results import TrainingRun
from driftline.training import MonitorSettings, TrainRequest, train
from driftline.training._run_document import (
    _items_caveats,
    _verdict,
    _without_what_the_base_lacks,
)
from driftline.training._target_gain import held_out_rows
from tests import tiny
from tests.monitor.runs import TEXTS, suite, taught_model

CONFIG = {
    "learning_rate": 1e-4, "max_steps": 4, "per_device_train_batch_size": 4, "max_length": 64,
    "bf16": False, "seed": 0, "save_strategy": "no",
}  # fmt: skip
PAIRS = [{"prompt": f"Say {i}:", "completion": f" it is {i} of them"} for i in range(30)]


def _rows(path: Path, rows) -> TrainingData:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_training_data(path)


@pytest.fixture
def run(tmp_path):
    """Train on some rows with others set apart."""
    taught_model().save_pretrained(tmp_path / "base")
    tiny.tokenizer().save_pretrained(tmp_path / "base")

    def trained(name, rows, evaluation=None, fields=None, **settings) -> tuple[TrainingRun, Path]:
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({**CONFIG, **(fields or {})}))
        request = TrainRequest(
            open_model(str(tmp_path / "base")),
            _rows(tmp_path / f"{name}.jsonl", rows),
            read_training_config(tmp_path / f"{name}.yaml"),
            (suite(),),
            MonitorSettings(**{"action": "log", "step_tokens": 0, **settings}),
            evaluation=None if evaluation is None else _rows(tmp_path / "held.jsonl", evaluation),
        )
        with RunFolder.open(tmp_path / name, name, outputs=("report.json",), force=False) as folder:
            return train(request, folder), tmp_path / name

    return trained


def _text(texts):
    return [{"text": text} for text in texts]


@pytest.mark.parametrize(
    ("rows", "held"),
    [(_text(TEXTS[:30]), _text(TEXTS[30:])), (PAIRS[:20], PAIRS[20:])],
    ids=["texts", "pairs"],
)
def test_the_gain_on_held_out_rows_is_measured_and_changes_nothing(run, rows, held):
    plain, at = run("plain", rows)
    found, with_rows = run("held", rows, held)
    weights = [load_file(each / "model" / "model.safetensors") for each in (at, with_rows)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert plain.target is None
    assert any("No rows were held out" in caveat for caveat in plain.caveats)
    gain = found.target
    assert gain.num_rows == 10
    assert gain.gain == pytest.approx(gain.base_nats - gain.tuned_nats)
    assert gain.low < gain.gain < gain.high
    assert gain.gain != 0
    assert not any("No rows were held out" in caveat for caveat in found.caveats)
    assert "on 10 held-out rows" in " ".join(training_run_summary(found).split())
    assert "on 10 held-out rows" in render_training_run(found)


def test_rows_that_are_trained_on_are_not_held_out(tmp_path, run):
    found, _ = run("some", PAIRS[:20], PAIRS[16:])
    assert found.target.num_rows == 10
    data = _rows(tmp_path / "all.jsonl", PAIRS)
    assert held_out_rows(data, data) is None
    assert held_out_rows(None, data) is None
    assert held_out_rows(_rows(tmp_path / "one.jsonl", [PAIRS[0], PAIRS[1]]), data) is None
    none, _ = run("none", PAIRS, PAIRS[:5])
    assert none.target is None


def test_it_says_what_was_checked_how_often_and_to_certify_next(run):
    found, _ = run("said", _text(TEXTS), every_steps=2, fields={"learning_rate": 1e-6})
    assert found.verdict == "no_alarm"
    assert found.reasons[0].startswith("no alarm on 64 items in 2 checks")
    assert "certify next" in found.reasons[0]
    assert "safe" not in found.reasons[0].replace("unsafe", "")
    text = " ".join(training_run_summary(found).split())
    assert "Checked: 2 times, at step 2, 4" in text


@pytest.mark.parametrize("action", ["lower_learning_rate", "stop"])
def test_a_step_that_was_averted_is_no_damage_and_not_as_planned(run, action):
    fields = {"learning_rate": 0.05, "lr_scheduler_type": "constant", "max_grad_norm": 0.0}
    found, _ = run(
        "averted", _text(TEXTS), fields=fields, action=action, act_on="measured", lower_factor=0.01
    )
    assert found.verdict == "inconclusive"
    assert all(alarm.averted for alarm in found.alarms)
    assert found.reasons[0].startswith("before step 1, averted")
    assert all(course.within_tolerance for course in found.capabilities if course.required)
    assert "before step 1, averted" in training_run_summary(found)
    assert "before step 1, averted" in render_training_run(found)


def test_a_step_that_was_taken_all_the_same_is_unsafe(run):
    fields = {"learning_rate": 0.05, "lr_scheduler_type": "constant", "max_grad_norm": 0.0}
    found, _ = run("taken", _text(TEXTS), fields=fields, action="warn", act_on="measured")
    assert found.verdict == "unsafe"
    assert not any(alarm.averted for alarm in found.alarms)


@pytest.mark.parametrize("saved", [1, 2])
def test_the_best_checkpoint_is_what_is_reported_on(run, saved):
    fields = {
        "learning_rate": 0.05, "lr_scheduler_type": "constant", "eval_strategy": "steps",
        "eval_steps": saved, "save_strategy": "steps", "save_steps": saved,
        "load_best_model_at_end": True, "metric_for_best_model": "eval_loss",
    }  # fmt: skip
    found, at = run("best", PAIRS[:20], PAIRS[20:], fields=fields)
    state = json.loads((at / "checkpoints/checkpoint-4/trainer_state.json").read_text())
    best = int(state["best_model_checkpoint"].rpartition("-")[2])
    assert found.best_step == (None if best == 4 else best)
    kept = load_file(at / "model" / "model.safetensors")
    stored = load_file(at / f"checkpoints/checkpoint-{best}/model.safetensors")
    assert all(torch.equal(kept[name], stored[name]) for name in kept)
    if found.best_step is not None:
        assert any(f"weights of step {best}" in caveat for caveat in found.caveats)


@pytest.mark.parametrize(
    ("blind", "told"),
    [([], "0.025 of the run's training"), (["texts"], "raising every alarm takes")],
)
def test_the_reason_for_the_number_of_items_is_the_true_one(blind, told):
    watched = suite()
    courses = [
        SimpleNamespace(capability=c.name, num_items=10, num_groups=10, standard_error=0.1, unit="nats")
        for c in watched.capabilities
    ]  # fmt: skip
    said = _items_caveats(courses, [watched], MonitorSettings(), blind)
    assert f"takes no longer than {told};" in said[-1]
    more = "Fewer items could not have raised the alarm of texts, so scoring took longer than 0.025"
    assert [each.startswith(more) for each in said] == [True, False][len(said) * -1 :]
    assert len(said) == 1 + len(blind)


def test_what_the_base_lacks_is_neither_within_nor_beyond():
    texts, pairs = (
        SimpleNamespace(
            capability=name, required=True, within_tolerance=within, num_items=40, model_copy=None
        )
        for name, within in (("texts", True), ("pairs", False))
    )
    pairs.model_copy = lambda update: SimpleNamespace(**{**vars(pairs), **update})
    records = [{"event": "base", "no_better_than_guessing": ["pairs"]}, {"event": "check"}]
    courses, absent = _without_what_the_base_lacks((texts, pairs), records)
    assert absent == ("pairs",)
    assert [course.within_tolerance for course in courses] == [True, None]
    verdict, reasons = _verdict(courses, (), records, False, absent)
    assert verdict == "inconclusive"
    (reason,) = reasons
    assert reason.startswith("the base is no better than guessing at pairs")
    # A log that names none judges all of them, as before.
    assert _verdict((texts, pairs), (), records, False)[1] == (
        "ended beyond tolerance on the monitor's items: pairs",
    )
