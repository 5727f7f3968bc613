"""The monitor looks where a step leads before it is taken: alarms, actions, resume."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from driftline.monitor.handles import CapabilityWatch, LiveModel
from driftline.monitor.signals import mean_losses
from driftline.training import MonitorSettings, StabilityMonitor, read_log
from tests.monitor.runs import suite, trainer

RUIN = {"learning_rate": 0.05, "lr_scheduler_type": "constant", "max_grad_norm": 0.0}
WARM = {
    "learning_rate": 0.05, "lr_scheduler_type": "constant_with_warmup", "warmup_steps": 10,
    "max_grad_norm": 0.0,
}  # fmt: skip
AHEAD = MonitorSettings(action="log", act_on="measured", step_tokens=0)


class _Losses(TrainerCallback):
    """The losses after each step, scored apart from the monitor."""

    def __init__(self):
        self.of: dict[int, float] = {}

    def on_train_begin(self, args, state, control, **kwargs):
        live = LiveModel.of(kwargs["model"], kwargs["processing_class"], bfloat16=False, source="x")
        self._watch = CapabilityWatch(live, suite().capabilities)
        self._base = self._watch.losses()

    def on_step_end(self, args, state, control, **kwargs):
        self.of[state.global_step] = mean_losses(self._watch.losses(), self._base)["texts"]


def _run(folder: Path, settings: MonitorSettings, fields, **more):
    losses = _Losses()
    made = trainer(folder, callbacks=[losses], **{"max_steps": 8, **fields, **more})
    monitor = StabilityMonitor([suite()], settings, out=folder / "monitor").attach(made)
    made.train()
    return made, monitor, losses.of


def _events(folder: Path, event: str):
    return [r for r in read_log(folder / "monitor" / "monitor.jsonl") if r["event"] == event]


@pytest.mark.parametrize("fields", [RUIN, WARM], ids=["at once", "in the warm-up"])
@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
def test_the_alarm_comes_before_the_step_and_says_what_it_would_cost(tmp_path, fields, lora):
    _, _, losses = _run(tmp_path, AHEAD, {**fields, "max_steps": 8}, lora=lora)
    alarm = _events(tmp_path, "alarm")[0]
    assert alarm["before_step"]
    # The weights were still within twice the tolerance as it came.
    assert losses.get(alarm["step"] - 1, 0.0) < 0.2
    assert losses[alarm["step"]] > 0.1
    # What was said of the step before it was taken is so after it.
    for check in (check for check in _events(tmp_path, "check") if check["before_step"]):
        assert check["losses"]["texts"] == pytest.approx(losses[check["step"]], abs=1e-4)


def test_without_looking_ahead_the_alarm_comes_after_the_step(tmp_path):
    _run(tmp_path, replace(AHEAD, look_ahead=False), RUIN)
    alarm = _events(tmp_path, "alarm")[0]
    assert not alarm["before_step"]
    assert alarm["step"] == 1


def test_another_optimiser_is_looked_at_after_the_step(tmp_path):
    _run(tmp_path, AHEAD, {"learning_rate": 0.5, "max_grad_norm": 0.0}, optim="sgd")
    assert _events(tmp_path, "check")
    assert not any(check["before_step"] for check in _events(tmp_path, "check"))
    assert _events(tmp_path, "glance")


def test_a_lowered_rate_makes_the_very_step_shorter(tmp_path):
    settings = replace(AHEAD, action="lower_learning_rate", lower_factor=0.1)
    made, monitor, losses = _run(tmp_path, settings, RUIN, max_steps=6)
    averted = _events(tmp_path, "averted")
    assert [event["step"] for event in averted] == [1, 1]
    rates = [e["learning_rate"] for e in made.state.log_history if "loss" in e]
    assert rates[1:] == pytest.approx([5e-4] * 5)
    assert max(losses.values()) <= 0.1
    assert len(monitor.alarms) == 2
    # The course holds no loss of a step that was never taken.
    assert all(check["losses"]["texts"] <= 0.1 for check in _events(tmp_path, "check"))
    steps = [check["step"] for check in _events(tmp_path, "check")]
    assert steps == sorted({*steps})


@pytest.mark.parametrize("action", ["stop", "roll_back"])
def test_a_step_that_a_stop_follows_is_not_taken(tmp_path, action):
    before = {n: p.detach().clone() for n, p in trainer(tmp_path / "x").model.named_parameters()}
    made, monitor, losses = _run(tmp_path / "y", replace(AHEAD, action=action), RUIN)
    assert made.state.global_step == 1
    assert len(monitor.alarms) == 1
    assert all(torch.equal(p, before[n]) for n, p in made.model.named_parameters())
    assert losses == {1: 0.0}
    if action == "stop":
        (check,) = _events(tmp_path / "y", "check")
        assert (check["step"], check["before_step"], check["losses"]["texts"]) == (1, False, 0.0)


def test_after_more_lowered_rates_than_allowed_the_step_is_withheld(tmp_path):
    settings = replace(
        AHEAD, action="lower_learning_rate", lower_factor=0.9, max_interventions=2
    )  # fmt: skip
    made, _, losses = _run(tmp_path, settings, RUIN)
    assert [e["action"] for e in _events(tmp_path, "averted")] == [
        "lower_learning_rate", "lower_learning_rate", "stop"
    ]  # fmt: skip
    assert made.state.global_step == 1
    assert losses == {1: 0.0}


def test_a_roll_back_that_goes_on_watches_what_comes(tmp_path):
    settings = replace(
        AHEAD, action="roll_back", after_roll_back="continue", lower_factor=0.01
    )  # fmt: skip
    made, _, losses = _run(tmp_path, settings, RUIN, max_steps=5)
    assert made.state.global_step == 5
    assert _events(tmp_path, "averted")[0]["step"] == 1
    assert losses[1] == 0.0
    assert max(losses.values()) <= 0.1


def test_a_step_that_was_found_safe_before_it_is_kept_after_it(tmp_path):
    made, monitor, _ = _run(tmp_path, AHEAD, {"learning_rate": 1e-3}, max_steps=3)
    ahead = [check["step"] for check in _events(tmp_path, "check") if check["before_step"]]
    assert ahead
    snapshots = tmp_path / "monitor" / "snapshots"
    kept = {int(path.name.removeprefix("step-")) for path in snapshots.iterdir()}
    assert kept >= {0, ahead[-1]}
    if ahead[-1] == 3:
        weights = load_file(snapshots / "step-000003" / "weights.safetensors")
        assert all(torch.equal(weights[n], p) for n, p in made.model.named_parameters())
    assert monitor.state()["attributes"]["memory"]["last_safe_step"] >= ahead[-1]


@pytest.mark.slow
@pytest.mark.parametrize("killed_after", [1, 3])
def test_a_run_that_goes_on_looks_ahead_as_before(tmp_path, killed_after):
    fields = {"learning_rate": 3e-3, "max_steps": 6, "save_strategy": "steps", "save_steps": 1}
    for name in ("whole", "cut"):
        _run(tmp_path / name, AHEAD, fields)
    again = trainer(tmp_path / "cut", **fields)
    StabilityMonitor([suite()], AHEAD, out=tmp_path / "cut" / "monitor").attach(again)
    again.train(resume_from_checkpoint=str(tmp_path / "cut" / f"checkpoint-{killed_after}"))
    for event, keys in (
        ("alarm", ("step", "detector", "evidence", "before_step")),
        ("check", ("step", "losses", "log_evidence", "kl_suite_nats", "before_step")),
        ("glance", ("step", "kl_suite_nats")),
    ):
        wanted = [[r[k] for k in keys] for r in _events(tmp_path / "whole", event)]
        assert [[r[k] for k in keys] for r in _events(tmp_path / "cut", event)] == wanted
        assert wanted
