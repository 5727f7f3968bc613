"""Log, spikes, steps left, settings, cadence, state: without a model."""

import itertools
import json
import math

import pytest
import torch
from transformers import TrainingArguments

from driftline.errors import ConfigError, OutputError, RunError
from driftline.monitor._cadence import (
    affordable_cadence,
    is_check_due,
    is_early_glance,
    is_glance_due,
    is_look_ahead_due,
)
from driftline.monitor.actions._interventions import last_safe, lower_learning_rate
from driftline.monitor.actions._log import MonitorLog, unfinished_check
from driftline.monitor.detectors._state import MonitorState
from driftline.monitor.handles._offloaded_copy import OffloadedCopy
from driftline.monitor.signals._reforecast import StepsLeft, fewest, planned_rates, steps_left
from driftline.monitor.signals._spikes import SpikeWatch
from driftline.stats import Looks
from driftline.training import MonitorSettings, read_log


def test_a_log_forgets_what_a_kill_made_void(tmp_path):
    log = MonitorLog(tmp_path / "monitor.jsonl")
    for step in (2, 4, 6):
        log.write("check_begun", step=step)
        log.write("check", step=step, loss=None)
    log.write("check_begun", step=8)
    with log.path.open("a") as file:
        file.write('{"event": "che')
    assert unfinished_check(log.path) == 8
    MonitorLog(log.path).write("resumed", step=4)
    log.write("check", step=6)
    assert [(r["event"], r["step"]) for r in read_log(log.path)] == [
        ("check_begun", 2), ("check", 2), ("check_begun", 4), ("check", 4), ("resumed", 4),
        ("check", 6),
    ]  # fmt: skip


def test_a_log_forgets_the_check_of_a_step_that_was_averted(tmp_path):
    log = MonitorLog(tmp_path / "monitor.jsonl")
    for event, step in (
        ("check", 2), ("check", 3), ("alarm", 3), ("averted", 3), ("check", 3), ("check", 4)
    ):  # fmt: skip
        log.write(event, step=step)
    assert [(r["event"], r["step"]) for r in read_log(log.path)] == [
        ("check", 2), ("alarm", 3), ("averted", 3), ("check", 3), ("check", 4)
    ]  # fmt: skip


def test_a_changed_log_is_refused(tmp_path):
    path = tmp_path / "monitor.jsonl"
    path.write_text('{"event": "started", "step": 0}\nnonsense\n{"event": "check", "step": 2}\n')
    with pytest.raises(OutputError, match="line 2 is not JSON"):
        read_log(path)


def test_a_log_holds_no_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        MonitorLog(tmp_path / "m.jsonl").write("check", step=1, loss=float("nan"))


def test_spikes_are_told_from_a_falling_noisy_loss():
    watch, generator = SpikeWatch("training loss"), torch.Generator().manual_seed(0)
    for step in range(200):
        noise = float(torch.randn((), generator=generator))
        value = (2 + 3 * 0.97**step) * (1 + 0.1 * noise)
        assert watch.take(value, deviations=6.0, factor=2.0) is None
    assert "times its running median" in watch.take(9.0, deviations=6.0, factor=2.0)
    assert "not finite" in watch.take(float("nan"), deviations=6.0, factor=2.0)
    assert watch.num_recent(10) == 2
    for _ in range(10):
        watch.take(2.0, deviations=6.0, factor=2.0)
    assert watch.num_recent(10) == 0


def _left(losses, steps=(5, 10), rates=(1e-4,) * 100):
    return steps_left("code", 0.25, steps=steps, losses=losses, learning_rates=rates).steps


def test_steps_left_go_on_at_the_faster_pace_of_the_last_check_and_the_whole_run():
    # 0.06 in the last five steps; 0.05 in the first five.
    assert _left((0.05, 0.11)) == pytest.approx(0.14 / 0.012)
    # It slowed down: the pace of the whole run, 0.11 in ten steps.
    assert _left((0.1, 0.11)) == pytest.approx(0.14 / 0.011)
    assert _left((0.3,), (5,)) == 0
    assert _left((-0.1,), (5,)) is None
    assert _left((0.0, 0.01)) is None
    assert _left((0.1,), (100,)) is None
    # A pace is one per learning rate: in a warm-up the next steps are longer than those before.
    warm = [1e-6 * step for step in range(1, 101)]
    assert _left((0.03,), (5,), warm) < _left((0.03,), (5,))
    # Before a warm-up has moved anything there is no pace.
    assert _left((0.0,), (1,), (0.0, *warm)) is None
    found = StepsLeft("c", 7.0)
    assert fewest([StepsLeft("a", None), found, StepsLeft("b", 200.0)]) == found
    assert fewest([StepsLeft("a", None)]) is None


def test_planned_rates_and_lowering_them():
    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=1.0)
    plan = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 10)
    assert planned_rates(plan, 3) == (1.0, 0.9, 0.8)
    assert lower_learning_rate(optimizer, plan, 0.5) == 0.5
    optimizer.step()
    plan.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.45)
    assert planned_rates(plan, 3) == (0.5, 0.45, 0.4)
    other = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    assert planned_rates(other, 3) is None


@pytest.mark.parametrize(
    "change",
    [
        {"every_steps": 0}, {"alpha": 0.0}, {"action": "panic"}, {"lower_factor": 1.0},
        {"action": "roll_back", "num_snapshots": 0}, {"overhead": 0.0}, {"act_on": "whim"},
        {"look_ahead": "yes"}, {"look_ahead": 1},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(ConfigError, match=r"monitor: (num_snapshots|" + next(iter(change)) + ")"):
        MonitorSettings(**change)


ROWS = [{"input_ids": [1] * 100}] * 10


@pytest.fixture
def cadence(tmp_path):
    args = TrainingArguments(
        output_dir=str(tmp_path), per_device_train_batch_size=4, gradient_accumulation_steps=2,
        use_cpu=True, report_to="none",
    )  # fmt: skip

    def found(num_steps, rows=ROWS, check_tokens=9000):
        return affordable_cadence(
            args, rows, check_tokens=check_tokens, glance_tokens=200, num_steps=num_steps, overhead=0.025
        )  # fmt: skip

    return found


@pytest.mark.parametrize("num_steps", [1200, 2000, 5000, 20000])
@pytest.mark.parametrize("check_tokens", [3000, 9000])
def test_start_checks_and_glances_cost_no_more_than_they_may(cadence, num_steps, check_tokens):
    found, step = cadence(num_steps, check_tokens=check_tokens), 3 * 8 * 100
    clock = [float(n) for n in range(1, num_steps + 1)]
    glances = [
        n for n in range(1, num_steps + 1)
        if n % found.glance_every_steps == 0 or is_early_glance(clock, n)
    ]  # fmt: skip
    checks = {*range(found.every_steps, num_steps + 1, found.every_steps), num_steps}
    checks |= set(found.early_steps)

    def cost(num_checks):
        return (2 + num_checks) * check_tokens + len(glances) * 200

    assert cost(len(checks)) <= 0.025 * num_steps * step
    assert found.early_steps
    assert {math.ceil(share * num_steps) for share in (0.01, 0.02, 0.05, 0.1)} >= {
        *found.early_steps
    }


def test_a_run_that_cannot_pay_for_early_checks_has_the_later_ones_of_them(cadence):
    assert (cadence(60).every_steps, cadence(60).early_steps) == (60, ())
    assert cadence(1000).early_steps == (50, 100)
    assert cadence(2000).early_steps == (20, 40, 100, 200)
    assert cadence(100, check_tokens=100).early_steps == (1, 2, 5, 10)
    # Shares that fall on one step are one check; the last step has its own.
    assert cadence(10, check_tokens=10).early_steps == (1,)
    assert cadence(1, check_tokens=1).early_steps == ()
    # Two answers put their prompt through the model twice.
    pairs = [{"prompt_ids": [1] * 30, "chosen_ids": [1] * 20, "rejected_ids": [1] * 20}]
    assert cadence(2000, pairs) == cadence(2000)
    assert cadence(2000, [{"prompt": "a"}]) == (50, 5, (20, 40, 100, 200))


def test_glances_follow_the_summed_learning_rate():
    def glanced(rates):
        clock = list(itertools.accumulate(rates))
        return [step for step in range(1, len(clock) + 1) if is_early_glance(clock, step)]

    constant = glanced([1e-4] * 500)
    assert constant[:6] == [1, 2, 3, 4, 5, 6]
    assert len(constant) < 30
    assert all(b <= 1.25 * a + 2 for a, b in itertools.pairwise(constant))
    # A warm-up from 0: the first step moves nothing, and each of those after it is looked at.
    warm = glanced([1e-5 * step for step in range(10)] + [1e-4] * 490)
    assert warm[:9] == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert glanced([0.0] * 5) == []


def test_checks_and_glances_that_are_due():
    state = MonitorState(every_steps=10, glance_every_steps=4, early_steps=[1, 3], next_check=7)
    clock = [float(step) for step in range(1, 31)]
    assert [step for step in range(31) if is_check_due(state, step)] == [1, 3, 7, 10, 20, 30]
    # What was checked before the step was taken is not checked again.
    state.steps.append(10)
    assert not is_check_due(state, 10)
    assert [step for step in range(31) if is_glance_due(state, clock, step)] == list(
        range(4, 31, 4)
    )
    state.has_early_glances = True
    assert {1, 2, 3} <= {step for step in range(31) if is_glance_due(state, clock, step)}
    # On the rhythm alone, the glance comes after the step, without a copy of the weights.
    ahead = [step for step in range(31) if is_look_ahead_due(state, clock, step)]
    assert ahead == [step for step in range(1, 31) if is_early_glance(clock, step)]
    state.has_early_glances = False
    assert [step for step in range(31) if is_look_ahead_due(state, clock, step)] == list(
        range(4, 31, 4)
    )
    state.glance_every_steps = 0
    assert not any(is_look_ahead_due(state, clock, step) for step in range(31))
    assert not any(is_glance_due(state, clock, step) for step in range(31))


def test_state_survives_json():
    state = MonitorState(every_steps=3, steps=[3, 6], losses={"a": [0.1, 0.2]}, raised=["x:a"])
    state.keep("a", Looks(2, -1.5))
    state.loss.take(2.0, deviations=6.0, factor=2.0)
    again = MonitorState.from_value(json.loads(json.dumps(state.to_value())))
    assert again == state
    assert again.looks("a") == Looks(2, -1.5)
    assert again.looks("b") == Looks()


def test_the_last_safe_snapshot():
    assert last_safe([0, 4, 8], 6) == 4
    with pytest.raises(RunError, match="no snapshot"):
        last_safe([8], 6)


def test_an_offloaded_copy_gives_back_every_bit_and_leaves_no_file(tmp_path):
    kept = {
        "a": torch.tensor([[1.0, float("nan")], [-0.0, 1e-40]]),
        "b": torch.randn(3, 5).T.to(torch.bfloat16),
        "c": torch.tensor(7, dtype=torch.int8),
    }
    copy = OffloadedCopy.of(kept, tmp_path)
    assert list(tmp_path.iterdir()) == []
    for name, tensor in [*kept.items(), *reversed(kept.items())]:
        found = copy.get(name)
        assert (found.shape, found.dtype) == (tensor.shape, tensor.dtype)
        wanted = tensor.contiguous().flatten().view(torch.uint8)
        assert torch.equal(found.contiguous().flatten().view(torch.uint8), wanted)
    # What is handed out is a copy.
    copy.get("a").zero_()
    assert copy.get("a")[0, 0] == 1
    copy.close()


def test_an_offloaded_copy_says_where_there_is_no_room(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        OffloadedCopy.of({"a": torch.zeros(2)}, tmp_path / "gone")
