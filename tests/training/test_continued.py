"""A run that is continued from its probe ends in the weights of the run from scratch, bit for bit."""

import json
import shutil
from pathlib import Path

import datasets
import pytest
import torch
import trl
import trl.trainer.base_trainer
import yaml
from safetensors.torch import load_file

from driftline.engine import RunFolder
from driftline.errors import ConfigError
from driftline.models import (
    Trajectory,
    open_model,
    plan_training,
    read_training_config,
    read_training_data,
    rounded_products,
)
from driftline.training import MonitorSettings, RunStart, TrainRequest, read_log, train
from tests import tiny
from tests.monitor.runs import TEXTS, suite, taught_model

FULL = {
    "learning_rate": 1e-3, "num_train_epochs": 2, "per_device_train_batch_size": 2, "max_length": 64,
    "gradient_accumulation_steps": 2, "warmup_steps": 3, "lr_scheduler_type": "cosine",
    "weight_decay": 0.01, "bf16": False, "seed": 7, "save_strategy": "no",
}  # fmt: skip
LORA = {
    **FULL, "learning_rate": 1e-2, "use_peft": True, "lora_r": 4, "lora_dropout": 0.2,
    "lora_target_modules": "all-linear",
}  # fmt: skip
KINDS = {
    "full": FULL,
    "lora with dropout": LORA,
    "second epoch": {**LORA, "num_train_epochs": 4, "max_steps": -1},
    "saved on the way": {**LORA, "save_strategy": "steps", "save_steps": 3, "logging_steps": 2},
    "noise on embeddings": {**FULL, "neftune_noise_alpha": 5.0},
    "bfloat16 weights": {**FULL, "dtype": "bfloat16"},
    "packed": {**FULL, "packing": True},
    "sampled by length": {**LORA, "train_sampling_strategy": "group_by_length"},
    "mixed precision": {**LORA, "bf16": True},
    "streamed": {**LORA, "dataset_streaming": True, "max_steps": 8},
    "evaluated after the probe": {
        **LORA,
        "eval_strategy": "steps",
        "eval_steps": 2,
        "eval_delay": 5,
    },
    "pissa": {**LORA, "init_lora_weights": "pissa"},
}
NOT_FOR_PLAIN = ("pissa", "evaluated after the probe", "streamed")
"""TRL's command line does not take the field, or `Run.plain` does not read rows so."""
INEXACT = {
    "eval_strategy: the run evaluates at step 2": {"eval_strategy": "steps", "eval_steps": 2},
    "eval_strategy: the run evaluates at step 1": {"eval_strategy": "steps", "eval_steps": 0.05},
    "eval_strategy: the run evaluates at step 0": {
        "eval_strategy": "steps",
        "eval_steps": 50,
        "eval_on_start": True,
    },
    "eval_strategy: the run evaluates at step 10": {"eval_strategy": "epoch"},
    "train_sampling_strategy: after its first pass": {"train_sampling_strategy": "group_by_length"},
    "accelerator_config: after its first pass": {
        "accelerator_config": {"use_seedable_sampler": False},
    },
    "dataset_streaming: after its first pass": {"dataset_streaming": True, "max_steps": 16},
}
"""What the trainer's own resume would get wrong after 11 steps, by the refusal."""
PROBE = {"second epoch": 13}
"""Steps of the probe where they are not 4."""


class Run:
    """The files of one planned run, and the ways to train it."""

    def __init__(self, folder: Path, fields: dict) -> None:
        self.folder, self.model = folder, folder / "base"
        taught_model().save_pretrained(self.model)
        tiny.tokenizer().save_pretrained(self.model)
        (folder / "sft.yaml").write_text(yaml.safe_dump(fields))
        (folder / "data.jsonl").write_text(
            "".join(json.dumps({"text": text}) + "\n" for text in TEXTS)
        )
        self.config = read_training_config(folder / "sft.yaml")
        self.data = read_training_data(folder / "data.jsonl", config=self.config)

    def probe(self, step: int) -> RunStart:
        opened = open_model(str(self.model))
        made = Trajectory(
            opened, self.config, self.data, self.folder / "directions", (step // 2, step),
            plan_training(opened, self.config, self.data), checkpoints=self.folder / "checkpoints",
        )  # fmt: skip
        made.ensure_trained()
        assert made.checkpoint is not None
        assert made.checkpoint.name == f"checkpoint-{step}"
        return RunStart(step, made.checkpoint)

    def trained(self, name: str, start: RunStart | None = None) -> Path:
        request = TrainRequest(
            open_model(str(self.model)), self.data, self.config, (suite(),),
            MonitorSettings(every_steps=2, action="log", step_tokens=64), start=start,
            evaluation=self.data if self.config.evaluates else None,
        )  # fmt: skip
        out = self.folder / name
        with RunFolder.open(out, name, outputs=("report.json",), force=False) as folder:
            self.document = train(request, folder)
        return out

    def plain(self) -> trl.SFTTrainer:
        """The run of TRL's command line on the same files."""
        parser = trl.TrlParser(
            (trl.ScriptArguments, trl.SFTConfig, trl.ModelConfig, trl.DatasetMixtureConfig)
        )
        _, args, options, _ = parser.parse_args_and_config(
            ["--config", str(self.folder / "sft.yaml"), "--output_dir", str(self.folder / "plain"),
             "--use_cpu", "true", "--report_to", "none", "--disable_tqdm", "true"]
        )  # fmt: skip
        args.model_init_kwargs = {"dtype": options.dtype}
        rows = datasets.load_dataset(
            "json", data_files=str(self.folder / "data.jsonl"), split="train",
            cache_dir=str(self.folder / "cache"),
        )  # fmt: skip
        trainer = trl.SFTTrainer(
            model=str(self.model), args=args, train_dataset=rows,
            peft_config=trl.get_peft_config(options),
        )  # fmt: skip
        with rounded_products(trainer.model, bfloat16=bool(args.bf16)):
            trainer.train()
        return trainer


def weights(out: Path) -> dict[str, torch.Tensor]:
    (file,) = (out / "model").glob("*.safetensors")
    return load_file(file)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_a_continued_run_ends_where_the_run_from_scratch_ends(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(trl.trainer.base_trainer, "send_telemetry", lambda *_a, **_k: None)
    run, step = Run(tmp_path, KINDS[kind]), PROBE.get(kind, 4)
    start = run.probe(step)
    whole = weights(run.trained("whole"))
    planned = run.document.planned_steps
    continued = weights(run.trained("continued", start))
    at_probe = load_file(next(start.checkpoint.glob("*model.safetensors")))
    assert run.document.planned_steps == run.document.num_steps == planned > step
    assert run.document.probe_steps == step
    assert continued.keys() == whole.keys()
    for name, weight in whole.items():
        assert torch.equal(continued[name], weight), name
    assert any(not torch.equal(at_probe[name], weight) for name, weight in whole.items())
    if kind in NOT_FOR_PLAIN:
        return
    plain = run.plain()
    plain.save_model(str(tmp_path / "plain" / "model"))
    theirs = weights(tmp_path / "plain")
    assert all(torch.equal(weight, theirs[name]) for name, weight in whole.items())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fields", [FULL, LORA], ids=["full", "lora"])
def test_the_monitor_checks_what_comes_after_the_probe_against_the_base(fields, tmp_path):
    run = Run(tmp_path, fields)
    start = run.probe(4)
    records = {
        name: read_log(run.trained(name, at) / "monitor" / "monitor.jsonl")
        for name, at in (("whole", None), ("continued", start))
    }
    checks = {
        name: {r["step"]: r for r in own if r["event"] == "check"} for name, own in records.items()
    }
    whole, continued = checks["whole"], checks["continued"]
    assert min(whole) == 2
    # A forecast from checks before the probe's end may bring others forward in the whole run.
    regular = [step for step in whole if step > 4 and step % 2 == 0]
    assert regular == [step for step in continued if step % 2 == 0] != []
    read_after = [
        s for s in regular if not (whole[s]["before_step"] or continued[s]["before_step"])
    ]
    assert len(read_after) > len(regular) / 2
    for name in ("losses", "kl_suite_nats"):
        for step in read_after:
            assert continued[step][name] == whole[step][name]
        for step in regular:
            # A step that one of them read ahead is the trainer's but for rounding.
            assert continued[step][name] == pytest.approx(whole[step][name], abs=1e-5)
    assert all(step > 4 for step in continued)
    begun = [(r["event"], r["step"]) for r in records["continued"][:4]]
    assert begun == [("started", 0), ("base", 0), ("alive", 0), ("taken_up", 4)]
    assert "Steps 1 to 4 were trained by the probe" in " ".join(run.document.caveats)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_continued_run_that_is_cut_off_resumes_from_its_own_checkpoint(tmp_path):
    run = Run(tmp_path, {**LORA, "save_strategy": "steps", "save_steps": 6})
    start = run.probe(4)
    out = run.trained("continued", start)
    wanted = weights(out)
    (out / "model").rename(tmp_path / "taken-away")
    for path in (out / "checkpoints").glob("checkpoint-*"):
        if path.name != "checkpoint-6":
            path.rename(tmp_path / path.name)
    again = weights(run.trained("continued", start))
    assert all(torch.equal(again[name], weight) for name, weight in wanted.items())
    events = [r["event"] for r in read_log(out / "monitor" / "monitor.jsonl")]
    assert events.count("taken_up") == 1
    assert "resumed" in events


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("told", INEXACT)
def test_a_run_that_would_end_elsewhere_is_refused(told, tmp_path):
    run = Run(tmp_path, {**LORA, **INEXACT[told]})
    start = run.probe(11)
    with pytest.raises(ConfigError, match=told):
        run.trained("continued", start)


@pytest.mark.filterwarnings("ignore")
def test_a_checkpoint_needs_room_and_is_written_again_if_it_was_cut_off(tmp_path, monkeypatch):
    run = Run(tmp_path, FULL)
    made = Trajectory(
        open_model(str(run.model)), run.config, run.data, tmp_path / "directions", (2, 3),
        plan_training(open_model(str(run.model)), run.config, run.data),
        checkpoints=tmp_path / "checkpoints",
    )  # fmt: skip
    disk = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: disk._replace(free=1000))
    made.ensure_trained()
    assert made.is_trained()
    assert made.checkpoint is None
    assert "more than half of the 0.00 GB free" in made.no_checkpoint
    monkeypatch.undo()
    made.discard()
    made.ensure_trained()
    assert made.no_checkpoint is None
    (made.checkpoint / "trainer_state.json").unlink()
    assert not made.is_trained()
    made.ensure_trained()
    assert made.checkpoint.name == "checkpoint-3"
    assert not list(made.checkpoint.glob("*.bin"))
    assert {path.name for path in made.checkpoint.iterdir()} >= {
        "model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json",
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_a_run_that_is_ended_before_the_last_kept_step_has_no_checkpoint(tmp_path):
    run = Run(tmp_path, FULL)
    opened = open_model(str(run.model))
    made = Trajectory(
        opened, run.config, run.data, tmp_path / "directions", (2, 4),
        plan_training(opened, run.config, run.data), checkpoints=tmp_path / "checkpoints",
        goes_on=lambda step: step < 3,
    )  # fmt: skip
    assert not made.train().is_whole
    assert made.checkpoint is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fields", [FULL, LORA], ids=["full", "lora with dropout"])
def test_a_probe_that_ended_early_is_continued_to_the_run_from_scratch(fields, tmp_path):
    run, seen = Run(tmp_path, fields), []
    opened = open_model(str(run.model))
    made = Trajectory(
        opened, run.config, run.data, tmp_path / "directions", (2, 4, 8),
        plan_training(opened, run.config, run.data), checkpoints=tmp_path / "checkpoints",
    )  # fmt: skip

    def is_enough(step: int) -> bool:
        seen.append(step)
        torch.rand(step)
        opened.model(torch.tensor([[1, 2, 3]]))
        return step == 4

    made.end_where(is_enough)
    made.ensure_trained()
    assert seen == [2, 4]
    assert made.checkpoint.name == "checkpoint-4"
    assert [path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*")] == [
        "checkpoint-4"
    ]
    whole = weights(run.trained("whole"))
    continued = weights(run.trained("continued", RunStart(4, made.checkpoint)))
    assert run.document.probe_steps == 4
    assert all(torch.equal(continued[name], weight) for name, weight in whole.items())
