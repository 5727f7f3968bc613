"""The monitor in real trainers: no trace, alarms, actions, resume, refusals."""

import itertools
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch

from driftline.capabilities import Capability, Generation, Suite
from driftline.errors import ConfigError, OutputError, RunError
from driftline.monitor import Thresholds
from driftline.monitor.signals._reforecast import StepsLeft
from driftline.training import MonitorSettings, StabilityMonitor, read_log
from tests.monitor import launched_run
from tests.monitor.launched_run import OwnLoss
from tests.monitor.runs import suite, trainer

LOOK = MonitorSettings(every_steps=2, glance_every_steps=0, action="log", step_tokens=128)
AHEAD = replace(LOOK, glance_every_steps=1, thresholds=Thresholds(glance_kl_nats=1e-9))
RUIN = {"learning_rate": 0.3, "lr_scheduler_type": "constant", "max_grad_norm": 0.0}


def _traces(made):
    held = made.optimizer.state_dict()["state"].values()
    tensors = [t for state in held for t in state.values() if isinstance(t, torch.Tensor)]
    weights = [p.detach().clone() for p in made.model.parameters()]
    return weights + [t.clone() for t in tensors] + [torch.get_rng_state()]


def _numbers():
    return random.getstate(), numpy.random.get_state()[1].tolist()


def _events(out: Path, event: str):
    return [r for r in read_log(out / "monitor" / "monitor.jsonl") if r["event"] == event]


@pytest.mark.slow
@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("settings", [LOOK, AHEAD], ids=["checks", "looks ahead"])
def test_training_is_bit_for_bit_the_same_with_and_without_the_monitor(
    tmp_path, settings, lora, bf16
):
    fields = {"gradient_accumulation_steps": 2, "max_steps": 5, "bf16": bf16}
    plain = trainer(tmp_path / "off", lora=lora, **fields)
    plain.train()
    off, off_numbers = _traces(plain), _numbers()
    watched = trainer(tmp_path / "on", lora=lora, **fields)
    StabilityMonitor([suite()], settings).attach(watched)
    watched.train()
    on = _traces(watched)
    assert len(on) == len(off) > 20
    assert all(torch.equal(a, b) for a, b in zip(on, off, strict=True))
    assert _numbers() == off_numbers
    assert watched.model.training
    checks = _events(tmp_path / "on", "check")
    steps = [record["step"] for record in checks]
    assert {2, 4, 5} <= {*steps}
    assert any(check["before_step"] for check in checks) == (settings is AHEAD)
    if settings is LOOK:
        assert checks[0]["unpredictability"] is not None
    check = checks[0]
    assert check["update_relative_norm"] > 0
    assert check["functional_magnitude"] > 0
    assert check["kl_task_nats"] > 0


def test_a_step_is_measured_in_float32_whatever_training_computes_in(tmp_path):
    predicted = {}
    for bf16 in (False, True):
        made = trainer(tmp_path / str(bf16), bf16=bf16, max_steps=2, lr_scheduler_type="constant")
        StabilityMonitor([suite()], LOOK).attach(made)
        made.train()
        (check,) = _events(tmp_path / str(bf16), "check")
        nats = check["step_nats"]
        predicted[bf16] = nats["second_order"] - nats["first_order"]
    # Rounding to eight bits would make the second difference a random number.
    assert predicted[True] == pytest.approx(predicted[False], rel=0.3)


def test_metrics_reach_the_trainers_own_log(tmp_path):
    made = trainer(tmp_path, max_steps=2)
    StabilityMonitor([suite()], LOOK).attach(made)
    made.train()
    logged = [entry for entry in made.state.log_history if "drift/kl_suite_nats" in entry]
    assert [entry["step"] for entry in logged] == [2]
    assert "drift/loss/texts" in logged[0]


def in_probability():
    texts, pairs = suite().capabilities
    return Suite("tiny", (texts, replace(pairs, metric="probability", tolerance=0.05)))


def test_a_probability_is_watched_with_its_error_and_its_accuracy(tmp_path):
    made = trainer(tmp_path, max_steps=6)
    StabilityMonitor([in_probability()], LOOK).attach(made)
    made.train()
    for check in _events(tmp_path, "check"):
        assert -1 <= check["losses"]["pairs"] <= 1
        assert 0 < check["standard_errors"]["pairs"] < 0.5
        assert 0 <= check["accuracies"]["pairs"] <= 1
        assert "texts" not in check["accuracies"]
    (base,) = _events(tmp_path, "base")
    assert 0 <= base["accuracies"]["pairs"] <= 1


def test_ruin_is_named_stopped_and_written_down_before_it_is_acted_on(tmp_path):
    made = trainer(tmp_path, max_steps=12, **RUIN)
    settings = replace(LOOK, action="stop")
    monitor = StabilityMonitor([suite()], settings).attach(made)
    made.train()
    assert made.state.global_step < 12
    assert monitor.alarms
    events = [record["event"] for record in read_log(tmp_path / "monitor" / "monitor.jsonl")]
    assert events.index("alarm") < events.index("action") < events.index("action_done")


def test_a_glance_brings_the_next_check_forward(tmp_path):
    fields = {"max_steps": 12, **RUIN}
    settings = MonitorSettings(every_steps=100, glance_every_steps=1, action="log")
    StabilityMonitor([suite()], settings).attach(made := trainer(tmp_path, **fields))
    made.train()
    glanced = _events(tmp_path, "glance")
    checks = {check["step"]: check for check in _events(tmp_path, "check")}
    # One check a glance that asked for it, one at the end.
    assert list(checks) == sorted({*(e["step"] for e in glanced), 12})
    moved = [glance["kl_suite_nats"] for glance in glanced]
    assert moved[0] >= settings.thresholds.glance_kl_nats
    assert all(b >= 2 * a for a, b in itertools.pairwise(moved))
    for glance in glanced:
        assert glance["kl_suite_nats"] == checks[glance["step"]]["kl_suite_nats"]
    assert _events(tmp_path, "alarm")[0]["step"] < 12
    # Seen at every step, so that reporters draw it.
    seen = [e["step"] for e in made.state.log_history if "drift/kl_suite_nats" in e]
    assert seen == list(range(1, 13))


def test_a_forecast_brings_the_next_check_forward_and_not_for_ever(tmp_path, monkeypatch):
    left = iter([3.0, 5.0, None, *[1.0] * 40])
    monkeypatch.setattr(
        "driftline.monitor._monitored_run.Session._steps_left",
        lambda _self: StepsLeft("texts", next(left)),
    )
    made = trainer(tmp_path, max_steps=22, learning_rate=1e-5)
    settings = MonitorSettings(every_steps=10, glance_every_steps=0, action="log", step_tokens=0)
    StabilityMonitor([suite()], settings).attach(made)
    made.train()
    # At 10, 3 left: halfway is 11. Then 5 left: 13. Then none, until the next in turn; and so on.
    steps = [check["step"] for check in _events(tmp_path, "check")]
    assert steps == [10, 11, 13, 20, 21, 22]


def test_a_roll_back_brings_safe_weights_and_keeps_the_damaged_ones(tmp_path):
    made = trainer(tmp_path, max_steps=12, save_strategy="steps", save_steps=1, **RUIN)
    settings = replace(LOOK, action="roll_back", act_on="measured", step_tokens=0)
    before = {n: p.detach().clone() for n, p in made.model.named_parameters()}
    StabilityMonitor([suite()], settings).attach(made)
    made.train()
    (done,) = _events(tmp_path, "action_done")
    assert done["required_beyond_tolerance"] == []
    assert done["losses"]["texts"] <= 0.1
    assert list((tmp_path / "monitor" / "quarantine").iterdir())
    assert "checkpoint-1" in done["checkpoints_moved"]
    assert done["to_step"] == 0
    assert all(torch.equal(p, before[n]) for n, p in made.model.named_parameters())


def test_lowering_the_learning_rate_lasts(tmp_path):
    made = trainer(tmp_path, max_steps=8, **RUIN)
    settings = replace(
        LOOK,
        action="lower_learning_rate",
        act_on="measured",
        lower_factor=0.1,
        max_interventions=1,
        step_tokens=0,
    )
    StabilityMonitor([suite()], settings).attach(made)
    made.train()
    rates = {e["step"]: e["learning_rate"] for e in made.state.log_history if "loss" in e}
    assert rates[1] == pytest.approx(0.3)
    assert rates[4] == pytest.approx(0.03)


@pytest.mark.slow
def test_a_run_that_goes_on_raises_the_same_alarms(tmp_path):
    fields = {"max_steps": 6, "save_strategy": "steps", "save_steps": 2, **RUIN}
    whole = trainer(tmp_path / "whole", **fields)
    StabilityMonitor([suite()], LOOK).attach(whole)
    whole.train()
    cut = trainer(tmp_path / "cut", **fields)
    StabilityMonitor([suite()], LOOK).attach(cut)
    cut.train()
    # As if killed during the check of step 6: its line is cut, and checkpoint 6 never was.
    log = tmp_path / "cut" / "monitor" / "monitor.jsonl"
    lines = log.read_text().splitlines()
    last = max(n for n, line in enumerate(lines) if json.loads(line)["event"] == "check_begun")
    log.write_text("\n".join([*lines[: last + 1], lines[last + 1][:40]]))
    again = trainer(tmp_path / "cut", **fields)
    StabilityMonitor([suite()], LOOK).attach(again)
    again.train(resume_from_checkpoint=str(tmp_path / "cut" / "checkpoint-4"))
    assert len(_events(tmp_path / "cut", "check_unfinished")) == 1
    for event, keys in (
        ("alarm", ("step", "detector", "evidence")),
        ("check", ("step", "losses", "log_evidence", "unpredictability", "kl_suite_nats")),
    ):
        wanted = [[r[k] for k in keys] for r in _events(tmp_path / "whole", event)]
        assert [[r[k] for k in keys] for r in _events(tmp_path / "cut", event)] == wanted
        assert wanted


def test_a_checkpoint_of_a_run_without_the_monitor_is_refused(tmp_path):
    fields = {"max_steps": 2, "save_strategy": "steps", "save_steps": 1}
    trainer(tmp_path, **fields).train()
    made = trainer(tmp_path, **fields)
    StabilityMonitor([suite()], LOOK).attach(made)
    with pytest.raises(RunError, match="without the monitor"):
        made.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))


def test_it_refuses_to_start_where_an_alarm_could_never_be_raised(tmp_path):
    made = trainer(tmp_path, max_steps=2)
    monitor = StabilityMonitor([suite(num_pairs=2, pairs_required=True)], LOOK).attach(made)
    with pytest.raises(ConfigError, match=r"pairs: would raise.*required: false"):
        made.train()
    assert not monitor.alarms


def test_it_refuses_items_that_need_written_answers(tmp_path):
    items = tuple(Generation(id=str(i), prompt="1 + 1 =", answer="2") for i in range(3))
    sums = Suite("sums", (Capability("sums", "generate", "exact_match", 0.1, items),))
    made = trainer(tmp_path, max_steps=2)
    StabilityMonitor([sums], LOOK).attach(made)
    with pytest.raises(ConfigError, match="sums: scorer generate"):
        made.train()


def test_an_earlier_log_is_refused_and_with_force_moved_aside(tmp_path):
    def made(*, force: bool):
        fresh = trainer(tmp_path, max_steps=1)
        StabilityMonitor([suite()], LOOK, force=force).attach(fresh)
        return fresh

    made(force=False).train()
    again = made(force=False)
    with pytest.raises(OutputError, match="earlier run"):
        again.train()
    made(force=True).train()
    assert (tmp_path / "monitor" / "earlier-1" / "monitor.jsonl").exists()


def test_a_check_that_fails_is_an_alarm_and_training_goes_on(tmp_path, monkeypatch):
    made = trainer(tmp_path, max_steps=2)
    monitor = StabilityMonitor([suite()], LOOK).attach(made)

    def fail(*_args, **_kwargs):
        raise ValueError("no such luck")

    monkeypatch.setattr("driftline.monitor.detectors._check.Checker.look", fail)
    made.train()
    assert [finding.detector for finding in monitor.alarms] == ["monitor_failure"]
    assert made.state.global_step == 2


def test_nothing_to_watch_is_refused():
    with pytest.raises(ConfigError, match="no suite"):
        StabilityMonitor([])
    with pytest.raises(ConfigError, match="two suites"):
        StabilityMonitor([suite(), suite()])


def test_a_trainer_may_train_again_and_the_first_log_is_moved_aside(tmp_path):
    made = trainer(tmp_path, max_steps=4)
    StabilityMonitor([suite()], MonitorSettings(every_steps=2), out=tmp_path / "m").attach(made)
    made.train()
    first = (tmp_path / "m" / "monitor.jsonl").read_text()
    made.train()
    assert (tmp_path / "m" / "earlier-1" / "monitor.jsonl").read_text() == first
    for records in (tmp_path / "m", tmp_path / "m" / "earlier-1"):
        log = read_log(records / "monitor.jsonl")
        assert (log[0]["event"], log[-1]["event"]) == ("started", "ended")
        checked = [record["step"] for record in log if record["event"] == "check"]
        # A glance may bring another one forward.
        assert [step for step in checked if step % 2 == 0] == [2, 4]


def test_weights_that_become_no_numbers_are_a_collapse_with_its_evidence(tmp_path):
    made = trainer(tmp_path, max_steps=4, learning_rate=1e30, max_grad_norm=0.0)
    monitor = StabilityMonitor([suite()], MonitorSettings(every_steps=2, action="warn"))
    monitor.attach(made)
    made.train()
    assert {alarm.detector for alarm in monitor.alarms} >= {"belief_space_collapse"}
    collapse = next(a for a in monitor.alarms if a.detector == "belief_space_collapse")
    assert "finite" in collapse.evidence[0] or "not a number" in collapse.evidence[0]
    assert all(alarm.detector != "monitor_failure" for alarm in monitor.alarms)


@pytest.mark.parametrize(
    ("num_items", "steps", "scored"),
    [(None, 3, 64), (20, 3, 20), (300, 3, 90)],
)
def test_a_short_run_scores_fewer_items_unless_told(tmp_path, num_items, steps, scored):
    made = trainer(tmp_path, max_steps=steps)
    settings = replace(LOOK, num_items=num_items)
    StabilityMonitor([suite(90, num_pairs=70)], settings).attach(made)
    made.train()
    (started,) = _events(tmp_path, "started")
    pairs = 24 if num_items is None else min(scored, 70)
    assert started["items"] == {"texts": scored, "pairs": pairs}
    assert started["groups"] == started["items"]


def test_a_run_that_goes_on_scores_the_items_that_it_began_with(tmp_path):
    fields = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    made = trainer(tmp_path, **fields)
    StabilityMonitor([suite(90, num_pairs=70)], replace(LOOK, num_items=30)).attach(made)
    made.train()
    again = trainer(tmp_path, **{**fields, "max_steps": 6})
    StabilityMonitor([suite(90, num_pairs=70)], LOOK).attach(again)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert not _events(tmp_path, "failed")
    assert _events(tmp_path, "check")[-1]["step"] == 6


class _SpoiltLoss(OwnLoss):
    """A loss of its own that is no number from the third step on."""

    value = float("nan")

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss = super().compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
        return loss * self.value if self.state.global_step >= 2 else loss


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_a_collapse_with_its_evidence(tmp_path, monkeypatch, value):
    monkeypatch.setattr(launched_run, "OwnLoss", _SpoiltLoss)
    monkeypatch.setattr(_SpoiltLoss, "value", value)
    made = launched_run.trainer(tmp_path, eval_strategy="no")
    monitor = StabilityMonitor([suite()], MonitorSettings(every_steps=1, action="stop"))
    monitor.attach(made)
    made.train()
    assert made.state.global_step == 3
    collapse = next(a for a in monitor.alarms if a.detector == "belief_space_collapse")
    assert "finite" in collapse.evidence[0]
    assert all(alarm.detector != "monitor_failure" for alarm in monitor.alarms)
