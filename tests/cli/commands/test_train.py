"""`driftline train`: from a protocol and from TRL's YAML; resume; refusals."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from driftline.models.trainer._lever_trainer import LeverTrainer
from driftline.monitor.handles._live import CapabilityWatch, LiveModel
from driftline.results import TrainingRun
from driftline.training import read_log
from tests import tiny
from tests.monitor.runs import TEXTS, suite, taught_model


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    """A protocol with all its files beside it."""
    taught_model().save_pretrained(tmp_path / "base")
    tiny.tokenizer().save_pretrained(tmp_path / "base")
    lines = [json.dumps({"text": text}) + "\n" for text in TEXTS]
    (tmp_path / "data.jsonl").write_text("".join(lines))
    watched = [
        {
            "name": c.name,
            "scorer": c.scorer,
            "metric": c.metric,
            "tolerance": c.tolerance,
            "required": c.required,
            "items": [item.model_dump(mode="json", exclude_none=True) for item in c.items],
        }
        for c in suite().capabilities
    ]
    watched_file = {"schema": "driftline/suite/1", "capabilities": watched}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(watched_file))
    config = {
        "learning_rate": 1e-3, "max_steps": 4, "per_device_train_batch_size": 4, "max_length": 64,
        "bf16": False, "activation_checkpointing": False, "save_steps": 2, "seed": 0,
    }  # fmt: skip
    (tmp_path / "sft.yaml").write_text(yaml.safe_dump(config))
    values = {
        "schema": "driftline/protocol/1",
        "model": "base",
        "data": "data.jsonl",
        "config": config,
        "suites": ["suite.yaml"],
        "monitor": {"every_steps": 2, "step_tokens": 64},
    }
    path = tmp_path / "protocol.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.slow
def test_a_protocol_is_trained_reported_and_ready_to_certify(run, protocol, tmp_path):
    out = tmp_path / "out"
    code, text, err = run("train", str(protocol), "--out", str(out), "--json")
    document = TrainingRun.from_json(text)
    assert code == {"no_alarm": 0, "unsafe": 1, "inconclusive": 3}[document.verdict], err
    assert document.num_steps == document.planned_steps == 4
    assert [point.step for point in document.checks] == [1, 2, 4]
    assert TrainingRun.from_json((out / "report.json").read_text()) == document
    page = (out / "report.html").read_text()
    assert "Training under the monitor" in page
    assert "<script" not in page
    assert AutoModelForCausalLM.from_pretrained(out / document.model_folder).num_parameters() > 0
    events = [record["event"] for record in read_log(out / "monitor" / "monitor.jsonl")]
    assert events[:3] == ["started", "base", "alive"]
    # A finished run is not overwritten.
    code, _, err = run("train", str(protocol), "--out", str(out))
    assert code == 2
    assert "finished run" in err


def test_levers_of_a_protocol_are_honoured_and_reported(run, protocol, tmp_path):
    values = yaml.safe_load(protocol.read_text())
    values["levers"] = {
        "frozen_modules": ["model.layers.0"], "kl_to_base": 0.5, "replay_share": 0.25,
        "interpolation": 0.5, "interpolated_modules": {"model.layers.1.mlp": 0.0},
    }  # fmt: skip
    protocol.write_text(yaml.safe_dump(values))
    out = tmp_path / "out"
    code, text, err = run("train", str(protocol), "--out", str(out), "--json")
    assert code in (0, 1, 3), err
    document = TrainingRun.from_json(text)
    assert document.num_steps == 4
    assert document.provenance.config_values["levers"] == values["levers"]
    assert "as they would have come out at each check" in document.caveats[-1]
    mixed = (out / "train-with-replay.jsonl").read_text().removesuffix("\n").split("\n")
    known = {json.dumps({"text": text}) for text in TEXTS}
    assert len(mixed) == len(TEXTS)
    assert sum(line not in known for line in mixed) == len(TEXTS) // 4
    base, tuned = (
        dict(AutoModelForCausalLM.from_pretrained(folder).named_parameters())
        for folder in (tmp_path / "base", out / "model")
    )
    for name, weight in tuned.items():
        is_the_bases = name.startswith(("model.layers.0.", "model.layers.1.mlp."))
        assert torch.equal(weight, base[name]) == is_the_bases, name


@pytest.mark.parametrize("fields", [{}, {"use_peft": True, "lora_r": 4}])
def test_the_monitor_sees_a_scaled_update_as_it_comes_out(run, protocol, tmp_path, fields):
    values = yaml.safe_load(protocol.read_text())
    values["levers"] = {"interpolation": 0.25, "interpolated_modules": {"model.layers.1.mlp": 0.5}}
    values["config"] |= {"learning_rate": 1e-2, **fields}
    protocol.write_text(yaml.safe_dump(values))
    out = tmp_path / "out"
    code, text, err = run(
        "train", str(protocol), "--out", str(out), "--action", "warn", "--items", "1000", "--json"
    )
    assert code in (0, 1, 3), err
    document = TrainingRun.from_json(text)
    losses = []
    for source in (tmp_path / "base", out / document.model_folder):
        model = AutoModelForCausalLM.from_pretrained(source)
        live = LiveModel.of(model, tiny.tokenizer(), bfloat16=False, source="tiny")
        losses.append(CapabilityWatch(live, suite().capabilities).losses())
    last = document.checks[-1]
    assert last.step == document.num_steps
    for name, seen in last.losses.items():
        lost = (losses[1][name] - losses[0][name]).mean()
        assert seen == pytest.approx(lost, abs=1e-4)
        assert abs(seen) > 1e-3


def test_an_unknown_lever_is_bad_input(run, protocol, tmp_path):
    values = yaml.safe_load(protocol.read_text()) | {"levers": {"kl": 0.5}}
    protocol.write_text(yaml.safe_dump(values))
    code, _, err = run("train", str(protocol), "--out", str(tmp_path / "out"))
    assert code == 2
    assert "levers: unknown key kl;" in err


def test_a_step_of_trls_own_yaml_with_ruinous_rate_is_averted(run, protocol, tmp_path):
    config = yaml.safe_load((tmp_path / "sft.yaml").read_text())
    config |= {"learning_rate": 0.3, "max_grad_norm": 0.0}
    (tmp_path / "sft.yaml").write_text(yaml.safe_dump(config))
    code, text, err = run(
        "train", str(tmp_path / "sft.yaml"), "--model", str(tmp_path / "base"),
        "--data", str(tmp_path / "data.jsonl"), "--suite", str(tmp_path / "suite.yaml"),
        "--every", "2", "--action", "stop", "--out", str(tmp_path / "ruin"),
    )  # fmt: skip
    assert code == 3, err
    assert text.startswith("INCONCLUSIVE:")
    assert "averted" in text


@pytest.mark.slow
def test_a_run_that_was_cut_off_goes_on_from_its_checkpoint(run, protocol, tmp_path):
    out = tmp_path / "out"
    run("train", str(protocol), "--out", str(out), "--json")
    before = (out / "report.json").read_text()
    for name in ("report.json", "report.html"):
        (out / name).unlink()
    (out / "model").rename(tmp_path / "taken-away")
    (out / "checkpoints" / "checkpoint-4").rename(tmp_path / "checkpoint-4")
    run("train", str(protocol), "--out", str(out), "--json")
    first, again = (TrainingRun.from_json(t) for t in (before, (out / "report.json").read_text()))
    assert again.checks == first.checks
    assert again.capabilities == first.capabilities
    log = (out / "monitor" / "monitor.jsonl").read_text()
    assert '"resumed"' in log


@pytest.mark.slow
@pytest.mark.usefixtures("ctrl_c_arrives")
def test_a_run_that_is_interrupted_says_how_to_go_on_and_ends_as_one_without(
    run, protocol, tmp_path, monkeypatch
):
    step = LeverTrainer.training_step

    def interrupted(trainer, *args, **kwargs):
        if trainer.state.global_step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return step(trainer, *args, **kwargs)

    out, whole = tmp_path / "out", tmp_path / "whole"
    with monkeypatch.context() as patched:
        patched.setattr(LeverTrainer, "training_step", interrupted)
        code, _, err = run("train", str(protocol), "--out", str(out))
    assert code == 130
    assert f"the same command resumes from the last checkpoint in {out}" in " ".join(err.split())
    assert not (out / "report.json").exists()
    for folder in (out, whole):
        run("train", str(protocol), "--out", str(folder))
    held = [load_file(folder / "model" / "model.safetensors") for folder in (out, whole)]
    assert all(torch.equal(held[0][name], held[1][name]) for name in held[1])
    events = [event["event"] for event in read_log(out / "monitor" / "monitor.jsonl")]
    assert "resumed" in events


def test_a_key_that_stands_twice_in_a_protocol_is_refused(run, protocol):
    protocol.write_text(protocol.read_text() + "model: other\n")
    code, _, err = run("train", str(protocol))
    assert code == 2
    assert "protocol.yaml: line" in err
    assert "duplicate key model" in err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": "driftline/protocol/9"}, "schema"),
        ({"colour": "red"}, "unknown key colour"),
        ({"monitor": {"alhpa": 0.1}}, "unknown key alhpa"),
        ({"monitor": {"alpha": 2}}, "alpha: 2 is not above 0 and at most 0.5"),
        ({"monitor": {"every_steps": "often"}}, "wrong kind"),
        ({"config": {"learning_rat": 1e-3}}, "did you mean learning_rate"),
        ({"config": None}, "config: give TRL's fields"),
        ({"suites": 3}, "suites: give a list"),
        ({"data": None}, "names no data"),
        ({"model": None}, "names no model"),
        ({"assessment": "nowhere.json"}, "nowhere.json"),
    ],
)
def test_bad_protocols_are_refused_with_the_culprit(run, protocol, tmp_path, change, told):
    values = yaml.safe_load(protocol.read_text()) | change
    protocol.write_text(yaml.safe_dump(values))
    code, out, err = run("train", str(protocol), "--out", str(tmp_path / "out"))
    assert code == 2, err
    assert told in err
    assert out == ""
    assert "Traceback" not in err
    assert not (tmp_path / "out" / "report.json").exists()


def test_a_missing_protocol_is_refused(run, tmp_path):
    code, _, err = run("train", str(tmp_path / "nowhere.yaml"))
    assert code == 2
    assert "nowhere.yaml: cannot be read" in err


def test_items_are_capped_as_asked_and_the_report_says_what_that_costs(run, protocol, tmp_path):
    out = tmp_path / "few"
    code, text, err = run("train", str(protocol), "--items", "25", "--out", str(out), "--json")
    assert code in (0, 1, 3), err
    document = TrainingRun.from_json(text)
    assert {c.num_items for c in document.capabilities} == {25}
    assert {c.num_groups for c in document.capabilities} == {25}
    (said,) = (c for c in document.caveats if "as --items asks" in c)
    assert "25 of 40 items" in said
