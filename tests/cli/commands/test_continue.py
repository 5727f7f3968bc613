"""`train --from` and `--then-train`: the planned run is continued from its probe, or refused by name."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from driftline.results import Assessment, TrainingRun
from tests import tiny
from tests.monitor.runs import TEXTS, suite, taught_model

CONFIG = {
    "learning_rate": 1e-3, "max_steps": 10, "per_device_train_batch_size": 4, "max_length": 64,
    "bf16": False, "use_peft": True, "lora_r": 4, "lora_dropout": 0.1, "seed": 0,
    "save_strategy": "no",
}  # fmt: skip


def write_files(folder: Path, *, tolerance: float) -> list[str]:
    """Write the files of a planned run.

    Returns:
        The arguments of `forecast`.
    """
    taught_model().save_pretrained(folder / "base")
    tiny.tokenizer().save_pretrained(folder / "base")
    (folder / "data.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in TEXTS))
    (folder / "sft.yaml").write_text(yaml.safe_dump(CONFIG))
    texts = suite().capabilities[0]
    items = [item.model_dump(mode="json", exclude_none=True) for item in texts.items]
    watched = {
        "name": texts.name, "scorer": texts.scorer, "metric": texts.metric, "tolerance": tolerance,
        "items": items,
    }  # fmt: skip
    (folder / "suite.yaml").write_text(
        yaml.safe_dump({"schema": "driftline/suite/1", "capabilities": [watched]})
    )
    return [
        "forecast", str(folder / "base"), "--data", str(folder / "data.jsonl"),
        "--config", str(folder / "sft.yaml"), "--suite", str(folder / "suite.yaml"),
        "--out", str(folder / "run"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def forecast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a planned run, and `run/`, its finished forecast; tests work on copies."""
    from driftline.cli import main

    folder = tmp_path_factory.mktemp("forecast")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["driftline", *write_files(folder, tolerance=0.1)])
        with pytest.raises(SystemExit) as stopped:
            main()
    assert stopped.value.code in (0, 1, 3)
    return folder


@pytest.fixture
def copied(forecast, tmp_path):
    """A copy of it: names in the document are relative to the run folder."""
    shutil.copytree(forecast, tmp_path / "copy")
    return tmp_path / "copy"


def tuned(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model" / "adapter_model.safetensors")


def test_a_forecast_is_continued_to_the_run_from_step_1(run, copied):
    document = Assessment.from_json((copied / "run" / "report.json").read_text())
    kept = document.checkpoint
    assert kept.step == 2
    assert kept.folder == "checkpoints/checkpoint-2"
    assert kept.inputs.data == "../data.jsonl"
    assert kept.num_bytes == sum(f.stat().st_size for f in (copied / "run" / kept.folder).iterdir())
    code, text, err = run("train", "--from", str(copied / "run"), "--every", "2", "--json")
    assert code in (0, 1, 3), err
    assert "steps 1 to 2 were trained by the probe" in err
    continued = TrainingRun.from_json(text)
    assert continued.probe_steps == 2
    assert continued.num_steps == continued.planned_steps == 10
    assert all(point.step > 2 for point in continued.checks)
    code, text, err = run(
        "train", str(copied / "sft.yaml"), "--model", str(copied / "base"), "--data",
        str(copied / "data.jsonl"), "--suite", str(copied / "suite.yaml"), "--every", "2",
        "--out", str(copied / "whole"), "--json",
    )  # fmt: skip
    assert code in (0, 1, 3), err
    assert TrainingRun.from_json(text).probe_steps is None
    wanted, found = tuned(copied / "whole"), tuned(copied / "run-train")
    assert wanted.keys() == found.keys()
    assert all(torch.equal(found[name], weight) for name, weight in wanted.items())


def change_config(folder: Path, **fields: object) -> None:
    values = yaml.safe_load((folder / "sft.yaml").read_text()) | fields
    (folder / "sft.yaml").write_text(yaml.safe_dump(values))


def add_row(folder: Path) -> None:
    with (folder / "data.jsonl").open("a") as file:
        file.write('{"text": "one more"}\n')


def other_model(folder: Path) -> None:
    shutil.rmtree(folder / "base")
    tiny.save(folder / "base", seed=3)


def damage(folder: Path) -> None:
    path = folder / "run" / "checkpoints" / "checkpoint-2" / "optimizer.pt"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def edit_report(folder: Path, **changes: object) -> None:
    path = folder / "run" / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


CHANGES = {
    "rate": (lambda f: change_config(f, learning_rate=2e-3), "learning_rate: the probe"),
    "field": (lambda f: change_config(f, weight_decay=0.1), "weight_decay: the probe"),
    "skip": (lambda f: change_config(f, ignore_data_skip=True), "ignore_data_skip: would train"),
    "rows": (add_row, "data.jsonl: its rows are not those"),
    "model": (other_model, "is not the base that the probe"),
    "damaged": (damage, "optimizer.pt: has changed since the probe"),
    "gone": (
        lambda f: shutil.rmtree(f / "run" / "checkpoints"), "README.md|safetensors|json: is missing"
    ),
    "none": (lambda f: edit_report(f, checkpoint=None), "holds no checkpoint of its probe"),
    "margin": (lambda f: edit_report(f, schema="driftline/margin/1"), "whose probe is not kept"),
    "unfinished": (lambda f: (f / "run" / "report.json").unlink(), "holds no finished run"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_run_is_refused_by_name(kind, run, copied):
    change, told = CHANGES[kind]
    change(copied)
    code, out, err = run("train", "--from", str(copied / "run"))
    assert code == 2, err
    assert any(part in err for part in told.split("|")), err
    assert out == ""
    assert "Traceback" not in err
    assert not (copied / "run-train" / "model").exists()


def test_the_folder_of_the_probe_and_a_protocol_with_levers_are_refused(run, copied):
    code, _, err = run("train", "--from", str(copied / "run"), "--out", str(copied / "run"))
    assert code == 2
    assert "is the run folder of --from" in err
    values = {
        "schema": "driftline/protocol/1", "config": "sft.yaml",
        "levers": {"kl_to_base": 0.5},
    }  # fmt: skip
    (copied / "protocol.yaml").write_text(yaml.safe_dump(values))
    code, _, err = run("train", str(copied / "protocol.yaml"), "--from", str(copied / "run"))
    assert code == 2
    assert "levers: the probe" in err
    code, _, err = run("train")
    assert code == 2
    assert "give PROTOCOL, or --from RUN" in err


def test_a_protocol_says_how_to_watch_and_where_moved_files_are(run, copied):
    (copied / "moved").mkdir()
    for name in ("data.jsonl", "sft.yaml"):
        (copied / name).rename(copied / "moved" / name)
    change_config(copied / "moved", save_strategy="steps", save_steps=5)
    values = {
        "schema": "driftline/protocol/1", "config": "sft.yaml", "data": "data.jsonl",
        "monitor": {"every_steps": 4, "action": "warn"},
    }  # fmt: skip
    provenance = json.loads((copied / "run" / "report.json").read_text())["provenance"]
    provenance["numerics"]["num_threads"] = 99
    edit_report(copied, provenance=provenance)
    path = copied / "moved" / "protocol.yaml"
    path.write_text(yaml.safe_dump(values))
    code, text, err = run("train", str(path), "--from", str(copied / "run"), "--json")
    assert code in (0, 1, 3), err
    assert "threads: 99 in the probe" in err
    assert TrainingRun.from_json(text).every_steps == 4
    # At the run's own steps, and not at those of the probe's checkpoint.
    assert (copied / "run-train" / "checkpoints" / "checkpoint-5").is_dir()


@pytest.mark.slow
def test_a_safe_forecast_goes_on_to_train_and_resumes_where_it_was_cut_off(run, tmp_path):
    arguments = [*write_files(tmp_path, tolerance=2.5), "--then-train", "--json"]
    code, text, err = run(*arguments)
    document = TrainingRun.from_json(text)
    assert code == {"no_alarm": 0, "unsafe": 1, "inconclusive": 3}[document.verdict], err
    assert document.probe_steps == 2
    assert Assessment.from_json((tmp_path / "run" / "report.json").read_text()).verdict == "safe"
    out = tmp_path / "run-train"
    first = tuned(out)
    for name in ("report.json", "report.html"):
        (out / name).unlink()
    (out / "model").rename(tmp_path / "taken-away")
    code, _, err = run(*arguments)
    assert code == {"no_alarm": 0, "unsafe": 1, "inconclusive": 3}[document.verdict], err
    assert "taking the finished assessment" in err
    assert all(torch.equal(tuned(out)[name], weight) for name, weight in first.items())


@pytest.mark.slow
def test_a_safe_forecast_by_another_tolerance_is_not_taken(run, tmp_path):
    arguments = write_files(tmp_path, tolerance=2.5)
    assert run(*arguments)[0] == 0
    suite = tmp_path / "suite.yaml"
    suite.write_text(suite.read_text().replace("tolerance: 2.5", "tolerance: 0.0001"))
    code, _, err = run(*arguments, "--then-train")
    assert code == 2
    assert "holds a finished run; give another --out, or --force" in err
    assert not (tmp_path / "run-train").exists()


def test_a_forecast_that_is_not_safe_stops_and_says_so(run, tmp_path):
    # Nothing is called safe so early.
    arguments = [*write_files(tmp_path, tolerance=0.1), "--probe", "0.05"]
    code, text, err = run(*arguments, "--then-train")
    verdict = Assessment.from_json((tmp_path / "run" / "report.json").read_text()).verdict
    assert (verdict, code) in (("at_risk", 3), ("unsafe", 1))
    assert f"not trained further: the verdict is {verdict}" in err
    assert "driftline train --from" in text
    assert not (tmp_path / "run-train").exists()


@pytest.mark.parametrize(
    ("command", "options", "told"),
    [
        ("margin", (), "margin keeps no probe"),
        ("map", (), "map keeps no probe"),
        ("forecast", ("--no-checkpoint",), "drop --no-checkpoint"),
        ("assess", ("--load-in", "4bit"), "drop --load-in 4bit"),
    ],
)
def test_what_cannot_be_continued_is_refused_before_the_probe(run, planned, command, options, told):
    code, _, err = run(*planned.arguments(command), *options, "--then-train")
    assert code == 2
    assert told in err
    assert not planned.out.exists()


def test_without_a_checkpoint_none_is_kept(run, tmp_path):
    code, text, err = run(*write_files(tmp_path, tolerance=0.1), "--no-checkpoint", "--json")
    assert code in (0, 1, 3), err
    assert Assessment.from_json(text).checkpoint is None
    assert not (tmp_path / "run" / "checkpoints").exists()
