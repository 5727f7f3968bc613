"""Fields that no run can have: named before anything is trained, in a dry run too."""

import pytest
import yaml

LIKE_AXOLOTL = {
    "base_model": "a/b",
    "micro_batch_size": 2,
    "num_epochs": 1,
    "sequence_len": 64,
    "adapter": "qlora",
}
LIKE_FACTORY = {
    "model_name_or_path": "a/b",
    "stage": "sft",
    "finetuning_type": "lora",
    "cutoff_len": 64,
    "quantization_bit": 4,
}


def _arguments(planned, command: str, *more: str) -> list[str]:
    if command != "train":
        return [*planned.arguments(command), *more]
    return [
        "train", str(planned.config), "--model", planned.model, "--data", str(planned.data),
        "--suite", planned.suite, "--out", str(planned.out), "--every", "2", *more,
    ]  # fmt: skip


def _change(planned, **fields: object) -> None:
    values = yaml.safe_load(planned.config.read_text()) | {"bf16": False} | fields
    planned.config.write_text(yaml.safe_dump(values))


def _refused(run, planned, *told: str, commands=("train", "forecast")) -> None:
    for command in commands:
        for more in ((), ("--dry-run",)):
            code, _, err = run(*_arguments(planned, command, *more))
            assert code == 2, (command, more, err)
            assert "Traceback" not in err
            for each in told:
                assert each in err, (command, more, err)
            assert not (planned.out / "model").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"load_in_4bit": True, "use_peft": True}, "load_in_4bit"),
        ({"load_in_8bit": True, "use_peft": True}, "load_in_8bit"),
        ({**LIKE_AXOLOTL, "learning_rate": 1e-3}, "load_in_4bit"),
        ({**LIKE_FACTORY, "learning_rate": 1e-3}, "load_in_4bit"),
    ],
)
def test_a_quantised_base_is_never_passed_over(run, planned, fields, key):
    if "load_in_4bit" in fields or "load_in_8bit" in fields:
        _change(planned, **fields)
    else:
        planned.config.write_text(yaml.safe_dump(fields))
    _refused(run, planned, f"config.yaml: {key}: ", "attach StabilityMonitor", commands=["train"])
    _refused(run, planned, f"config.yaml: {key}: ", "add --load-in", commands=["forecast"])


def test_a_dry_run_takes_a_base_that_is_opened_as_the_config_says(run, planned):
    _change(planned, load_in_4bit=True, use_peft=True)
    code, _, err = run(*planned.arguments(), "--load-in", "4bit", "--dry-run")
    assert code == 0, err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"seed": -1}, "config.yaml: seed: -1 is not at least 0"),
        ({"max_steps": -1, "num_train_epochs": 0}, "config.yaml: num_train_epochs: 0: the run would"),
        ({"metric_for_best_model": "foo", "eval_strategy": "steps", "dataset_test_split": "test"},
         "config.yaml: metric_for_best_model: 'foo' is not among what TRL evaluates"),
        ({"per_device_train_batch_size": 25, "dataloader_drop_last": True, "max_steps": -1},
         "config.yaml: dataloader_drop_last: data.jsonl has 24 rows to train on, which fill no batch of 25"),
    ],
)  # fmt: skip
def test_a_run_that_would_break_off_or_have_no_step_is_refused(run, planned, fields, told):
    _change(planned, **fields)
    more = () if "eval_strategy" not in fields else ("--eval-data", str(planned.data))
    for command in ("train", "forecast"):
        for dry in ((), ("--dry-run",)):
            code, _, err = run(*_arguments(planned, command, *more, *dry))
            assert (code, told in err) == (2, True), (command, dry, err)
    assert not (planned.out / "model").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"lora_target_modules": ["q_proj"]},
         "lora_target_modules: q_proj alone is taken for a regular expression of the whole name, by TRL "
         "too; write `lora_target_modules: '.*\\.q_proj'`"),
        ({"lora_target_modules": "nonsense"}, "lora_target_modules: nonsense: no layer of "),
        ({"target_modules": ["a", "b"]}, "target_modules: ['a', 'b']: no layer of "),
        ({"layers_to_transform": [9]}, "layers_to_transform: [9]: "),
        ({"init_lora_weights": "foo"}, "init_lora_weights: 'foo' is not one of true, false, gaussian"),
    ],
)  # fmt: skip
def test_an_adapter_that_peft_cannot_make_names_its_key(run, planned, fields, told):
    _change(planned, use_peft=True, **fields)
    for command in ("train", "forecast"):
        code, _, err = run(*_arguments(planned, command))
        assert (code, f"config.yaml: {told}" in err) == (2, True), (command, err)
    assert not (planned.out / "model").exists()


@pytest.mark.slow
def test_a_trained_bias_that_the_base_has_no_place_for_is_refused_by_a_probe(run, planned):
    _change(planned, use_peft=True, lora_bias=True)
    code, _, err = run(*planned.arguments())
    assert code == 2, err
    assert "config.yaml: lora_bias: model.layers.0.self_attn.q_proj has no bias" in err
