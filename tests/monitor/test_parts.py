"""Log, spikes, steps left, settings, cadence, state: without a model."""

import json

import numpy
import pytest
import torch
from transformers import TrainingArguments

from driftline.errors import ConfigError, OutputError, RunError
from driftline.monitor._cadence import affordable_cadence
from driftline.monitor.actions._interventions import last_safe, lower_learning_rate
from driftline.monitor.actions._log import MonitorLog, unfinished_check
from driftline.monitor.detectors._state import MonitorState
from driftline.monitor.handles._offloaded_copy import OffloadedCopy
from driftline.monitor.signals._reforecast import (
    MarginLink,
    StepsLeft,
    fewest,
    planned_rates,
    steps_left,
)
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


def test_steps_left_follow_the_losses_and_the_schedule():
    rates = [1e-4] * 100
    found = steps_left("code", 0.25, steps=(5, 10), losses=(0.05, 0.12), learning_rates=rates)
    assert 1 < found.steps < 60
    assert steps_left("code", 0.25, steps=(5,), losses=(0.3,), learning_rates=rates).steps == 0
    assert steps_left("code", 0.25, steps=(5,), losses=(-0.1,), learning_rates=rates).steps is None
    assert fewest([StepsLeft("a", None), found, StepsLeft("b", 200.0)]) == found
    assert fewest([StepsLeft("a", None)]) is None


def test_steps_left_of_a_probability_go_by_its_margins():
    rates, margins = [1e-4] * 100, (0.1, 0.2)
    odds = numpy.full(20, 1.0)

    def lost(shift):
        return float(1 / (1 + numpy.exp(-1.0 - 0.2)) - 1 / (1 + numpy.exp(shift - 0.2 - 1.0)))

    found = steps_left(
        "pairs", lost(0.4), steps=(5, 10), losses=(lost(0.1), lost(0.2)), learning_rates=rates,
        link=MarginLink(margins, odds),
    )  # fmt: skip
    in_nats = steps_left("pairs", 0.4, steps=(5, 10), losses=margins, learning_rates=rates)
    assert found.steps == pytest.approx(in_nats.steps, abs=0.5)
    never = steps_left(
        "pairs", 0.9, steps=(5, 10), losses=(lost(0.1), lost(0.2)), learning_rates=rates,
        link=MarginLink(margins, odds),
    )  # fmt: skip
    assert never.steps is None


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
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(ConfigError, match=r"monitor: (num_snapshots|" + next(iter(change)) + ")"):
        MonitorSettings(**change)


def test_start_checks_and_glances_cost_no_more_than_they_may(tmp_path):
    args = TrainingArguments(
        output_dir=str(tmp_path), per_device_train_batch_size=4, gradient_accumulation_steps=2,
        use_cpu=True, report_to="none",
    )  # fmt: skip

    def found(rows, num_steps=2000):
        return affordable_cadence(
            args, rows, check_tokens=9000, glance_tokens=200, num_steps=num_steps, overhead=0.025
        )

    rows = [{"input_ids": [1] * 100}] * 10
    cadence, step = found(rows), 3 * 8 * 100
    num_checks, num_glances = 2000 / cadence.every_steps, 2000 / cadence.glance_every_steps
    assert 4 * 9000 + num_checks * 9000 + num_glances * 200 <= 0.025 * 2000 * step
    assert 4 * 9000 + (num_checks + 2) * 9000 + num_glances * 200 > 0.025 * 2000 * step
    # A run that cannot pay for a check has one at its end.
    assert found(rows, num_steps=60).every_steps == 60
    # Two answers put their prompt through the model twice.
    pairs = [{"prompt_ids": [1] * 30, "chosen_ids": [1] * 20, "rejected_ids": [1] * 20}]
    assert found(pairs) == cadence
    assert found([{"prompt": "a"}]) == (50, 5)


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
