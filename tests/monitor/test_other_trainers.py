"""The monitor inside TRL's DPOTrainer and GRPOTrainer: real runs of a few steps on a tiny model."""

from pathlib import Path

import datasets
import pytest
import torch
import transformers
from peft import LoraConfig
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer

from driftline.monitor import Thresholds
from driftline.training import MonitorSettings, StabilityMonitor, read_log
from tests import tiny
from tests.monitor.runs import suite, taught_model

NUM_STEPS = 4
PLAIN = {
    "learning_rate": 1e-3,
    "per_device_train_batch_size": 4,
    "bf16": False,
    "max_steps": NUM_STEPS,
    "logging_steps": 1,
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
    "use_cpu": True,
    "seed": 0,
}


class _QuietDPO(DPOTrainer):
    def _send_telemetry(self) -> None:
        """Without."""


class _QuietGRPO(GRPOTrainer):
    def _send_telemetry(self) -> None:
        """Without."""


def _dpo(out: Path, *, lora: bool) -> DPOTrainer:
    rows = [
        {"prompt": f"{i} plus one is", "chosen": f" {i + 1}.", "rejected": f" {i}."}
        for i in range(16)
    ]
    return _QuietDPO(
        model=taught_model(),
        # Made by hand: the trainer would load one by the model's name.
        ref_model=None if lora else taught_model(),
        args=DPOConfig(output_dir=str(out), max_length=48, **PLAIN),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tiny.tokenizer(),
        peft_config=_adapter() if lora else None,
    )


def _grpo(out: Path, *, lora: bool) -> GRPOTrainer:
    def digits(completions: list[str], **_kwargs: object) -> list[float]:
        return [float(sum(letter.isdigit() for letter in text)) for text in completions]

    return _QuietGRPO(
        model=taught_model(),
        reward_funcs=digits,
        args=GRPOConfig(
            output_dir=str(out), num_generations=4, max_completion_length=6, beta=0.0, **PLAIN
        ),
        train_dataset=datasets.Dataset.from_list([{"prompt": f"Day {i}:"} for i in range(16)]),
        processing_class=tiny.tokenizer(),
        peft_config=_adapter() if lora else None,
    )


def _adapter() -> LoraConfig:
    return LoraConfig(r=4, lora_dropout=0.1, target_modules="all-linear", task_type="CAUSAL_LM")


@pytest.mark.slow
@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("make", [_dpo, _grpo], ids=["dpo", "grpo"])
def test_a_run_is_watched_and_bit_for_bit_the_one_without_the_monitor(tmp_path, make, lora):
    weights = {}
    for name in ("off", "on"):
        torch.manual_seed(0)
        trainer = make(tmp_path / name, lora=lora)
        trainer.remove_callback(transformers.PrinterCallback)
        if name == "on":
            settings = MonitorSettings(
                every_steps=2,
                action="log",
                step_tokens=128,
                # So that even a step that moves little is looked at before it is taken.
                thresholds=Thresholds(glance_kl_nats=1e-9),
            )
            StabilityMonitor([suite()], settings).attach(trainer)
        trainer.train()
        trained = trainer.accelerator.unwrap_model(trainer.model)
        weights[name] = {n: p.detach().clone() for n, p in trained.named_parameters()}
    for parameter, value in weights["off"].items():
        assert torch.equal(value, weights["on"][parameter]), parameter
    events = list(read_log(tmp_path / "on" / "monitor" / "monitor.jsonl"))
    checks = [event for event in events if event["event"] == "check"]
    assert {2, NUM_STEPS} <= {check["step"] for check in checks}
    assert any(check["before_step"] for check in checks)
    assert not [event for event in events if event["event"] == "check_failed"]
    assert all(check["update_relative_norm"] > 0 for check in checks)
    assert checks[-1]["losses"]["texts"] != 0
    # Their losses are no mean over labelled tokens, and the log says so.
    assert all(check["unpredictability"] is None and check["reasons"] for check in checks)
    assert any("drift/loss/texts" in row for row in trainer.state.log_history)


@pytest.mark.parametrize("make", [_dpo, _grpo], ids=["dpo", "grpo"])
def test_a_ruinous_rate_raises_an_alarm(tmp_path, make):
    trainer = make(tmp_path, lora=False)
    trainer.args.learning_rate = 0.05
    trainer.remove_callback(transformers.PrinterCallback)
    settings = MonitorSettings(every_steps=1, action="stop")
    monitor = StabilityMonitor([suite()], settings).attach(trainer)
    trainer.train()
    assert monitor.alarms
    assert trainer.state.global_step < NUM_STEPS or len(monitor.alarms) == 1
