"""Runs that evaluate, keep their best checkpoint, stop early, or train again, under the monitor."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import EarlyStoppingCallback

from driftline.monitor import score_items
from driftline.training import MonitorSettings, StabilityMonitor, read_log
from tests import tiny
from tests.monitor.runs import suite, taught_model, trainer

LOOK = MonitorSettings(every_steps=2, action="log", step_tokens=64)
EVALUATED = {
    "evaluated": True, "eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps",
    "save_steps": 2, "learning_rate": 0.02, "lr_scheduler_type": "constant", "max_steps": 6,
}  # fmt: skip
BEST = {**EVALUATED, "load_best_model_at_end": True, "metric_for_best_model": "eval_loss"}


def _events(out: Path, event: str):
    return [r for r in read_log(out / "monitor" / "monitor.jsonl") if r["event"] == event]


def _evaluations(made):
    return [(e["step"], e["eval_loss"]) for e in made.state.log_history if "eval_loss" in e]


def _loss_now(made) -> float:
    texts = suite().capabilities[0]
    base, now = (
        sum(
            item["nll_nats"] for item in score_items(model, tiny.tokenizer(), texts, bfloat16=False)
        )
        for model in (taught_model(), made.model)
    )
    return (now - base) / len(texts.items)


@pytest.mark.slow
@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("fields", [EVALUATED, BEST], ids=["evaluated", "best at end"])
def test_a_run_that_evaluates_is_bit_for_bit_the_one_without_the_monitor(tmp_path, fields, lora):
    found = {}
    for mode in ("off", "on"):
        made = trainer(tmp_path / mode, lora=lora, **fields)
        if mode == "on":
            StabilityMonitor([suite()], LOOK).attach(made)
        made.train()
        found[mode] = made
    off, on = found["off"], found["on"]
    assert len(_evaluations(on)) == 3
    assert _evaluations(on) == _evaluations(off)
    assert all(
        torch.equal(a, b)
        for a, b in zip(on.model.parameters(), off.model.parameters(), strict=True)
    )
    assert not _events(tmp_path / "on", "check_failed")


@pytest.mark.parametrize("best_step", [2, 6])
def test_the_last_check_is_of_the_checkpoint_that_is_kept(tmp_path, best_step):
    made = trainer(tmp_path, **BEST, greater_is_better=best_step == 2)
    StabilityMonitor([suite()], replace(LOOK, glance_every_steps=0)).attach(made)
    made.train()
    best = int(made.state.best_model_checkpoint.rpartition("-")[2])
    events = _events(tmp_path, "best_model")
    assert [event["of_step"] for event in events] == ([] if best == 6 else [best])
    checks = _events(tmp_path, "check")
    assert [check["step"] for check in checks] == [2, 4, 6] + [6] * (best != 6)
    assert checks[-1]["losses"]["texts"] == pytest.approx(_loss_now(made), abs=1e-5)


class _Worse(EarlyStoppingCallback):
    """Takes every evaluation for one that is worse."""

    def check_metric_value(self, args, state, control, metric_value):
        self.early_stopping_patience_counter += 1


@pytest.mark.parametrize("patience", [1, 2])
def test_a_run_that_stops_early_has_its_last_check(tmp_path, patience):
    made = trainer(tmp_path, **BEST, callbacks=[_Worse(patience)])
    StabilityMonitor([suite()], replace(LOOK, every_steps=5, glance_every_steps=0)).attach(made)
    made.train()
    assert made.state.global_step == 2 * patience
    (check,) = _events(tmp_path, "check")
    assert check["step"] == 2 * patience
    assert check["losses"]["texts"] == pytest.approx(_loss_now(made), abs=1e-5)
    (ended,) = _events(tmp_path, "ended")
    assert ended["step"] == 2 * patience


def test_a_second_run_of_the_same_trainer_begins_anew(tmp_path):
    made = trainer(tmp_path, **{**EVALUATED, "max_steps": 4})
    StabilityMonitor([suite()], LOOK, out=tmp_path / "monitor").attach(made)
    made.train()
    weights = [p.detach().clone() for p in made.model.parameters()]
    made.train()
    first = list(read_log(tmp_path / "monitor" / "earlier-1" / "monitor.jsonl"))
    second = list(read_log(tmp_path / "monitor" / "monitor.jsonl"))
    for events in (first, second):
        assert (events[0]["event"], events[-1]["event"]) == ("started", "ended")
    assert {2, 4} <= {event["step"] for event in second if event["event"] == "check"}
    # The second run's losses are against the weights that it began with.
    assert not all(torch.equal(p, w) for p, w in zip(made.model.parameters(), weights, strict=True))
    assert not [event for event in (*first, *second) if event["event"] == "check_failed"]
