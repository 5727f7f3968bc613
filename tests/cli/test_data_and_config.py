"""Data and configs as people have them, from the command line: taken, set aside with a line, refused."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from datasets import Dataset, DatasetDict
from safetensors.torch import load_file
from transformers import AutoTokenizer

from driftline.results import Assessment, TrainingRun

CHATS = [
    {
        "messages": [
            {"role": "user", "content": f"{i} + {i}?"},
            {"role": "assistant", "content": f"{2 * i}"},
        ]
    }
    for i in range(24)
]
PAIRS = [{"question": f"{i} + {i} =", "answer": f" {2 * i}"} for i in range(24)]
TOKENS = [
    {"input_ids": [40 + i % 9, *range(60, 70)], "labels": [-100] * 4 + list(range(63, 70))}
    for i in range(24)
]


def write_rows(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def change(planned, **fields: object) -> None:
    values = yaml.safe_load(planned.config.read_text()) | {"bf16": False} | fields
    planned.config.write_text(yaml.safe_dump(values))


def train(planned, *more: str) -> list[str]:
    suite = Path(planned.suite)
    suite.write_text(suite.read_text().replace("    items:", "    required: false\n    items:"))
    return [
        "train", str(planned.config), "--model", planned.model, "--data", str(planned.data),
        "--suite", planned.suite, "--out", str(planned.out), "--every", "5", *more,
    ]  # fmt: skip


def test_a_config_that_names_its_data_and_a_launcher_is_forecast(run, planned, tmp_path):
    rows = write_rows(tmp_path / "chats.jsonl", CHATS)
    change(
        planned, datasets=[{"path": "json", "data_files": str(rows)}], num_processes=2,
        eval_strategy="steps", eval_steps=5, push_to_hub=True, hub_model_id="some/where",
        report_to="none", per_device_train_batch_size=1, dtype="bfloat16",
    )  # fmt: skip
    arguments = [part for part in planned.arguments() if part not in ("--data", str(planned.data))]
    code, out, err = run(*arguments, "--json")
    assert code in (0, 1, 3), err
    said = Assessment.from_json(out)
    assert said.provenance.data.num_records == 24
    read = [each for each in said.caveats if each.startswith("As read: ")]
    assert len(read) == 2
    assert "num_processes: the rows of each step of 2 processes" in read[0]
    for key in ("eval_strategy", "eval_steps", "push_to_hub", "hub_model_id", "report_to"):
        assert key in read[1]
    assert f"note: {read[0].removeprefix('As read: ')[:60]}" in err


@pytest.mark.slow
def test_mapped_columns_and_tokens_are_forecast(run, planned, tmp_path):
    change(planned, max_steps=10)
    pairs = planned.with_(data=write_rows(tmp_path / "pairs.jsonl", PAIRS))
    code, _, err = run(*pairs.arguments())
    assert code in (0, 1, 3), err
    assert "note: columns read as --map prompt=question,completion=answer" in err
    odd = [{"frage": row["question"], "antwort": row["answer"]} for row in PAIRS]
    pairs = planned.with_(data=write_rows(tmp_path / "odd.jsonl", odd), out=tmp_path / "odd")
    code, _, err = run(*pairs.arguments())
    assert code == 2
    assert "add --map prompt=COLUMN,completion=COLUMN" in err
    code, _, err = run(*pairs.arguments(), "--map", "prompt=frage,completion=antwort")
    assert code in (0, 1, 3), err
    tokens = planned.with_(
        data=write_rows(tmp_path / "tokens.jsonl", TOKENS), out=tmp_path / "tokens"
    )
    code, _, err = run(*tokens.arguments())
    assert code in (0, 1, 3), err


def test_rows_that_are_set_apart_measure_the_gain_where_nothing_is_evaluated(
    run, planned, tmp_path
):
    rows = [{"prompt": row["question"], "completion": row["answer"]} for row in PAIRS]
    planned = planned.with_(data=write_rows(tmp_path / "some.jsonl", rows[:20]))
    held = write_rows(tmp_path / "held.jsonl", rows[16:])
    code, out, err = run(*train(planned), "--eval-data", str(held), "--json")
    assert code in (0, 1, 3), err
    found = TrainingRun.from_json(out)
    # The rows that are trained on as well are no held-out ones.
    assert found.target.num_rows == len(rows) - 20


@pytest.mark.parametrize("chooses_best", [False, True])
def test_a_run_is_evaluated_on_the_split_that_the_data_have(run, planned, tmp_path, chooses_best):
    rows = [{"prompt": row["question"], "completion": row["answer"]} for row in PAIRS]
    splits = {"train": Dataset.from_list(rows[:20]), "held": Dataset.from_list(rows[20:])}
    DatasetDict(splits).save_to_disk(tmp_path / "saved")
    change(
        planned, eval_strategy="steps", eval_steps=5, dataset_test_split="held", save_steps=5,
        load_best_model_at_end=chooses_best, per_device_train_batch_size=2,
    )  # fmt: skip
    planned = planned.with_(data=tmp_path / "saved")
    code, out, err = run(*train(planned), "--json")
    assert code in (0, 1, 3), err
    assert TrainingRun.from_json(out).num_steps == 10
    state = json.loads((planned.out / "checkpoints/checkpoint-10/trainer_state.json").read_text())
    assert [log["step"] for log in state["log_history"] if "eval_loss" in log] == [5, 10]
    assert (state["best_model_checkpoint"] is not None) == chooses_best


@pytest.mark.parametrize("rows", [None, "given"])
def test_a_rate_that_follows_evaluations_is_trained_and_not_forecast(run, planned, tmp_path, rows):
    change(planned, lr_scheduler_type="reduce_lr_on_plateau", eval_strategy="steps", eval_steps=5)
    code, _, err = run(*planned.arguments())
    assert code == 2
    assert "reduce_lr_on_plateau has no plan to look ahead along" in err
    more = () if rows is None else ("--eval-data", str(planned.data))
    code, out, err = run(*train(planned, *more), "--json")
    assert code in (0, 1, 3), err
    caveats = [each for each in TrainingRun.from_json(out).caveats if each.startswith("As read")]
    assert len(caveats) == (rows is None)
    if rows is None:
        assert "eval_steps, eval_strategy: set aside" in caveats[0]
        assert "--eval-data names one" in caveats[0]
        assert "the learning rate stays where it begins" in caveats[0]


def test_a_run_in_bfloat16_with_a_template_of_its_own_comes_out_so(run, planned, tmp_path):
    template = tmp_path / "own.jinja"
    template.write_text("{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}")
    change(planned, dtype="bfloat16", chat_template_path=str(template))
    planned = planned.with_(data=write_rows(tmp_path / "chats.jsonl", CHATS))
    code, _, err = run(*train(planned))
    assert code in (0, 1, 3), err
    weights = load_file(planned.out / "model" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}
    saved = AutoTokenizer.from_pretrained(planned.out / "model")
    assert saved.chat_template == template.read_text()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"push_to_hub": True, "hub_model_id": "a/b"}, "push_to_hub: "),
        ({"report_to": "neptune"}, "report_to: neptune is not installed here"),
        ({"lr_scheduler_type": "cosine_with_min_lr"}, "One of min_lr or min_lr_rate"),
        ({"lr_scheduler_type": "polynomial", "lr_scheduler_kwargs": {"lr_end": 1.0}}, "lr_end"),
        ({"optim": "grokadamw"}, "grokadamw"),
        ({"use_liger_kernel": True}, "pip install liger-kernel"),
        ({"eos_token": "<nowhere>"}, "<nowhere>"),
        ({"assistant_only_loss": True}, "assistant_only_loss"),
        ({"chat_template_path": "nobody/nothing"}, "config.yaml"),
    ],
)
def test_what_a_library_refuses_is_one_line_with_exit_code_2(
    run, planned, monkeypatch, fields, told
):
    monkeypatch.setattr("driftline.models.trainer.config._config_checks.HF_HUB_OFFLINE", True)
    change(planned, **fields)
    code, out, err = run(*train(planned))
    last = err.strip().splitlines()[-1]
    assert code == 2, err
    assert last.startswith("driftline: config.yaml: ")
    assert told in last
    assert "fault in Driftline" not in err
    assert "Traceback" not in err
    assert out == ""


def test_a_forecast_says_what_would_stop_the_run_at_its_outputs(run, planned, monkeypatch):
    monkeypatch.setattr("driftline.models.trainer.config._config_checks.HF_HUB_OFFLINE", True)
    change(planned, push_to_hub=True, hub_model_id="a/b", lr_scheduler_type="cosine_with_min_lr")
    code, _, err = run(*planned.arguments())
    assert code == 2
    assert "min_lr" in err
    change(planned, lr_scheduler_type="cosine")
    code, _, err = run(*planned.arguments())
    assert code in (0, 1, 3), err
    assert "note: config.yaml: push_to_hub: HF_HUB_OFFLINE is set" in err


def test_configs_of_other_trainers_are_trained(run, planned, tmp_path):
    planned.config.write_text(
        yaml.safe_dump(
            {"base_model": planned.model, "sequence_len": 64, "micro_batch_size": 4, "max_steps": 5,
             "learning_rate": 1e-3, "optimizer": "adamw_torch", "bf16": False, "adapter": "lora",
             "lora_r": 4, "lora_alpha": 8, "lora_target_linear": True, "flash_attention": True}
        )
    )  # fmt: skip
    rows = write_rows(tmp_path / "pairs.jsonl", PAIRS)
    mapped = ("--map", "prompt=question,completion=answer")
    code, _, err = run(*train(planned.with_(data=rows), *mapped))
    assert code in (0, 1, 3), err
    assert "note: read as a config of Axolotl" in err
    assert "flash_attention: not taken" in err
    adapter = json.loads((planned.out / "model" / "adapter_config.json").read_text())
    assert adapter["r"] == 4
