"""What is written for other trainers: TRL's own command line runs it to the same weights."""

import json

import pytest
import safetensors.torch
import torch
import trl.trainer.base_trainer
import yaml
from trl.scripts import sft

from driftline.models import (
    Levers,
    lever_trainer,
    open_model,
    read_training_config,
    read_training_data,
)
from driftline.training import ExportedRun, write_exports
from tests import tiny

CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello there"}]
FIELDS = {
    "learning_rate": "1e-3", "per_device_train_batch_size": 4, "max_length": 64, "bf16": False,
    "warmup_steps": 0.1, "lr_scheduler_type": "cosine", "weight_decay": 0.3, "eval_strategy": "steps",
    "num_train_epochs": 3, "gradient_accumulation_steps": 2, "save_strategy": "no", "report_to": "none",
}  # fmt: skip
LORA = {
    **FIELDS, "use_peft": True, "r": 4, "lora_alpha": 8, "target_modules": ["up_proj", "down_proj"],
}  # fmt: skip
TEXTS = [{"text": f"number {i}"} for i in range(16)]


@pytest.fixture
def made(tmp_path):
    """Writes a run's exports; gives the run, what they leave out, and what each holds."""

    def make(fields=FIELDS, records=TEXTS, levers=None, num_steps=20):
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(fields))
        (tmp_path / "d.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
        config = read_training_config(tmp_path / "c.yaml")
        data = read_training_data(tmp_path / "d.jsonl")
        model = str(tiny.save(tmp_path / "base", "llama"))
        run = ExportedRun(model, data, config, levers or Levers(), num_steps)
        left_out = write_exports(run, tmp_path / "out")
        files = {
            name: yaml.safe_load((tmp_path / "out" / f"{name}.yaml").read_text())
            for name in ("trl", "axolotl", "llamafactory")
        }
        return run, left_out, files

    return make


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fields", [FIELDS, LORA], ids=["full", "lora"])
def test_trls_command_line_trains_it_to_the_same_weights(made, tmp_path, monkeypatch, fields):
    monkeypatch.setattr(trl.trainer.base_trainer, "send_telemetry", lambda *_a, **_k: None)
    fields = {**fields, "use_cpu": True, "disable_tqdm": True}
    run, left_out, _ = made(fields, num_steps=2)
    assert left_out["trl.yaml"] == ()
    file = str(tmp_path / "out" / "trl.yaml")
    sft.main(*sft.make_parser().parse_args_and_config(["--config", file]))

    opened = open_model(run.model)
    arguments = run.config.with_values(max_steps=2).trainer_arguments(tmp_path / "x", use_cpu=True)
    ours = lever_trainer(opened, run.config, run.data, arguments=arguments, levers=Levers())
    ours.train()
    ours.save_model(str(tmp_path / "ours"))
    name = "adapter_model.safetensors" if "use_peft" in fields else "model.safetensors"
    theirs, wanted = (
        safetensors.torch.load_file(folder / name)
        for folder in (tmp_path / "out" / "trl", tmp_path / "ours")
    )
    assert theirs.keys() == wanted.keys()
    assert all(torch.equal(theirs[key], wanted[key]) for key in wanted)


def test_the_same_run_in_each_trainers_words(made, tmp_path):
    _, left_out, files = made(LORA)
    assert left_out["trl.yaml"] == left_out["axolotl.yaml"] == ()
    assert left_out["llamafactory.yaml"] == ("packing: false (stage pt packs texts)",)
    axolotl, factory = files["axolotl"], files["llamafactory"]
    for values in (axolotl, factory):
        assert values["max_steps"] == 20
        assert values["warmup_steps"] == 2
        assert values["learning_rate"] == 1e-3
        assert values["weight_decay"] == 0.3
        assert values["gradient_accumulation_steps"] == 2
    data = str(tmp_path / "out" / "train.jsonl")
    assert axolotl["datasets"] == [
        {"path": data, "ds_type": "json", "type": "completion", "field": "text"}
    ]
    assert axolotl["adapter"] == "lora"
    assert (axolotl["lora_r"], axolotl["lora_alpha"], axolotl["sequence_len"]) == (4, 8, 64)
    assert axolotl["lora_target_modules"] == ["down_proj", "up_proj"]
    assert axolotl["micro_batch_size"] == 4
    assert factory["finetuning_type"] == "lora"
    assert factory["lora_target"] == "down_proj,up_proj"
    assert (factory["lora_rank"], factory["cutoff_len"]) == (4, 64)


def test_what_a_trainer_has_no_word_for_is_named(made, tmp_path):
    fields = {**LORA, "init_lora_weights": "pissa", "loss_type": "dft"}
    levers = Levers(
        kl_to_base=0.1,
        interpolation=0.5,
        interpolated_modules=(("lm_head", 0.0),),
        replay_share=0.1,
    )
    _, left_out, _ = made(fields, levers=levers)
    held = ("kl_to_base", "interpolation", "interpolated_modules")
    assert left_out["trl.yaml"] == (*held, "init_lora_weights")
    assert left_out["axolotl.yaml"] == (*held, "init_lora_weights", "loss_type")
    for name, missing in left_out.items():
        text = (tmp_path / "out" / name).read_text()
        assert f"(omitted): {', '.join(missing)}\n" in text.split("\n\n")[0]


def test_the_entropy_gate_has_a_word_in_llama_factory(made):
    _, left_out, files = made(levers=Levers(entropy_gate=True))
    assert "entropy_gate" in left_out["axolotl.yaml"]
    assert "entropy_gate" not in left_out["llamafactory.yaml"]
    assert files["llamafactory"]["use_eaft_loss"] is True


@pytest.mark.parametrize(
    ("record", "axolotl_type", "formatting", "on_all"),
    [
        ({"text": "a"}, "completion", None, True),
        ({"messages": CHAT}, "chat_template", "sharegpt", True),
        ({"prompt": "a", "completion": "b"}, dict, None, False),
        ({"prompt": CHAT[:1], "completion": CHAT[1:]}, "chat_template", "sharegpt", False),
    ],
    ids=["text", "messages", "prompt", "chat"],
)
def test_each_layout_is_said(made, tmp_path, record, axolotl_type, formatting, on_all):
    _, left_out, files = made(records=[record] * 16)
    (dataset,) = files["axolotl"]["datasets"]
    if axolotl_type is dict:
        assert dataset["type"]["field_output"] == "completion"
    else:
        assert dataset["type"] == axolotl_type
    assert files["axolotl"]["train_on_inputs"] is on_all
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())["driftline"]
    assert info.get("formatting") == formatting
    read = read_training_data(tmp_path / "out" / info["file_name"])
    assert len(read.examples) == 16
    assert files["llamafactory"]["stage"] == ("pt" if "text" in record else "sft")
    if isinstance(record.get("prompt"), list):
        assert read.examples[0] == {"messages": CHAT}
        assert "completion_only_loss" in left_out["axolotl.yaml"][-1]
